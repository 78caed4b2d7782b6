package cpu

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/compute/shapes"
)

// program is a computation of the tests, made at the level of backends.
type program struct {
	testing.TB
	*Backend
	builder compute.Builder
	f       compute.Function
}

func newProgram(t testing.TB, b *Backend) *program {
	builder := b.Builder(t.Name())
	return &program{t, b, builder, builder.Main()}
}

// value gives back x, and ends the test on an error.
func (p *program) value(x compute.Value, err error) compute.Value {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
	return x
}

func (p *program) parameter(name string, dims ...int) compute.Value {
	p.Helper()
	return p.value(p.f.Parameter(name, shapes.Make(dtypes.Float32, dims...), nil))
}

func (p *program) compile(outputs ...compute.Value) *executable {
	p.Helper()
	if err := p.f.Return(outputs, nil); err != nil {
		p.Fatal(err)
	}
	e, err := p.builder.Compile()
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(e.Finalize)
	return e.(*executable)
}

// buffer returns a buffer of the given values.
func buffer(t testing.TB, b *Backend, values []float32, dims ...int) *Buffer {
	t.Helper()
	made, err := b.BufferFromFlatData(0, values, shapes.Make(dtypes.Float32, dims...))
	if err != nil {
		t.Fatal(err)
	}
	return made.(*Buffer)
}

func floats(t testing.TB, b compute.Buffer) []float32 {
	t.Helper()
	flat, err := b.Data()
	if err != nil {
		t.Fatal(err)
	}
	return flat.([]float32)
}

// ramp returns n values that differ.
func ramp(n int) []float32 {
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(i%97)/97 - 0.5
	}
	return values
}

// reference is GoMLX's own Go backend, on one core: on several its SelectAndScatter now and
// then loses a value.
var reference = sync.OnceValue(func() compute.Backend { return must(gobackend.New("ops_sequential,parallelism=0")) })

// compileFor compiles the graph that make builds of parameters of the given shapes.
func compileFor(b compute.Backend, of []shapes.Shape, make func(f compute.Function, in []compute.Value) []compute.Value) (e compute.Executable, err error) {
	defer func() {
		if caught := recover(); caught != nil {
			err = fmt.Errorf("%v", caught)
		}
	}()
	builder := b.Builder("test")
	f := builder.Main()
	var in []compute.Value
	for i, shape := range of {
		in = append(in, must(f.Parameter(name(i), shape, nil)))
	}
	if err := f.Return(make(f, in), nil); err != nil {
		return nil, err
	}
	return builder.Compile()
}

// execute runs an executable on flat data.
func execute(b compute.Backend, e compute.Executable, inputs []any, of []shapes.Shape, donate []bool) ([]any, error) {
	buffers := make([]compute.Buffer, len(inputs))
	for i, flat := range inputs {
		var err error
		if buffers[i], err = b.BufferFromFlatData(0, flat, of[i]); err != nil {
			return nil, err
		}
	}
	results, err := e.Execute(buffers, donate, 0)
	if err != nil {
		return nil, err
	}
	flat := make([]any, len(results))
	for i, result := range results {
		shape, err := result.Shape()
		if err != nil {
			return nil, err
		}
		flat[i] = dtypes.MakeAnySlice(shape.DType, shape.Size())
		if err := result.ToFlatData(flat[i]); err != nil {
			return nil, err
		}
		if err := result.Finalize(); err != nil {
			return nil, err
		}
	}
	return flat, nil
}

func firstDifference[T comparable](got, want []T) string {
	for i := range want {
		if got[i] != want[i] {
			return fmt.Sprintf("number %d of %d is %v, want %v", i, len(want), got[i], want[i])
		}
	}
	return ""
}

// must stops building where the backend refuses: the caller finds out by recovering.
func must[T any](x T, err error) T {
	if err != nil {
		panic(err)
	}
	return x
}

func fill[T any](n int, next func() T) []T {
	flat := make([]T, n)
	for i := range flat {
		flat[i] = next()
	}
	return flat
}

func size(dims []int) int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return n
}

func name(i int) string { return "p" + string(rune('0'+i/10)) + string(rune('0'+i%10)) }

// bits returns flat data to be compared with NaN and the sign of zeros.
func bits(flat any) any {
	floats, ok := flat.([]float32)
	if !ok {
		return flat
	}
	patterns := make([]uint32, len(floats))
	for i, x := range floats {
		patterns[i] = math.Float32bits(x)
	}
	return patterns
}

// checkSameBits compares the results of the same graph to the bit.
func checkSameBits(t *testing.T, what string, got, want []any) {
	t.Helper()
	for i := range want {
		if !reflect.DeepEqual(bits(got[i]), bits(want[i])) {
			t.Errorf("%s: output %d of %d differs", what, i, len(want))
		}
	}
}

// channelsLast is the layout of images of any number of spatial axes.
func channelsLast(spatial int) compute.ConvolveAxesConfig {
	a := compute.ConvolveAxesConfig{InputChannels: spatial + 1, OutputChannels: spatial + 1,
		KernelInputChannels: spatial, KernelOutputChannels: spatial + 1}
	for i := range spatial {
		a.InputSpatial, a.OutputSpatial, a.KernelSpatial = append(a.InputSpatial, 1+i), append(a.OutputSpatial, 1+i), append(a.KernelSpatial, i)
	}
	return a
}

// checkClose compares arrays by their largest elements.
func checkClose(t *testing.T, what string, got, want []float64, tolerance float64) {
	t.Helper()
	largest := 1e-6
	for _, w := range want {
		largest = max(largest, math.Abs(w))
	}
	if len(got) != len(want) {
		t.Errorf("%s: %d numbers, want %d", what, len(got), len(want))
		return
	}
	for i, w := range want {
		if !(math.Abs(got[i]-w) <= tolerance*largest) {
			t.Errorf("%s: number %d of %d is %g, want %g, where the largest is %g", what, i, len(want), got[i], w, largest)
			return
		}
	}
}

// newBackend returns a backend with the named kernels that ends with the test.
func newBackend(t testing.TB, kernels string) *Backend {
	t.Helper()
	b, err := New("kernel=" + kernels)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Finalize)
	return b.(*Backend)
}

// onEachKernel runs a test on every set of kernels that the machine has.
func onEachKernel(t *testing.T, test func(t *testing.T, b *Backend)) {
	for _, name := range Kernels() {
		t.Run(name, func(t *testing.T) { test(t, newBackend(t, name)) })
	}
}

// fewer returns how many of n cases a test has time for: fewer under the race detector.
func fewer(n int) int {
	if raceEnabled {
		return (n + 7) / 8
	}
	return n
}

// newDevices returns a backend of several devices that ends with the test.
func newDevices(t testing.TB, devices string) *Backend {
	t.Helper()
	b, err := New("devices=" + devices)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Finalize)
	return b.(*Backend)
}

// spmd starts a computation of so many replicas.
func spmd(t testing.TB, b *Backend, replicas int) *program {
	t.Helper()
	p := newProgram(t, b)
	if err := p.builder.DistributedSPMD(replicas); err != nil {
		t.Fatal(err)
	}
	return p
}

// on returns a buffer of the values on a device.
func on(t testing.TB, b *Backend, device compute.DeviceNum, values ...float32) compute.Buffer {
	t.Helper()
	made, err := b.BufferFromFlatData(device, values, shapes.Make(dtypes.Float32, len(values)))
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// contents returns the values of all buffers.
func contents(t testing.TB, buffers []compute.Buffer) [][]float32 {
	t.Helper()
	var values [][]float32
	for _, b := range buffers {
		values = append(values, floats(t, b))
	}
	return values
}

// wantError checks that an error is one line with the words in it.
func wantError(t testing.TB, err error, words string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one about %q", words)
	}
	if text := err.Error(); !strings.Contains(text, words) || strings.Contains(text, "\n") {
		t.Errorf("the error is %q, want a line with %q", text, words)
	}
}
