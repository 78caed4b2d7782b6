// Package parity compares the library with PyTorch: the values in testdata were computed
// by PyTorch, with tests/reference/parity.py, and the tests compute them again in Go.
package parity

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/residual-go/residual/pkg/cpu"
)

// backends returns the backends on which every comparison is made, by name.
//
// The Go backend runs one operation at a time here: at its default it runs independent ones
// in parallel, each of which waits for workers that the others hold. If these are convolutions
// that use all workers, it waits forever (compute v0.1.4).
func backends(t *testing.T) map[string]compute.Backend {
	t.Helper()
	backend, err := gobackend.New("ops_sequential")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(backend.Finalize)
	own, err := cpu.New("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(own.Finalize)
	return map[string]compute.Backend{"go": backend, "cpu": own}
}

// array is a tensor outside GoMLX, in row-major order.
type array struct {
	shape []int
	data  []float32
}

// arrays is a set of tensors by key; a state dict, for example.
type arrays map[string]array

// load reads testdata/name.safetensors and decodes the description in its metadata into spec.
// Integers become floats, which represent the files' integers exactly.
func load(t *testing.T, name string, spec any) arrays {
	t.Helper()
	buffer, err := os.ReadFile(filepath.Join("testdata", name+".safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	// A safetensors file is the length of a header, the header as JSON, and the data.
	length := binary.LittleEndian.Uint64(buffer)
	header, data := buffer[8:8+length], buffer[8+length:]
	var entries map[string]json.RawMessage
	if err := json.Unmarshal(header, &entries); err != nil {
		t.Fatal(err)
	}
	var metadata map[string]string
	if err := json.Unmarshal(entries["__metadata__"], &metadata); err != nil {
		t.Fatal(err)
	}
	delete(entries, "__metadata__")
	if err := json.Unmarshal([]byte(metadata["case"]), spec); err != nil {
		t.Fatal(err)
	}
	reference := arrays{}
	for key, entry := range entries {
		a, err := decode(entry, data)
		if err != nil {
			t.Fatalf("%s: %s: %v", name, key, err)
		}
		reference[key] = a
	}
	return reference
}

// decode returns the array that an entry of the header describes.
func decode(entry json.RawMessage, data []byte) (array, error) {
	var header struct {
		DType   string
		Shape   []int
		Offsets [2]int `json:"data_offsets"`
	}
	if err := json.Unmarshal(entry, &header); err != nil {
		return array{}, err
	}
	size := 1
	for _, n := range header.Shape {
		size *= n
	}
	a := array{shape: header.Shape, data: make([]float32, size)}
	raw := data[header.Offsets[0]:header.Offsets[1]]
	switch header.DType {
	case "F32":
		for i := range a.data {
			a.data[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
	case "I32":
		for i := range a.data {
			a.data[i] = float32(int32(binary.LittleEndian.Uint32(raw[4*i:])))
		}
	case "U8":
		for i := range a.data {
			a.data[i] = float32(raw[i])
		}
	default:
		return array{}, fmt.Errorf("unexpected dtype %s", header.DType)
	}
	return a, nil
}

// fromTensor copies a float32 tensor out of GoMLX.
func fromTensor(t *tensors.Tensor) array {
	return array{slices.Clone(t.Shape().Dimensions), tensors.MustCopyFlatData[float32](t)}
}

// tensor copies a into GoMLX.
func (a array) tensor() *tensors.Tensor {
	return tensors.FromFlatDataAndDimensions(slices.Clone(a.data), a.shape...)
}

// at returns element i along the first axis. It shares a's data.
func (a array) at(i int) array {
	size := len(a.data) / a.shape[0]
	return array{a.shape[1:], a.data[i*size : (i+1)*size]}
}

// permute reorders the axes: axis i of the result is axis axes[i] of a.
func (a array) permute(axes ...int) array {
	strides := make([]int, len(a.shape))
	stride := 1
	for axis := len(a.shape) - 1; axis >= 0; axis-- {
		strides[axis] = stride
		stride *= a.shape[axis]
	}
	p := array{make([]int, len(axes)), make([]float32, 0, len(a.data))}
	for i, axis := range axes {
		p.shape[i] = a.shape[axis]
	}
	var walk func(i, from int)
	walk = func(i, from int) {
		if i == len(axes) {
			p.data = append(p.data, a.data[from])
			return
		}
		for range p.shape[i] {
			walk(i+1, from)
			from += strides[axes[i]]
		}
	}
	walk(0, 0)
	return p
}

// minus returns a − b.
func (a array) minus(b array) array {
	d := array{a.shape, make([]float32, len(a.data))}
	for i := range d.data {
		d.data[i] = a.data[i] - b.data[i]
	}
	return d
}

// under returns the arrays whose keys start with prefix, without it.
func (a arrays) under(prefix string) arrays {
	found := arrays{}
	for key, value := range a {
		if rest, ok := strings.CutPrefix(key, prefix); ok {
			found[rest] = value
		}
	}
	return found
}

// minus returns the differences of arrays of the same keys.
func (a arrays) minus(b arrays) arrays {
	d := arrays{}
	for key, value := range a {
		d[key] = value.minus(b[key])
	}
	return d
}

// difference returns max|got−want| / max|want|. It is infinite if the shapes differ, or if
// either has an element that is NaN or infinite.
func difference(got, want array) float64 {
	if !slices.Equal(got.shape, want.shape) {
		return math.Inf(1)
	}
	var gap, scale float64
	for i := range want.data {
		g, w := float64(got.data[i]), float64(want.data[i])
		if math.IsNaN(g-w) || math.IsInf(g, 0) || math.IsInf(w, 0) {
			return math.Inf(1)
		}
		gap = max(gap, math.Abs(g-w))
		scale = max(scale, math.Abs(w))
	}
	if gap == 0 {
		return 0
	}
	return gap / scale
}

// compare reports the largest difference between arrays of the same key, and an error that
// names those differing by more than tolerance and the keys that only one side has.
func compare(got, want arrays, tolerance float64) (worst float64, err error) {
	var wrong []string
	for _, key := range slices.Sorted(maps.Keys(want)) {
		g, ok := got[key]
		if !ok {
			wrong = append(wrong, key+" is missing")
			continue
		}
		d := difference(g, want[key])
		if d > tolerance {
			wrong = append(wrong, fmt.Sprintf("%s %v differs from PyTorch's %v by %.1e", key, g.shape, want[key].shape, d))
		}
		worst = max(worst, d)
	}
	for _, key := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[key]; !ok {
			wrong = append(wrong, key+" is not PyTorch's")
		}
	}
	if wrong != nil {
		return worst, fmt.Errorf("%s (tolerance %.0e)", strings.Join(wrong, "; "), tolerance)
	}
	return worst, nil
}

// A comparison that cannot fail proves nothing.
func TestCompareFails(t *testing.T) {
	const tolerance = 1e-3
	var spec netSpec
	want := load(t, "net-cifar-basic-b", &spec).under("init/")
	if _, err := compare(want, want, tolerance); err != nil {
		t.Fatalf("equal arrays: %v", err)
	}
	for key, original := range want {
		for name, spoil := range map[string]func(a *array){
			"one element": func(a *array) { a.data[len(a.data)/2] += 2 * tolerance * largest(*a) },
			"NaN":         func(a *array) { a.data[0] = float32(math.NaN()) },
			"infinity":    func(a *array) { a.data[0] = float32(math.Inf(1)) },
			"shape":       func(a *array) { a.shape = append([]int{1}, a.shape...) },
			"all zero":    func(a *array) { clear(a.data) },
		} {
			a := array{original.shape, slices.Clone(original.data)}
			spoil(&a)
			spoilt := maps.Clone(want)
			spoilt[key] = a
			if _, err := compare(spoilt, want, tolerance); err == nil || !strings.Contains(err.Error(), key) {
				t.Errorf("%s spoilt by %s: %v", key, name, err)
			}
			if _, err := compare(want, spoilt, tolerance); err == nil || !strings.Contains(err.Error(), key) {
				t.Errorf("the reference of %s spoilt by %s: %v", key, name, err)
			}
		}
		fewer := maps.Clone(want)
		delete(fewer, key)
		if _, err := compare(fewer, want, tolerance); err == nil {
			t.Errorf("%s missing is no error", key)
		}
		if _, err := compare(want, fewer, tolerance); err == nil {
			t.Errorf("%s missing from the reference is no error", key)
		}
	}
}

// largest returns max|a|.
func largest(a array) float32 {
	var m float32
	for _, x := range a.data {
		m = max(m, x, -x)
	}
	return m
}
