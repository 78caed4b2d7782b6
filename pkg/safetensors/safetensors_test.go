package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/internal/filetest"
	"github.com/residual-go/residual/pkg/tensorfile"
)

var read filetest.Read = func(r io.ReaderAt, size int64) (*tensorfile.Contents, error) {
	f, err := Open(r, size)
	if err != nil {
		return nil, err
	}
	return f.Read()
}

func sample() map[string]tensorfile.Tensor {
	return map[string]tensorfile.Tensor{
		"conv1.weight": {Shape: []int{2, 1, 1, 3}, Data: []float32{1, -2, 3.5, 0, float32(math.Inf(1)), math.MaxFloat32}},
		"bn1.bias":     {Shape: []int{1}, Data: []float32{math.SmallestNonzeroFloat32}},
		"fc.weight":    {Shape: []int{2, 2}, Data: []float32{0.1, 0.2, 0.3, 0.4}},
	}
}

func written(t testing.TB, tensors map[string]tensorfile.Tensor, metadata map[string]string) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := Write(&file, tensors, metadata); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func TestWriteAndRead(t *testing.T) {
	metadata := map[string]string{"note": "a \"quoted\" line\nand ünother <one>"}
	file := written(t, sample(), metadata)
	if len(metadata) != 1 {
		t.Errorf("Write changed its caller's metadata to %v", metadata)
	}
	if !bytes.Equal(file, written(t, sample(), metadata)) {
		t.Error("two files of the same content differ")
	}
	opened, err := Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	if opened.Metadata["note"] != metadata["note"] || opened.Metadata["format"] != "pt" {
		t.Errorf("the metadata is %q", opened.Metadata)
	}
	if first := opened.Entries[0]; first.Name != "bn1.bias" || first.DType != tensorfile.Float32 || !reflect.DeepEqual(first.Shape, []int64{1}) {
		t.Errorf("the first entry is %+v", first)
	}
	if got, err := opened.Read(); err != nil || !reflect.DeepEqual(got.Tensors, sample()) {
		t.Errorf("read %v, %v; want %v", got, err, sample())
	}
}

func TestWriteFloat16(t *testing.T) {
	tensors := map[string]tensorfile.Tensor{
		"bn1.running_var": {Shape: []int{2}, Data: []float32{1e9, 1e-9}},
		"conv1.weight":    {Shape: []int{2, 1, 1, 3}, Data: []float32{1, -2, 65504, 1 + 1.0/4096, 1 + 3.0/2048, 1e-9}},
	}
	var file bytes.Buffer
	if err := WriteFloat16(&file, tensors, nil); err != nil {
		t.Fatal(err)
	}
	opened, err := Open(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if statistics, weight := opened.Entries[0].DType, opened.Entries[1].DType; statistics != tensorfile.Float32 || weight != tensorfile.Float16 {
		t.Errorf("dtypes %v and %v, want float32 and float16", statistics, weight)
	}
	want := map[string]tensorfile.Tensor{
		"bn1.running_var": tensors["bn1.running_var"],
		// The spacing of float16 above 1 is 1/1024. Halfway, the even neighbour is the nearest.
		"conv1.weight": {Shape: []int{2, 1, 1, 3}, Data: []float32{1, -2, 65504, 1, 1 + 2.0/1024, 0}},
	}
	if got, err := opened.Read(); err != nil || !reflect.DeepEqual(got.Tensors, want) { // verifies the checksum
		t.Errorf("read %v, %v; want %v", got, err, want)
	}
	if err := WriteFloat16(io.Discard, map[string]tensorfile.Tensor{"fc.weight": {Shape: []int{1, 2}, Data: []float32{0, -65536}}}, nil); err == nil || !strings.Contains(err.Error(), "fc.weight") {
		t.Errorf("a value that float16 does not have: error %v", err)
	}
}

// TestFilesAreSafetensors decodes a file by the format's definition alone.
func TestFilesAreSafetensors(t *testing.T) {
	file := written(t, sample(), nil)
	length := binary.LittleEndian.Uint64(file)
	if length%8 != 0 {
		t.Errorf("the header has %d bytes, so the data is not aligned", length)
	}
	var entries map[string]struct {
		DType   string
		Shape   []int
		Offsets [2]int `json:"data_offsets"`
	}
	header := strings.Replace(string(file[8:8+length]), "__metadata__", "", 1)
	if err := json.Unmarshal([]byte(header), &entries); err != nil {
		t.Fatal(err)
	}
	weight, data := entries["fc.weight"], file[8+length:]
	if weight.DType != "F32" || !reflect.DeepEqual(weight.Shape, []int{2, 2}) || weight.Offsets != [2]int{28, 44} || len(data) != 44 {
		t.Fatalf("fc.weight is %+v in %d bytes of data", weight, len(data))
	}
	for i, want := range []float32{0.1, 0.2, 0.3, 0.4} {
		if x := math.Float32frombits(binary.LittleEndian.Uint32(data[28+4*i:])); x != want {
			t.Errorf("element %d is %g, want %g", i, x, want)
		}
	}
}

// failing is a writer that always fails.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestWriteReturnsErrors(t *testing.T) {
	full := errors.New("the disk is full")
	if err := Write(failing{full}, sample(), nil); !errors.Is(err, full) {
		t.Errorf("error %v, want %v", err, full)
	}
	tensors := sample()
	tensors["fc.weight"] = tensorfile.Tensor{Shape: []int{2, 2}, Data: make([]float32, 3)}
	var file bytes.Buffer
	filetest.CheckRefused(t, "too few elements", Write(&file, tensors, nil), "fc.weight has shape [2 2] and 3 elements")
	if file.Len() > 0 {
		t.Errorf("%d bytes were written all the same", file.Len())
	}
}

// TestEveryFlippedBitIsFound flips one bit of each byte.
func TestEveryFlippedBitIsFound(t *testing.T) {
	file := written(t, sample(), map[string]string{"note": "a"})
	for i := range file {
		flipped := bytes.Clone(file)
		flipped[i] ^= 1 << (i % 8)
		opened, err := Open(bytes.NewReader(flipped), int64(len(flipped)))
		if err != nil {
			filetest.CheckRefused(t, "a flipped bit", err)
			continue
		}
		got, err := opened.Read()
		if err != nil {
			continue
		}
		// Only damage to the checksum's own name goes unnoticed, and nothing is lost by it.
		if _, ok := opened.Metadata[ChecksumKey]; ok || !reflect.DeepEqual(got.Tensors, sample()) || opened.Metadata["note"] != "a" {
			t.Errorf("bit %d of byte %d was flipped, and the file was read as %v", i%8, i, got)
		}
	}
}

func TestEveryTruncationIsFound(t *testing.T) {
	for name, file := range map[string][]byte{"ours": written(t, sample(), nil), "PyTorch's": filetest.Format(t, "numbers.safetensors")} {
		for length := range file {
			_, err := read.Bytes(file[:length])
			filetest.CheckRefused(t, name, err)
		}
		_, err := read.Bytes(append(file, 0))
		filetest.CheckRefused(t, name+", a byte too many", err)
	}
}

func TestHeadersAreWhatTheySay(t *testing.T) {
	one := func(dtype, shape string, from, to uint64) string {
		return "{" + filetest.Entry("a", dtype, shape, from, to) + "}"
	}
	list := "[" + strings.Repeat("1,", 1<<20) + "1]"
	for name, test := range map[string]struct {
		file []byte
		want string
	}{
		"a header of 10^9":           {append([]byte("\x00\xca\x9a\x3b\x00\x00\x00\x00{"), filetest.Six()...), "cut short: its header should have 1000000000 bytes"},
		"a header of 2^39":           {append([]byte("\x00\x00\x00\x00\x80\x00\x00\x00{"), filetest.Six()...), "cut short: its header"},
		"another format":             {append([]byte("\x80\x02\x8a\nl\xfc\x9cF"), filetest.Six()...), "it does not begin with the length of a header"},
		"a large header":             {filetest.Safetensors("{"+strings.Repeat(" ", 9<<20)+"}", nil), "want at most 8388608"},
		"no JSON":                    {filetest.Safetensors("{a}", nil), "its header is damaged"},
		"a list":                     {filetest.Safetensors(`{"a":[]}`, nil), "the header's entry for a is damaged"},
		"nothing":                    {filetest.Safetensors(`{"a":null}`, nil), "the header's entry for a is damaged"},
		"endless nesting":            {filetest.Safetensors(strings.Repeat(`{"a":`, 20000), nil), "its header is damaged"},
		"metadata of numbers":        {filetest.Safetensors(`{"__metadata__":{"a":1}}`, nil), "its metadata is damaged"},
		"a million axes":             {filetest.Safetensors(one("F32", list, 0, 24), filetest.Six()), "a has 1048577 axes"},
		"a negative size":            {filetest.Safetensors(one("F32", "[-6]", 0, 24), filetest.Six()), "entry for a is damaged"},
		"a fraction":                 {filetest.Safetensors(one("F32", "[1.5]", 0, 24), filetest.Six()), "entry for a is damaged"},
		"a number of 10,000 digits":  {filetest.Safetensors(one("F32", "["+strings.Repeat("1", 10000)+"]", 0, 24), filetest.Six()), "entry for a is damaged"},
		"a size above 2^63":          {filetest.Safetensors(one("F32", "[18446744073709551615]", 0, 24), filetest.Six()), "a has the impossible shape [-1]"},
		"sizes that wrap":            {filetest.Safetensors(one("F32", "[4294967296,4294967296,6]", 0, 24), filetest.Six()), "a is larger than its file"},
		"too large":                  {filetest.Safetensors(one("F32", "[7]", 0, 24), filetest.Six()), "a reaches outside its storage of 6 elements"},
		"too small":                  {filetest.Safetensors(one("F32", "[5]", 0, 24), filetest.Six()), "a has 24 bytes, which is not the size of float32 elements of shape [5]"},
		"empty":                      {filetest.Safetensors(one("F32", "[0]", 0, 0), nil), "a is empty"},
		"empty and huge":             {filetest.Safetensors(one("F32", "[18446744073709551615,0]", 0, 0), nil), "a has the impossible shape [-1 0]"},
		"another type":               {filetest.Safetensors(one("F8_E4M3", "[24]", 0, 24), filetest.Six()), "a has dtype F8_E4M3, want F32, F16, BF16 or F64"},
		"whole numbers":              {filetest.Safetensors(one("U8", "[24]", 0, 24), filetest.Six()), "a has dtype uint8 and shape [24]"},
		"a flag":                     {filetest.Safetensors(one("BOOL", "[]", 0, 1), filetest.Six()[:1]), "a has dtype bool"},
		"past the end":               {filetest.Safetensors(one("F32", "[7]", 0, 28), filetest.Six()), "its tensors should have 28 bytes, and 24 are there"},
		"ten to the twelve":          {filetest.Safetensors(one("F32", "[1000000000000]", 0, 4000000000000), filetest.Six()), "its tensors should have 4000000000000 bytes"},
		"offsets in the wrong order": {filetest.Safetensors(one("F32", "[6]", 24, 0), filetest.Six()), "entry for a is damaged"},
		"no offsets":                 {filetest.Safetensors(`{"a":{"dtype":"F32","shape":[6]}}`, filetest.Six()), "entry for a is damaged"},
		"one offset":                 {filetest.Safetensors(`{"a":{"dtype":"F32","shape":[6],"data_offsets":[24]}}`, filetest.Six()), "entry for a is damaged"},
		"no shape":                   {filetest.Safetensors(`{"a":{"dtype":"F32","data_offsets":[0,4]}}`, filetest.Six()[:4]), "entry for a is damaged"},
		"a gap before":               {filetest.Safetensors(one("F32", "[5]", 4, 24), filetest.Six()), "no tensor owns the bytes before a"},
		"bytes left over":            {filetest.Safetensors(one("F32", "[5]", 0, 20), filetest.Six()), "its tensors should have 20 bytes, and 24 are there"},
		"tensors that overlap":       {filetest.Safetensors("{"+filetest.Entry("a", "F32", "[4]", 0, 16)+","+filetest.Entry("b", "F32", "[3]", 12, 24)+"}", filetest.Six()), "b overlaps"},
		"tensors that coincide":      {filetest.Safetensors("{"+filetest.Entry("a", "F32", "[6]", 0, 24)+","+filetest.Entry("b", "F32", "[6]", 0, 24)+"}", filetest.Six()), "b overlaps"},
		"a name of two lines":        {filetest.Safetensors("{"+filetest.Entry("a\nb", "F32", "[7]", 0, 24)+"}", filetest.Six()), `"a\nb" reaches outside`},
		"another checksum":           {filetest.Safetensors(`{"__metadata__":{"checksum":"00"},`+filetest.Entry("a", "F32", "[6]", 0, 24)+"}", filetest.Six()), "its checksum does not match"},
		"an empty checksum":          {filetest.Safetensors(`{"__metadata__":{"checksum":""},`+filetest.Entry("a", "F32", "[6]", 0, 24)+"}", filetest.Six()), "its checksum does not match"},
	} {
		if strings.HasPrefix(test.want, "b overlaps") { // or a does
			test.want = "overlaps with another tensor"
		}
		read.CheckRefusedCheaply(t, name, test.file, test.want)
	}
}

func FuzzRead(f *testing.F) {
	whole := filetest.Format(f, "numbers.safetensors")
	length := 8 + binary.LittleEndian.Uint64(whole)
	f.Add(whole[8:length], whole[length:])
	f.Add([]byte("{"+filetest.Entry("a", "F16", "[3,4]", 0, 24)+"}"), filetest.Six())
	f.Fuzz(func(t *testing.T, header, data []byte) { read.Check(t, filetest.Safetensors(string(header), data)) })
}
