package statedict

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
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

	"github.com/residual-go/residual/pkg/internal/filetest"
	"github.com/residual-go/residual/pkg/resnet"
)

func sample() *Dict {
	return &Dict{
		Tensors: map[string]Tensor{
			"conv1.weight": {Shape: []int{2, 1, 1, 3}, Data: []float32{1, -2, 3.5, 0, float32(math.Inf(1)), math.MaxFloat32}},
			"bn1.bias":     {Shape: []int{1}, Data: []float32{math.SmallestNonzeroFloat32}},
			"fc.weight":    {Shape: []int{2, 2}, Data: []float32{0.1, 0.2, 0.3, 0.4}},
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

func TestSaveWithoutMetadata(t *testing.T) {
	got, err := Load(saved(t, &Dict{Tensors: sample().Tensors}))
	if err != nil || !reflect.DeepEqual(got.Tensors, sample().Tensors) {
		t.Errorf("read %v, %v", got, err)
	}
}

func TestFailedSaveKeepsTheOldFile(t *testing.T) {
	path := saved(t, sample())
	want := read(t, path)
	broken := sample()
	broken.Tensors["fc.weight"] = Tensor{Shape: []int{3}}
	filetest.CheckRefused(t, "a tensor without data", broken.Save(path), path, "fc.weight has shape [3] and 0 elements")
	if !bytes.Equal(read(t, path), want) {
		t.Error("a failed save changed the file")
	}
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
		"no header":               {filetest.Safetensors("", nil), "damaged or not"},
		"a list for a header":     {filetest.Safetensors("[]", nil), "damaged or not"},
		"endless nesting":         {filetest.Safetensors(strings.Repeat(`{"a":`, 20000), nil), "damaged or not"},
		"numbers for metadata":    {filetest.Safetensors(`{"__metadata__":{"step":1}}`, nil), "damaged or not"},
		"a tensor that is null":   {filetest.Safetensors(one("null"), nil), "fc.bias"},
		"no such type":            {filetest.Safetensors(one(tensor("F8", "[1]", 0, 1)), make([]byte, 1)), "fc.bias"},
		"integers":                {filetest.Safetensors(one(tensor("I64", "[1]", 0, 8)), make([]byte, 8)), "fc.bias has dtype int64, want float32"},
		"half floats":             {filetest.Safetensors(one(tensor("F16", "[2]", 0, 4)), make([]byte, 4)), "fc.bias has dtype float16, want float32"},
		"a negative size":         {filetest.Safetensors(one(tensor("F32", "[-1]", 0, 4)), make([]byte, 4)), "fc.bias"},
		"a fraction of a size":    {filetest.Safetensors(one(tensor("F32", "[1.5]", 0, 6)), make([]byte, 6)), "fc.bias"},
		"more than there is":      {filetest.Safetensors(one(tensor("F32", "[1000000000]", 0, 4000000000)), make([]byte, 4)), "damaged or not"},
		"a size that overflows":   {filetest.Safetensors(one(tensor("F32", "[4294967296,4294967296,4]", 0, 0)), nil), "damaged or not"},
		"bytes that overflow":     {filetest.Safetensors(one(tensor("F32", "[4611686018427387904]", 0, 0)), nil), "damaged or not"},
		"an empty tensor":         {filetest.Safetensors(one(tensor("F32", "[0]", 0, 0)), nil), "fc.bias is empty, of shape [0]"},
		"an empty, endless one":   {filetest.Safetensors(one(tensor("F32", "[0,18446744073709551615]", 0, 0)), nil), "fc.bias is empty"},
		"offsets that disagree":   {filetest.Safetensors(one(tensor("F32", "[1]", 0, 8)), make([]byte, 8)), "damaged or not"},
		"offsets the wrong way":   {filetest.Safetensors(one(tensor("F32", "[1]", 4, 0)), make([]byte, 4)), "damaged or not"},
		"a gap before the tensor": {filetest.Safetensors(one(tensor("F32", "[1]", 4, 8)), make([]byte, 8)), "damaged or not"},
		"tensors that overlap": {filetest.Safetensors(`{"a":`+tensor("F32", "[2]", 0, 8)+`,"b":`+tensor("F32", "[2]", 4, 12)+`}`,
			make([]byte, 12)), "damaged or not"},
		"tensors that share": {filetest.Safetensors(`{"a":`+tensor("F32", "[2]", 0, 8)+`,"b":`+tensor("F32", "[2]", 0, 8)+`}`,
			make([]byte, 8)), "damaged or not"},
		"one name for two tensors": {filetest.Safetensors(`{"a":`+tensor("F32", "[1]", 0, 4)+`,"a":`+tensor("F32", "[1]", 4, 8)+`}`,
			make([]byte, 8)), "damaged or not"},
	} {
		path := stored(t, test.content)
		_, err := Load(path)
		filetest.CheckRefused(t, name, err, path, test.want)
	}
	path := filepath.Join(t.TempDir(), "none.safetensors")
	if _, err := Load(path); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("no file: error %v, want one that names it and is fs.ErrNotExist", err)
	}
}

// Files that other programs wrote have no checksum.
func TestLoadWithoutChecksum(t *testing.T) {
	data := binary.LittleEndian.AppendUint32(nil, math.Float32bits(2.5))
	got, err := Load(stored(t, filetest.Safetensors(`{"fc.bias":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, data)))
	if want := (map[string]Tensor{"fc.bias": {Shape: []int{1}, Data: []float32{2.5}}}); err != nil || !reflect.DeepEqual(got.Tensors, want) {
		t.Errorf("read %v, %v; want %v", got, err, want)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(read(f, saved(f, sample())))
	f.Add(filetest.Safetensors(`{"a":{"dtype":"F32","shape":[0,18446744073709551615],"data_offsets":[0,0]}}`, nil))
	f.Add(filetest.Safetensors(`{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}`, make([]byte, 4)))
	f.Add(filetest.Safetensors("null", nil))
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
				t.Errorf("%q has shape %v and %d elements", name, tensor.Shape, len(tensor.Data))
			}
			if 4*size > len(content) {
				t.Errorf("%q has %d elements, from a file of %d bytes", name, size, len(content))
			}
			modelTensor(tensor)
		}
	})
}

// counted returns a tensor of the model with the values 0, 1, 2, … in row-major order.
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
	want := map[string]Tensor{"conv1.weight": conv, "fc.weight": linear, "fc.bias": {Shape: []int{out}, Data: []float32{0, 1, 2, 3, 4}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("tensors %v, want %v", got, want)
	}

	// And back, into existing variables and into new ones.
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
	filetest.CheckRefused(t, "a variable without a value", err, "fc.weight")
	store = model.NewStore()
	store.VariableWithValue("/net/step", int64(1))
	_, err = FromScope(store.Scope("/net"))
	filetest.CheckRefused(t, "an integer", err, "step has dtype Int64, want float32")
}

func TestToScopeNamesEveryDifferenceAndChangesNothing(t *testing.T) {
	store := model.NewStore()
	store.VariableWithValue("/net/conv1/weight", counted(3, 3, 1, 2))
	store.VariableWithValue("/net/fc/weight", counted(4, 5))
	store.VariableWithValue("/net/fc/bias", counted(5))
	whole, err := FromScope(store.Scope("/net"))
	if err != nil {
		t.Fatal(err)
	}
	for key, tensor := range whole {
		whole[key] = Tensor{Shape: tensor.Shape, Data: make([]float32, len(tensor.Data))}
	}
	for name, test := range map[string]struct {
		change func(from map[string]Tensor)
		want   string
	}{
		"missing": {func(from map[string]Tensor) { delete(from, "fc.bias") }, "network: missing fc.bias"},
		"unexpected": {func(from map[string]Tensor) { from["layer1.0.conv1.weight"] = from["fc.bias"] },
			"network: unexpected layer1.0.conv1.weight"},
		"mismatched": {func(from map[string]Tensor) {
			from["fc.weight"] = Tensor{Shape: []int{4, 5}, Data: make([]float32, 20)}
		},
			"network: mismatched fc.weight (shape [4 5], want [5 4])"},
		"of another rank": {func(from map[string]Tensor) { from["fc.weight"] = Tensor{Shape: []int{20}, Data: make([]float32, 20)} },
			"fc.weight (shape [20], want [5 4])"},
		"all": {func(from map[string]Tensor) {
			clear(from)
			for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
				from[name] = Tensor{}
			}
		}, "missing conv1.weight, fc.bias, fc.weight; unexpected a, b, c, d and 2 more"},
	} {
		from := maps.Clone(whole)
		test.change(from)
		err := ToScope(store.Scope("/net"), from)
		filetest.CheckRefused(t, name, err, "the state dict does not match the network: ", test.want)
		if mismatch := (*MismatchError)(nil); !errors.As(err, &mismatch) {
			t.Errorf("%s: error %T, want a MismatchError", name, err)
		}
		if !store.GetVariable("/net/conv1/weight").MustValue().Equal(counted(3, 3, 1, 2)) {
			t.Fatalf("%s: a variable was changed all the same", name)
		}
	}
	for want, tensor := range map[string]Tensor{
		"fc.weight has shape [5 4] and 21 elements": {Shape: []int{5, 4}, Data: make([]float32, 21)},
		"fc.weight has shape [5 4] and 4 elements":  {Shape: []int{5, 4}, Data: make([]float32, 4)},
	} {
		from := maps.Clone(whole)
		from["fc.weight"] = tensor
		filetest.CheckRefused(t, "too many or too few elements", ToScope(store.Scope("/net"), from), want)
		if !store.GetVariable("/net/conv1/weight").MustValue().Equal(counted(3, 3, 1, 2)) {
			t.Fatal("a variable was changed all the same")
		}
	}
	some := map[string]Tensor{"fc.weight": {Shape: []int{5, 4}, Data: make([]float32, 20)}, "conv9.weight": {Shape: []int{1}, Data: []float32{0}}}
	filetest.CheckRefused(t, "an unexpected one among some", Update(store.Scope("/net"), some), "unexpected conv9.weight")
	delete(some, "conv9.weight")
	if err := Update(store.Scope("/net"), some); err != nil {
		t.Errorf("some that match: %v", err)
	}
	if !store.GetVariable("/net/conv1/weight").MustValue().Equal(counted(3, 3, 1, 2)) ||
		tensors.MustCopyFlatData[float32](store.GetVariable("/net/fc/weight").MustValue())[19] != 0 {
		t.Error("Update changed a variable it had no tensor for, or did not change one it had")
	}
	if err := ToScope(store.Scope("/net"), whole); err != nil {
		t.Errorf("all that match: %v", err)
	}
	if got := tensors.MustCopyFlatData[float32](store.GetVariable("/net/fc/bias").MustValue()); got[4] != 0 {
		t.Errorf("fc.bias is %v, want zeros", got)
	}
}

func TestComparison(t *testing.T) {
	want := map[string][]int{"bn1.bias": {4}, "conv1.weight": {4, 3, 3, 3}, "fc.bias": {10}, "fc.weight": {10, 32}}
	got := Compare(want, map[string]Tensor{"conv1.weight": {Shape: []int{4, 3, 3, 3}}, "fc.weight": {Shape: []int{3, 32}}, "fc.bias": {Shape: []int{3}}, "bn9.bias": {Shape: []int{4}}})
	if want := (&Comparison{
		Loaded: []string{"conv1.weight"}, Missing: []string{"bn1.bias"}, Unexpected: []string{"bn9.bias"},
		Mismatched: []Mismatch{{"fc.bias", []int{3}, []int{10}}, {"fc.weight", []int{3, 32}, []int{10, 32}}},
	}); !reflect.DeepEqual(got, want) {
		t.Errorf("the comparison is %+v, want %+v", got, want)
	}
	const text = `1 tensors loaded
missing bn1.bias
unexpected bn9.bias
mismatched fc.bias (shape [3], want [10]), fc.weight (shape [3 32], want [10 32])`
	if got.String() != text {
		t.Errorf("it says\n%s\nwant\n%s", got, text)
	}
	encoded, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var again Comparison
	if err := json.Unmarshal(encoded, &again); err != nil || !reflect.DeepEqual(&again, got) {
		t.Errorf("as JSON and back it is %+v, %v", again, err)
	}
	none := Compare(nil, nil)
	if encoded, _ := json.Marshal(none); string(encoded) != `{"loaded":[],"missing":[],"unexpected":[],"mismatched":[]}` || none.Err("nothing") != nil {
		t.Errorf("an empty comparison is %s", encoded)
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
