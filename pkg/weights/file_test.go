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

	"github.com/residual-go/residual/pkg/internal/filetest"
)

// formats is the folder with the files that tests/reference/weight_formats.py writes with
// PyTorch.
var formats = filetest.Formats

// expectation is what the script expects of a file.
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

// readBytes reads a file that is in memory.
func readBytes(content []byte) (*File, error) {
	return read(bytes.NewReader(content), int64(len(content)), "")
}

func TestReadFileReadsWhatPyTorchWrites(t *testing.T) {
	all := expectations(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		path, want := filepath.Join(formats, name), all[name]
		got, err := ReadFile(path)
		if want.Refused != nil {
			filetest.CheckRefused(t, name, err, append(want.Refused, path+": ")...)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.Path != path || got.Format != want.Format || !maps.Equal(got.Counters, want.Counters) {
			t.Errorf("%s: read as %s, %q, with counters %v; want %q, %v",
				name, got.Path, got.Format, got.Counters, want.Format, want.Counters)
		}
		if !slices.Equal(slices.Sorted(maps.Keys(got.Tensors)), slices.Sorted(maps.Keys(want.Tensors))) {
			t.Errorf("%s: tensors %v, want %v", name, slices.Sorted(maps.Keys(got.Tensors)), slices.Sorted(maps.Keys(want.Tensors)))
		}
		for key, tensor := range want.Tensors {
			data := got.Tensors[key].Data
			if !slices.Equal(got.Tensors[key].Shape, tensor.Shape) || len(data) != len(tensor.Bits) {
				t.Errorf("%s: %s has shape %v and %d elements, want %v", name, key, got.Tensors[key].Shape, len(data), tensor.Shape)
				continue
			}
			for i, bits := range tensor.Bits {
				// Any NaN is as good as another.
				if x := math.Float32frombits(bits); math.Float32bits(data[i]) != bits && (x == x || data[i] == data[i]) {
					t.Errorf("%s: element %d of %s is %g, want %g", name, i, key, data[i], x)
				}
			}
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

// A file's name does not matter.
func TestReadFileGoesByContent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weights.safetensors")
	if err := os.WriteFile(path, filetest.Format(t, "numbers-old.pth"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadFile(path); err != nil || got.Format != "PyTorch pickle" {
		t.Errorf("a pickle with the wrong name: %v, %v", got, err)
	}
}

func TestReadFileWithoutAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.pth")
	_, err := ReadFile(path)
	filetest.CheckRefused(t, "no file", err, path)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: error %v, want fs.ErrNotExist", err)
	}
	_, err = ReadFile(t.TempDir())
	filetest.CheckRefused(t, "a folder", err, "a folder")
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
		"TensorFlow Lite":      {"\x1c\x00\x00\x00TFL3\x14\x00", "TensorFlow Lite model (.tflite)"},
		"MXNet":                {"\x12\x01\x00\x00\x00\x00\x00\x00\x00\x00", "MXNet"},
		"GGUF":                 {"GGUF\x03\x00\x00\x00", "GGUF"},
		"NumPy":                {"\x93NUMPY\x01\x00", "NumPy"},
		"ONNX":                 {"\x08\x08\x12\x07pytorch", "ONNX"},
		"PNG":                  {"\x89PNG\r\n\x1a\n\x00\x00", "an image"},
		"JPEG":                 {"\xff\xd8\xff\xe0\x00\x10JFIF", "an image"},
		"a login page":         {"\n <!DOCTYPE html>\n<title>Log in", "a web page"},
		"another":              {"\ufeff<HTML><body>", "a web page"},
		"an error":             {"<?xml version='1.0'?><Error>", "a web page"},
		"JSON":                 {"{\"message\": \"Not Found\"}", "JSON"},
		"gzip":                 {"\x1f\x8b\x08\x00", "unpack it first"},
		"Git LFS":              {"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"},
		"an empty archive":     {"PK\x05\x06" + strings.Repeat("\x00", 18), "an empty zip archive"},
	} {
		_, err := readBytes([]byte(test.start))
		filetest.CheckRefused(t, name, err, test.want)
	}
}

// TestReadFileReadsOldNetworks reads trained networks that are not in the repository.
func TestReadFileReadsOldNetworks(t *testing.T) {
	folder := os.Getenv("RESIDUAL_TEST_DATA")
	if folder == "" {
		t.Skip("RESIDUAL_TEST_DATA is not set: it names a folder with weights/, CIFAR-10 networks in PyTorch's old format")
	}
	got, err := ReadFile(filepath.Join(folder, "weights", "resnet20-12fca82f.th"))
	if err != nil {
		t.Fatal(err)
	}
	// 19 convolutions, as many batch norms with two weights and two statistics, and a linear layer.
	if got.Format != "PyTorch pickle" || len(got.Tensors) != 19+4*19+2 {
		t.Errorf("read as %q with %d tensors", got.Format, len(got.Tensors))
	}
	first, last := got.Tensors["module.conv1.weight"], got.Tensors["module.linear.bias"]
	if !slices.Equal(first.Shape, []int{16, 3, 3, 3}) || !slices.Equal(last.Shape, []int{10}) {
		t.Fatalf("conv1.weight has shape %v, linear.bias %v", first.Shape, last.Shape)
	}
	// As torch.load reads them.
	if first.Data[0] != -0.13818146 || last.Data[9] != -0.2702594 {
		t.Errorf("the first element is %v, the last %v", first.Data[0], last.Data[9])
	}
}
