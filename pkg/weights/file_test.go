package weights

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes/float16"

	"github.com/residual-go/residual/pkg/statedict"
)

// formats is the folder of the files that tests/reference/weight_formats.py writes with PyTorch.
var formats = filepath.Join("testdata", "formats")

// expectation is what the script says of a file.
type expectation struct {
	Format  string
	Tensors map[string]struct {
		Shape []int
		Bits  []uint32
	}
	Counters map[string]int64
	Refused  []string
}

func expectations(t testing.TB) map[string]expectation {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(formats, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]expectation
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func content(t testing.TB, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// readBytes reads a file with that content.
func readBytes(content []byte) (*File, error) {
	return read(bytes.NewReader(content), int64(len(content)))
}

func TestReadFileReadsWhatPyTorchWrites(t *testing.T) {
	all := expectations(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		path, want := filepath.Join(formats, name), all[name]
		got, err := ReadFile(path)
		if want.Refused != nil {
			checkRefused(t, name, err, append(want.Refused, path+": ")...)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.Path != path || got.Format != want.Format || !maps.Equal(got.Counters, want.Counters) {
			t.Errorf("%s: read as %s, %q, with the counters %v; want %q, %v",
				name, got.Path, got.Format, got.Counters, want.Format, want.Counters)
		}
		if !slices.Equal(slices.Sorted(maps.Keys(got.Tensors)), slices.Sorted(maps.Keys(want.Tensors))) {
			t.Errorf("%s: tensors %v, want %v", name, slices.Sorted(maps.Keys(got.Tensors)), slices.Sorted(maps.Keys(want.Tensors)))
		}
		for key, tensor := range want.Tensors {
			data := got.Tensors[key].Data
			if !slices.Equal(got.Tensors[key].Shape, tensor.Shape) || len(data) != len(tensor.Bits) {
				t.Errorf("%s: %s has shape %v and %d numbers, want %v", name, key, got.Tensors[key].Shape, len(data), tensor.Shape)
				continue
			}
			for i, bits := range tensor.Bits {
				// There are many that are not a number; which one it is is nobody's business.
				if x := math.Float32frombits(bits); math.Float32bits(data[i]) != bits && (x == x || data[i] == data[i]) {
					t.Errorf("%s: number %d of %s is %g, want %g", name, i, key, data[i], x)
				}
			}
		}
	}
}

// Of a checkpoint that has more than one, as some do of a model and of its average, always
// the same state dict is read.
func TestReadFileLooksForStateDictsInOrder(t *testing.T) {
	one := func(offset int64) string { // of one tensor, whose number is its offset
		return dictionary(text("a"), rebuilt(stored("FloatStorage", "0", 6), offset, []int64{1}, []int64{1}))
	}
	entries := []string{text("a"), rebuilt(stored("FloatStorage", "0", 6), 0, []int64{1}, []int64{1})}
	for i, key := range []string{"", "model_state_dict", "model", "state_dict"} { // each before those before it
		if key != "" {
			entries = append(entries, text(key), one(int64(i)))
		}
		got, err := readBytes(archived(t, pickled(dictionary(entries...)), six))
		if err != nil || !slices.Equal(got.Tensors["a"].Data, []float32{float32(i)}) {
			t.Errorf("with %q: %v, %v, want the number %d", key, got, err, i)
		}
	}
}

func TestReadFileReadsMetadata(t *testing.T) {
	for name, want := range map[string]map[string]string{
		"numbers.safetensors": {"format": "pt", "note": "one\ntwo"},
		"numbers.pth":         nil,
		"numbers-old.pth":     nil,
	} {
		got, err := ReadFile(filepath.Join(formats, name))
		if err != nil || !reflect.DeepEqual(got.Metadata, want) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, want)
		}
	}
}

// Names of files say nothing.
func TestReadFileGoesByContent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weights.safetensors")
	if err := os.WriteFile(path, content(t, filepath.Join(formats, "numbers-old.pth")), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadFile(path); err != nil || got.Format != "PyTorch pickle" {
		t.Errorf("a pickle with a wrong name: %v, %v", got, err)
	}
}

func TestReadFileWithoutAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.pth")
	_, err := ReadFile(path)
	checkRefused(t, "no file", err, path)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: error %v, want fs.ErrNotExist", err)
	}
	_, err = ReadFile(t.TempDir())
	checkRefused(t, "a folder", err, "a folder")
}

// Files that the program itself wrote have a checksum: a bit that was flipped anywhere in one
// is found.
func TestReadFileChecksTheChecksum(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weights.safetensors")
	want := map[string]statedict.Tensor{
		"fc.weight": {Shape: []int{2, 3}, Data: []float32{1, 2, 3, 4, 5, 6}},
		"fc.bias":   {Shape: []int{2}, Data: []float32{-1, 0.5}},
	}
	if err := (&statedict.Dict{Tensors: want, Metadata: map[string]string{"note": "a"}}).Save(path); err != nil {
		t.Fatal(err)
	}
	whole := content(t, path)
	got, err := readBytes(whole)
	if err != nil || !reflect.DeepEqual(got.Tensors, want) || got.Metadata["note"] != "a" {
		t.Fatalf("read %v, %v; want %v", got, err, want)
	}
	for i := range whole {
		flipped := bytes.Clone(whole)
		flipped[i] ^= 1 << (i % 8)
		got, err := readBytes(flipped)
		if err != nil {
			continue
		}
		// The checksum's own name can be damaged unseen, and the case of a letter in the
		// format's words; nothing is lost by it.
		if !reflect.DeepEqual(got.Tensors, want) || got.Metadata["note"] != "a" {
			t.Errorf("bit %d of byte %d was flipped and read as %v", i%8, i, got)
		}
	}
}

// In a zip archive every byte of the tensors and of the pickle is checked, too.
func TestReadFileChecksTheArchive(t *testing.T) {
	whole := content(t, filepath.Join(formats, "checkpoint-model.pth"))
	want, err := readBytes(whole)
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		flipped := bytes.Clone(whole)
		flipped[i] ^= 1 << (i % 8)
		got, err := readBytes(flipped)
		if err != nil {
			checkRefused(t, "a flipped bit", err)
		} else if !reflect.DeepEqual(got.Tensors, want.Tensors) || !maps.Equal(got.Counters, want.Counters) {
			t.Errorf("bit %d of byte %d was flipped and read as something else", i%8, i)
		}
	}
}

// Every number of 16 bits, by the definition of the format.
func TestFloat16(t *testing.T) {
	for bits := range 1 << 16 {
		sign, exponent, fraction := 1-2*float64(bits>>15), bits>>10&31, float64(bits&1023)
		var want float64
		switch exponent {
		case 0:
			want = math.Ldexp(fraction, -24)
		case 31:
			want = math.Inf(1)
			if fraction != 0 {
				want = math.NaN()
			}
		default:
			want = math.Ldexp(1024+fraction, exponent-25)
		}
		want *= sign
		if got := float16.FromBits(uint16(bits)).Float32(); got != float32(want) && (got == got || want == want) {
			t.Errorf("%#04x is %g, want %g", bits, got, want)
		}
	}
}

func TestRecognize(t *testing.T) {
	tar := make([]byte, 1024)
	copy(tar[257:], "ustar")
	for name, test := range map[string]struct{ start, want string }{
		"nothing":              {"", "the file is empty"},
		"a few bytes":          {"abc", "neither safetensors nor"},
		"one byte of a pickle": {"\x80", "neither safetensors nor"},
		"noise":                {strings.Repeat("\xa5\x5a\x01", 400), "neither safetensors nor"},
		"TAR":                  {string(tar), "0.1.10"},
		"HDF5":                 {"\x89HDF\r\n\x1a\n\x00\x00", "Keras"},
		"GGUF":                 {"GGUF\x03\x00\x00\x00", "GGUF"},
		"NumPy":                {"\x93NUMPY\x01\x00", "NumPy"},
		"ONNX":                 {"\x08\x08\x12\x07pytorch", "ONNX"},
		"PNG":                  {"\x89PNG\r\n\x1a\n\x00\x00", "a picture"},
		"JPEG":                 {"\xff\xd8\xff\xe0\x00\x10JFIF", "a picture"},
		"a login page":         {"\n <!DOCTYPE html>\n<title>Log in", "a web page"},
		"another":              {"\ufeff<HTML><body>", "a web page"},
		"an error":             {"<?xml version='1.0'?><Error>", "a web page"},
		"JSON":                 {"{\"message\": \"Not Found\"}", "JSON"},
		"gzip":                 {"\x1f\x8b\x08\x00", "unpack it first"},
		"Git LFS":              {"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"},
		"an empty archive":     {"PK\x05\x06" + strings.Repeat("\x00", 18), "an empty zip archive"},
	} {
		_, err := readBytes([]byte(test.start))
		checkRefused(t, name, err, test.want)
	}
}

// TestReadFileReadsOldNetworks reads trained networks that are no part of the project.
func TestReadFileReadsOldNetworks(t *testing.T) {
	folder := os.Getenv("RESIDUAL_TEST_DATA")
	if folder == "" {
		t.Skip("RESIDUAL_TEST_DATA names no folder with weights/, CIFAR-10 networks of PyTorch's old format")
	}
	got, err := ReadFile(filepath.Join(folder, "weights", "resnet20-12fca82f.th"))
	if err != nil {
		t.Fatal(err)
	}
	// 19 convolutions, 19 times two weights and two statistics, and a linear layer.
	if got.Format != "PyTorch pickle" || len(got.Tensors) != 19+4*19+2 {
		t.Errorf("read as %q with %d tensors", got.Format, len(got.Tensors))
	}
	first, last := got.Tensors["module.conv1.weight"], got.Tensors["module.linear.bias"]
	if !slices.Equal(first.Shape, []int{16, 3, 3, 3}) || !slices.Equal(last.Shape, []int{10}) {
		t.Fatalf("conv1.weight has shape %v, linear.bias %v", first.Shape, last.Shape)
	}
	// As torch.load reads them.
	if first.Data[0] != -0.13818146 || last.Data[9] != -0.2702594 {
		t.Errorf("the first number is %v, the last %v", first.Data[0], last.Data[9])
	}
}
