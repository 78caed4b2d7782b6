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
	gomlx "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train"

	"github.com/residual-go/residual/pkg/cpu/internal/kernel"
	"github.com/residual-go/residual/pkg/nn"
	"github.com/residual-go/residual/pkg/optim"
	"github.com/residual-go/residual/pkg/resnet"
)

// program is a computation under construction, at the level of the backend API.
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

// value returns x, and fails the test on an error.
func (p *program) value(x compute.Value, err error) compute.Value {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
	return x
}

// parameter adds a float32 parameter.
func (p *program) parameter(name string, dims ...int) compute.Value {
	p.Helper()
	return p.value(p.f.Parameter(name, shapes.Make(dtypes.Float32, dims...), nil))
}

// compile returns the executable with the given outputs, which is finalized at the end of the test.
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

// buffer returns a buffer with the given values on device 0.
func buffer(t testing.TB, b *Backend, values []float32, dims ...int) *Buffer {
	t.Helper()
	made, err := b.BufferFromFlatData(0, values, shapes.Make(dtypes.Float32, dims...))
	if err != nil {
		t.Fatal(err)
	}
	return made.(*Buffer)
}

// floats returns the float32 values of a buffer.
func floats(t testing.TB, b compute.Buffer) []float32 {
	t.Helper()
	flat, err := b.Data()
	if err != nil {
		t.Fatal(err)
	}
	return flat.([]float32)
}

// ramp returns n values between -0.5 and 0.5, which repeat after 97.
func ramp(n int) []float32 {
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(i%97)/97 - 0.5
	}
	return values
}

// reference is GoMLX's own Go backend, on one core: on several cores its SelectAndScatter sometimes
// loses a value.
var reference = sync.OnceValue(func() compute.Backend { return must(gobackend.New("ops_sequential,parallelism=0")) })

// compileFor compiles the graph that make builds from parameters of the given shapes.
func compileFor(b compute.Backend, of []shapes.Shape, make func(f compute.Function, in []compute.Value) []compute.Value) (e compute.Executable, err error) {
	defer recovered(&err)
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

// execute runs an executable on flat data of the given shapes and returns its outputs as flat data.
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

// firstDifference describes the first element that differs, or returns "" if there is none.
func firstDifference[T comparable](got, want []T) string {
	for i := range want {
		if got[i] != want[i] {
			return fmt.Sprintf("element %d of %d is %v, want %v", i, len(want), got[i], want[i])
		}
	}
	return ""
}

// recovered, when deferred, turns a panic into an error, such as that of must.
func recovered(err *error) {
	if caught := recover(); caught != nil {
		*err = fmt.Errorf("%v", caught)
	}
}

// must panics on an error. Builders of graphs use it, and their callers recover the error.
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

// bits returns flat data with floats as bit patterns, for comparisons that include NaN and the sign
// of zeros.
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

// checkSameBits checks that the outputs of a graph agree to the bit.
func checkSameBits(t *testing.T, what string, got, want []any) {
	t.Helper()
	for i := range want {
		if !reflect.DeepEqual(bits(got[i]), bits(want[i])) {
			t.Errorf("%s: output %d of %d differs", what, i, len(want))
		}
	}
}

// channelsLast returns the layout of images with channels last and any number of spatial axes.
func channelsLast(spatial int) compute.ConvolveAxesConfig {
	a := compute.ConvolveAxesConfig{InputChannels: spatial + 1, OutputChannels: spatial + 1,
		KernelInputChannels: spatial, KernelOutputChannels: spatial + 1}
	for i := range spatial {
		a.InputSpatial, a.OutputSpatial, a.KernelSpatial = append(a.InputSpatial, 1+i), append(a.OutputSpatial, 1+i), append(a.KernelSpatial, i)
	}
	return a
}

// checkClose checks that arrays agree up to a tolerance relative to the largest element.
func checkClose(t *testing.T, what string, got, want []float64, tolerance float64) {
	t.Helper()
	largest := 1e-6
	for _, w := range want {
		largest = max(largest, math.Abs(w))
	}
	if len(got) != len(want) {
		t.Errorf("%s: %d elements, want %d", what, len(got), len(want))
		return
	}
	for i, w := range want {
		if !(math.Abs(got[i]-w) <= tolerance*largest) {
			t.Errorf("%s: element %d of %d is %g, want %g (largest element: %g)", what, i, len(want), got[i], w, largest)
			return
		}
	}
}

// newBackend returns a backend with the named kernels, which is finalized at the end of the test.
func newBackend(t testing.TB, kernels string) *Backend {
	t.Helper()
	b, err := New("kernel=" + kernels)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Finalize)
	return b.(*Backend)
}

// kernelNames returns the names of the kernels that this machine can run; in short tests, only that of
// the fastest.
func kernelNames() []string {
	var names []string
	sets := kernel.Available()
	if testing.Short() {
		sets = sets[:1]
	}
	for _, set := range sets {
		names = append(names, set.Name)
	}
	return names
}

// onEachKernel runs a test with every set of kernels that the machine can run.
func onEachKernel(t *testing.T, test func(t *testing.T, b *Backend)) {
	for _, name := range kernelNames() {
		t.Run(name, func(t *testing.T) { test(t, newBackend(t, name)) })
	}
}

// fewer returns how many of n cases to test: all, or an eighth in short tests and under the race detector.
func fewer(n int) int {
	if raceEnabled || testing.Short() {
		return (n + 7) / 8
	}
	return n
}

// newDevices returns a backend with several devices, which is finalized at the end of the test.
func newDevices(t testing.TB, devices string) *Backend {
	t.Helper()
	b, err := New("devices=" + devices)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Finalize)
	return b.(*Backend)
}

// spmd starts a computation with the given number of replicas.
func spmd(t testing.TB, b *Backend, replicas int) *program {
	t.Helper()
	p := newProgram(t, b)
	if err := p.builder.DistributedSPMD(replicas); err != nil {
		t.Fatal(err)
	}
	return p
}

// on returns a buffer with the values on a device.
func on(t testing.TB, b *Backend, device compute.DeviceNum, values ...float32) compute.Buffer {
	t.Helper()
	made, err := b.BufferFromFlatData(device, values, shapes.Make(dtypes.Float32, len(values)))
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// contents returns the float32 values of the buffers.
func contents(t testing.TB, buffers []compute.Buffer) [][]float32 {
	t.Helper()
	var values [][]float32
	for _, b := range buffers {
		values = append(values, floats(t, b))
	}
	return values
}

// wantError checks that an error is a single line that contains the words.
func wantError(t testing.TB, err error, words string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one about %q", words)
	}
	if text := err.Error(); !strings.Contains(text, words) || strings.Contains(text, "\n") {
		t.Errorf("the error is %q, want one line with %q", text, words)
	}
}

// newTraining returns a training step of SGD on a ResNet for 10 classes, whose images are converted to
// type d, and the store of its variables. The step returns the loss.
func newTraining(t testing.TB, b compute.Backend, d dtypes.DType, config resnet.Config, images, side int) (step func() float64, store *model.Store) {
	t.Helper()
	config.Classes = 10
	store = model.NewStore()
	t.Cleanup(store.Finalize)
	if err := store.SetRNGStateFromSeed(7); err != nil {
		t.Fatal(err)
	}
	if err := config.Declare(store.Scope("model")); err != nil { // in a fixed order: the same weights for a seed
		t.Fatal(err)
	}
	trainer := train.NewTrainer(b, store, func(scope *model.Scope, x *gomlx.Node) *gomlx.Node {
		return config.Forward(scope.Store().Scope("model"), gomlx.ConvertDType(x, d))
	}, nn.CrossEntropy(0.1), optim.SGD().Momentum(0.9).WeightDecay(1e-4).LearningRate(0.01).Done(), nil, nil)
	labels := make([]int32, images)
	for i := range labels {
		labels[i] = int32(i % 10)
	}
	return func() float64 {
		metrics, err := trainer.TrainStep(train.Batch{
			Inputs: []*tensors.Tensor{tensors.FromFlatDataAndDimensions(ramp(images*side*side*3), images, side, side, 3)},
			Labels: []*tensors.Tensor{tensors.FromFlatDataAndDimensions(labels, images, 1)},
		})
		if err != nil {
			t.Fatal(err)
		}
		return asFloat64(metrics[0])[0]
	}, store
}
