package statedict

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/nlpodyssey/safetensors"

	"github.com/residual-go/residual/pkg/resnet"
)

func sample() *Dict {
	return &Dict{
		Tensors: map[string]Tensor{
			"conv1.weight": {[]int{2, 1, 1, 3}, []float32{1, -2, 3.5, 0, float32(math.Inf(1)), math.MaxFloat32}},
			"bn1.bias":     {[]int{1}, []float32{math.SmallestNonzeroFloat32}},
			"fc.weight":    {[]int{2, 2}, []float32{0.1, 0.2, 0.3, 0.4}},
		},
		Metadata: map[string]string{"note": "a \"quoted\" line\nand ünother", "step": "100"},
	}
}

func saved(t testing.TB, d *Dict) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "weights.safetensors")
	if err := d.Save(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// stored puts content in a file.
func stored(t testing.TB, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "weights.safetensors")
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// file is a safetensors file with the given header.
func file(header string, data []byte) []byte {
	content := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(content, header...), data...)
}

// checkRefused fails unless err is one line that has all of the given texts.
func checkRefused(t *testing.T, what string, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", what)
		return
	}
	for _, text := range append(texts, "") {
		if !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %q, want one line with %q", what, err, text)
		}
	}
}

func TestSaveAndLoad(t *testing.T) {
	want := sample()
	got, err := Load(saved(t, want))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.Tensors, want.Tensors) {
		t.Errorf("read tensors %v, want %v", got.Tensors, want.Tensors)
	}
	for key, text := range want.Metadata {
		if got.Metadata[key] != text {
			t.Errorf("read %q = %q, want %q", key, got.Metadata[key], text)
		}
	}
	if got.Metadata["format"] != "pt" {
		t.Errorf("the format is %q, want pt", got.Metadata["format"])
	}
	if len(want.Metadata) != 2 {
		t.Errorf("Save changed its own metadata to %v", want.Metadata)
	}
	again, err := Load(saved(t, got))
	if err != nil || !reflect.DeepEqual(again, got) {
		t.Errorf("saved and loaded once more it is %v, %v; want %v", again, err, got)
	}
}

func TestEqualDictsAreEqualFiles(t *testing.T) {
	if !bytes.Equal(read(t, saved(t, sample())), read(t, saved(t, sample()))) {
		t.Error("two files of the same content differ")
	}
}

func TestSaveWithoutMetadata(t *testing.T) {
	got, err := Load(saved(t, &Dict{Tensors: sample().Tensors}))
	if err != nil || !reflect.DeepEqual(got.Tensors, sample().Tensors) {
		t.Errorf("read %v, %v", got, err)
	}
}

// Another reader, the library, finds the names and shapes, and the bytes in row order.
func TestFilesAreSafetensors(t *testing.T) {
	got, err := safetensors.Deserialize(read(t, saved(t, sample())))
	if err != nil {
		t.Fatal(err)
	}
	view, ok := got.Tensor("fc.weight")
	if !ok || view.DType() != safetensors.F32 || !reflect.DeepEqual(view.Shape(), []uint64{2, 2}) {
		t.Fatalf("fc.weight is %v of shape %v, want F32 [2 2]", view.DType(), view.Shape())
	}
	for i, want := range []float32{0.1, 0.2, 0.3, 0.4} {
		if x := math.Float32frombits(binary.LittleEndian.Uint32(view.Data()[4*i:])); x != want {
			t.Errorf("number %d is %g, want %g", i, x, want)
		}
	}
}

func TestSaveRefusesWhatIsNoTensor(t *testing.T) {
	for name, tensor := range map[string]Tensor{
		"too few numbers":  {[]int{2, 2}, make([]float32, 3)},
		"too many numbers": {[]int{2, 2}, make([]float32, 5)},
		"a scalar":         {nil, make([]float32, 1)},
		"nothing":          {},
		"empty":            {[]int{2, 0}, nil},
		"negative":         {[]int{-1, -1}, make([]float32, 1)},
	} {
		path := filepath.Join(t.TempDir(), "weights.safetensors")
		err := (&Dict{Tensors: map[string]Tensor{"fc.weight": tensor}}).Save(path)
		checkRefused(t, name, err, path, "fc.weight has shape")
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: it left a file behind", name)
		}
	}
}

func TestFailedSaveKeepsTheOldFile(t *testing.T) {
	path := saved(t, sample())
	want := read(t, path)
	broken := sample()
	broken.Tensors["fc.weight"] = Tensor{[]int{3}, nil}
	if err := broken.Save(path); err == nil {
		t.Error("a tensor without its numbers was saved")
	}
	if !bytes.Equal(read(t, path), want) {
		t.Error("a failed save changed the file")
	}
}

func TestABitFlippedInAnyByteIsFound(t *testing.T) {
	content := read(t, saved(t, sample()))
	path := stored(t, nil)
	for i := range content {
		flipped := bytes.Clone(content)
		flipped[i] ^= 1 << (i % 8)
		if err := os.WriteFile(path, flipped, 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := Load(path)
		if err != nil {
			checkRefused(t, fmt.Sprintf("byte %d", i), err, path)
			continue
		}
		// Only the checksum's own name can be damaged unseen, and nothing is lost by it.
		if _, ok := got.Metadata[ChecksumKey]; ok || !reflect.DeepEqual(got.Tensors, sample().Tensors) || got.Metadata["step"] != "100" {
			t.Errorf("bit %d of byte %d was flipped and read as %v", i%8, i, got)
		}
	}
}

func TestEveryTruncationIsFound(t *testing.T) {
	content := read(t, saved(t, sample()))
	for length := range content {
		path := stored(t, content[:length])
		_, err := Load(path)
		checkRefused(t, fmt.Sprintf("%d of %d bytes", length, len(content)), err, path, "is damaged or not a safetensors file")
	}
	path := stored(t, append(content, 0))
	_, err := Load(path)
	checkRefused(t, "a byte too many", err, path, "is damaged")
}

func TestLoadRefusesWhatSaveDoesNotWrite(t *testing.T) {
	tensor := func(dtype, shape string, from, to int) string {
		return fmt.Sprintf(`{"dtype":%q,"shape":%s,"data_offsets":[%d,%d]}`, dtype, shape, from, to)
	}
	one := func(tensor string) string { return `{"fc.bias":` + tensor + `}` }
	for name, test := range map[string]struct {
		content []byte
		want    string
	}{
		"a picture":               {[]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"), "damaged or not"},
		"text":                    {[]byte("not weights, but a text of some length"), "damaged or not"},
		"a huge header length":    {append(binary.LittleEndian.AppendUint64(nil, math.MaxUint64), "{}"...), "damaged or not"},
		"a header past the end":   {append(binary.LittleEndian.AppendUint64(nil, 1000), "{}"...), "damaged or not"},
		"no header":               {file("", nil), "damaged or not"},
		"a list for a header":     {file("[]", nil), "damaged or not"},
		"nesting without end":     {file(strings.Repeat(`{"a":`, 20000), nil), "damaged or not"},
		"numbers for metadata":    {file(`{"__metadata__":{"step":1}}`, nil), "damaged or not"},
		"a tensor that is null":   {file(one("null"), nil), "fc.bias"},
		"no such type":            {file(one(tensor("F8", "[1]", 0, 1)), make([]byte, 1)), "fc.bias"},
		"whole numbers":           {file(one(tensor("I64", "[1]", 0, 8)), make([]byte, 8)), "fc.bias has type I64, want F32"},
		"half floats":             {file(one(tensor("F16", "[2]", 0, 4)), make([]byte, 4)), "fc.bias has type F16, want F32"},
		"a negative size":         {file(one(tensor("F32", "[-1]", 0, 4)), make([]byte, 4)), "fc.bias"},
		"a fraction of a size":    {file(one(tensor("F32", "[1.5]", 0, 6)), make([]byte, 6)), "fc.bias"},
		"more than there is":      {file(one(tensor("F32", "[1000000000]", 0, 4000000000)), make([]byte, 4)), "damaged or not"},
		"a size that overflows":   {file(one(tensor("F32", "[4294967296,4294967296,4]", 0, 0)), nil), "damaged or not"},
		"bytes that overflow":     {file(one(tensor("F32", "[4611686018427387904]", 0, 0)), nil), "damaged or not"},
		"an empty tensor":         {file(one(tensor("F32", "[0]", 0, 0)), nil), "fc.bias is empty, of shape [0]"},
		"an empty, endless one":   {file(one(tensor("F32", "[0,18446744073709551615]", 0, 0)), nil), "fc.bias is empty"},
		"offsets that disagree":   {file(one(tensor("F32", "[1]", 0, 8)), make([]byte, 8)), "damaged or not"},
		"offsets the wrong way":   {file(one(tensor("F32", "[1]", 4, 0)), make([]byte, 4)), "damaged or not"},
		"a gap before the tensor": {file(one(tensor("F32", "[1]", 4, 8)), make([]byte, 8)), "damaged or not"},
		"tensors that overlap": {file(`{"a":`+tensor("F32", "[2]", 0, 8)+`,"b":`+tensor("F32", "[2]", 4, 12)+`}`,
			make([]byte, 12)), "damaged or not"},
		"tensors that share": {file(`{"a":`+tensor("F32", "[2]", 0, 8)+`,"b":`+tensor("F32", "[2]", 0, 8)+`}`,
			make([]byte, 8)), "damaged or not"},
		"one name for two tensors": {file(`{"a":`+tensor("F32", "[1]", 0, 4)+`,"a":`+tensor("F32", "[1]", 4, 8)+`}`,
			make([]byte, 8)), "damaged or not"},
	} {
		path := stored(t, test.content)
		_, err := Load(path)
		checkRefused(t, name, err, path, test.want)
	}
	path := filepath.Join(t.TempDir(), "none.safetensors")
	if _, err := Load(path); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("no file: error %v, want one that names it and is fs.ErrNotExist", err)
	}
}

// Files from elsewhere have no checksum and are taken as they are.
func TestLoadWithoutChecksum(t *testing.T) {
	data := binary.LittleEndian.AppendUint32(nil, math.Float32bits(2.5))
	got, err := Load(stored(t, file(`{"fc.bias":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, data)))
	if want := (map[string]Tensor{"fc.bias": {[]int{1}, []float32{2.5}}}); err != nil || !reflect.DeepEqual(got.Tensors, want) {
		t.Errorf("read %v, %v; want %v", got, err, want)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(read(f, saved(f, sample())))
	f.Add(file(`{"a":{"dtype":"F32","shape":[0,18446744073709551615],"data_offsets":[0,0]}}`, nil))
	f.Add(file(`{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}`, make([]byte, 4)))
	f.Add(file("null", nil))
	f.Fuzz(func(t *testing.T, content []byte) {
		d, err := Load(stored(t, content))
		if err != nil {
			return
		}
		for name, tensor := range d.Tensors {
			size := 1
			for _, dim := range tensor.Shape {
				size *= dim
			}
			if size != len(tensor.Data) || size < 1 {
				t.Errorf("%q has shape %v and %d numbers", name, tensor.Shape, len(tensor.Data))
			}
			if 4*size > len(content) {
				t.Errorf("%q has %d numbers, from a file of %d bytes", name, size, len(content))
			}
			tensor.toModel()
		}
	})
}

// counted returns a tensor of the model with the numbers 0, 1, 2, … in row order.
func counted(dims ...int) *tensors.Tensor {
	size := 1
	for _, dim := range dims {
		size *= dim
	}
	data := make([]float32, size)
	for i := range data {
		data[i] = float32(i)
	}
	return tensors.FromFlatDataAndDimensions(data, dims...)
}

func TestLayoutsAreTransposedOnTheWayOut(t *testing.T) {
	store := model.NewStore()
	const height, width, in, out = 2, 3, 4, 5
	store.VariableWithValue("/net/conv1/weight", counted(height, width, in, out))
	store.VariableWithValue("/net/fc/weight", counted(in, out))
	store.VariableWithValue("/net/fc/bias", counted(out))
	store.VariableWithValue("/elsewhere/bias", counted(out))
	got, err := FromScope(store.Scope("/net"))
	if err != nil {
		t.Fatal(err)
	}
	conv, linear := Tensor{Shape: []int{out, in, height, width}}, Tensor{Shape: []int{out, in}}
	for o := range out {
		for i := range in {
			linear.Data = append(linear.Data, float32(i*out+o))
			for y := range height {
				for x := range width {
					conv.Data = append(conv.Data, float32(((y*width+x)*in+i)*out+o))
				}
			}
		}
	}
	want := map[string]Tensor{"conv1.weight": conv, "fc.weight": linear, "fc.bias": {[]int{out}, []float32{0, 1, 2, 3, 4}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("tensors %v, want %v", got, want)
	}

	// And back, into variables that are there and into ones that are not.
	there := model.NewStore()
	declare(there, "/net/conv1/weight", height, width, in, out)
	declare(there, "/net/fc/weight", in, out)
	declare(there, "/net/fc/bias", out)
	if err := ToScope(there.Scope("/net"), got); err != nil {
		t.Fatal(err)
	}
	created := model.NewStore()
	Create(created.Scope("/net"), got)
	for _, path := range []string{"/net/conv1/weight", "/net/fc/weight", "/net/fc/bias"} {
		want := store.GetVariable(path).MustValue()
		for how, to := range map[string]*model.Store{"ToScope": there, "Create": created} {
			if got := to.GetVariable(path); got == nil || !got.MustValue().Equal(want) {
				t.Errorf("%s: %s is not what it was", how, path)
			}
		}
		if created.GetVariable(path).Trainable {
			t.Errorf("Create made %s trainable", path)
		}
	}
}

func declare(store *model.Store, path string, dims ...int) {
	scope, name := model.SplitPath(path)
	store.Scope(scope).VariableWithShape(name, shapes.Make(dtypes.Float32, dims...))
}

func TestFromScopeRefuses(t *testing.T) {
	store := model.NewStore()
	declare(store, "/net/fc/weight", 1, 2)
	_, err := FromScope(store.Scope("/net"))
	checkRefused(t, "a variable without a value", err, "fc.weight")
	store = model.NewStore()
	store.VariableWithValue("/net/step", int64(1))
	_, err = FromScope(store.Scope("/net"))
	checkRefused(t, "a whole number", err, "step has type Int64, want float32")
}

func TestToScopeSaysWhatDoesNotFitAndChangesNothing(t *testing.T) {
	store := model.NewStore()
	store.VariableWithValue("/net/conv1/weight", counted(3, 3, 1, 2))
	store.VariableWithValue("/net/fc/weight", counted(4, 5))
	store.VariableWithValue("/net/fc/bias", counted(5))
	whole, err := FromScope(store.Scope("/net"))
	if err != nil {
		t.Fatal(err)
	}
	for key, tensor := range whole {
		whole[key] = Tensor{tensor.Shape, make([]float32, len(tensor.Data))}
	}
	for name, test := range map[string]struct {
		change func(from map[string]Tensor)
		want   string
	}{
		"missing": {func(from map[string]Tensor) { delete(from, "fc.bias") }, "no fc.bias"},
		"extra": {func(from map[string]Tensor) { from["layer1.0.conv1.weight"] = from["fc.bias"] },
			"no place for layer1.0.conv1.weight"},
		"misshaped": {func(from map[string]Tensor) { from["fc.weight"] = Tensor{[]int{4, 5}, make([]float32, 20)} },
			"fc.weight has shape [4 5], want [5 4]"},
		"of another rank": {func(from map[string]Tensor) { from["fc.weight"] = Tensor{[]int{20}, make([]float32, 20)} },
			"fc.weight has shape [20], want [5 4]"},
		"short": {func(from map[string]Tensor) { from["fc.bias"] = Tensor{[]int{5}, make([]float32, 4)} }, "fc.bias has shape [5] and 4 numbers"},
		"long":  {func(from map[string]Tensor) { from["fc.weight"] = Tensor{[]int{5, 4}, make([]float32, 21)} }, "fc.weight has shape [5 4] and 21 numbers"},
		"all": {func(from map[string]Tensor) {
			clear(from)
			from["a"], from["b"], from["c"] = Tensor{}, Tensor{}, Tensor{}
		}, "the weights are not this network's: no conv1.weight; no fc.weight; no fc.bias; no place for a; and 2 more"},
	} {
		from := maps.Clone(whole)
		test.change(from)
		checkRefused(t, name, ToScope(store.Scope("/net"), from), "the weights are not this network's: ", test.want)
		if !store.GetVariable("/net/conv1/weight").MustValue().Equal(counted(3, 3, 1, 2)) {
			t.Fatalf("%s: a variable was changed all the same", name)
		}
	}
	some := map[string]Tensor{"fc.weight": {[]int{5, 4}, make([]float32, 20)}, "conv9.weight": {[]int{1}, []float32{0}}}
	checkRefused(t, "an extra one of some", Update(store.Scope("/net"), some), "no place for conv9.weight")
	delete(some, "conv9.weight")
	if err := Update(store.Scope("/net"), some); err != nil {
		t.Errorf("some of what fits: %v", err)
	}
	if !store.GetVariable("/net/conv1/weight").MustValue().Equal(counted(3, 3, 1, 2)) ||
		tensors.MustCopyFlatData[float32](store.GetVariable("/net/fc/weight").MustValue())[19] != 0 {
		t.Error("Update changed what it was not given, or did not change what it was")
	}
	if err := ToScope(store.Scope("/net"), whole); err != nil {
		t.Errorf("what fits: %v", err)
	}
	if got := tensors.MustCopyFlatData[float32](store.GetVariable("/net/fc/bias").MustValue()); got[4] != 0 {
		t.Errorf("fc.bias is %v, want zeros", got)
	}
}

func TestANetworkGoesThroughAFile(t *testing.T) {
	config, err := resnet.CIFAR(8, 2)
	if err != nil {
		t.Fatal(err)
	}
	from, to := model.NewStore(), model.NewStore()
	for _, store := range []*model.Store{from, to} {
		if err := config.Declare(store.Scope("/model")); err != nil {
			t.Fatal(err)
		}
	}
	for variable := range from.IterVariables() {
		if strings.HasPrefix(variable.Path(), "/model/") {
			if err := variable.SetValue(counted(variable.Shape().Dimensions...)); err != nil {
				t.Fatal(err)
			}
		}
	}
	weights, err := FromScope(from.Scope("/model"))
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := Load(saved(t, &Dict{Tensors: weights}))
	if err != nil {
		t.Fatal(err)
	}
	if err := ToScope(to.Scope("/model"), loaded.Tensors); err != nil {
		t.Fatal(err)
	}
	for variable := range from.Scope("/model").IterVariables() {
		if !to.GetVariable(variable.Path()).MustValue().Equal(variable.MustValue()) {
			t.Errorf("%s came back changed", variable.Path())
		}
	}
}
