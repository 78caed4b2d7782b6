package cpu

import (
	"bytes"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/resnet"
)

// trained trains a small ResNet for a few steps and returns the bytes of all variables.
func trained(t testing.TB, b *Backend, steps int) []byte {
	t.Helper()
	config, err := resnet.CIFAR(14, 16)
	if err != nil {
		t.Fatal(err)
	}
	step, store := newTraining(t, b, dtypes.Float32, config, 24, 16)
	for range steps {
		step()
	}
	return weights(t, store)
}

// weights returns the bytes of all variables.
func weights(t testing.TB, store *model.Store) []byte {
	t.Helper()
	var all bytes.Buffer
	// GoMLX makes up new names for its metrics each time.
	variables := slices.DeleteFunc(slices.Collect(store.IterVariables()),
		func(v *model.Variable) bool { return strings.HasPrefix(v.Path(), "/metrics/") })
	slices.SortFunc(variables, func(a, b *model.Variable) int { return strings.Compare(a.Path(), b.Path()) })
	for _, variable := range variables {
		value, err := variable.Value()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&all, "%s ", variable.Path())
		if err := value.ConstBytes(func(data []byte) { all.Write(data) }); err != nil {
			t.Fatal(err)
		}
	}
	return all.Bytes()
}

func TestTrainingHasTheSameBitsOnAnyNumberOfCores(t *testing.T) {
	onEachKernel(t, func(t *testing.T, b *Backend) {
		steps := 3
		if b.kernels.Name == "portable" {
			steps = 1
		}
		before := runtime.GOMAXPROCS(1)
		defer runtime.GOMAXPROCS(before)
		want := trained(t, b, steps)
		for _, cores := range []int{3, 2, 1}[:fewer(3)] {
			runtime.GOMAXPROCS(cores)
			if !bytes.Equal(trained(t, b, steps), want) {
				t.Errorf("the weights after %d steps on %d cores are not those on one core", steps, cores)
			}
		}
	})
}

// network returns an executable, and its inputs, of several layers: convolution, batch normalization
// and ReLU. Its outputs are the updated kernels and the sum of the last layer.
func network(t testing.TB, b *Backend, layers int) (*executable, []compute.Buffer) {
	p := newProgram(t, b)
	const batch, side, channels = 8, 8, 16
	axes := compute.ConvolveAxesConfig{
		InputBatch: 0, InputSpatial: []int{1, 2}, InputChannels: 3,
		KernelSpatial: []int{0, 1}, KernelInputChannels: 2, KernelOutputChannels: 3,
		OutputBatch: 0, OutputSpatial: []int{1, 2}, OutputChannels: 3,
	}
	x := p.parameter("x", batch, side, side, channels)
	one, zero := p.parameter("one", channels), p.parameter("zero", channels)
	inputs := []compute.Buffer{
		buffer(t, b, ramp(batch*side*side*channels), batch, side, side, channels),
		buffer(t, b, ramp(channels), channels), buffer(t, b, ramp(channels), channels),
	}
	var outputs []compute.Value
	var kernels []compute.Value
	for i := range layers {
		kernels = append(kernels, p.parameter(fmt.Sprint("kernel", i), 3, 3, channels, channels))
		inputs = append(inputs, buffer(t, b, ramp(9*channels*channels), 3, 3, channels, channels))
	}
	for _, kernel := range kernels {
		x = p.value(p.f.ConvGeneral(x, kernel, axes, nil, [][2]int{{1, 1}, {1, 1}}, nil, nil, 1, 1))
		var err error
		if x, _, _, err = p.f.BatchNormForTraining(x, one, zero, 1e-5, 3); err != nil {
			t.Fatal(err)
		}
		x = p.value(p.f.Max(p.value(p.f.Constant([]float32{0})), x))
		rate := p.value(p.f.Constant([]float32{0.1}))
		outputs = append(outputs, p.value(p.f.Sub(kernel, p.value(p.f.Mul(rate, kernel)))))
	}
	return p.compile(append(outputs, p.value(p.f.ReduceSum(x)))...), inputs
}

// allocations returns the number of allocations in a warm execution that donates its kernels.
func allocations(t *testing.T, b *Backend, layers int) float64 {
	e, inputs := network(t, b, layers)
	donate := make([]bool, len(inputs))
	for i := 3; i < len(donate); i++ {
		donate[i] = true
	}
	step := func() {
		outputs, err := e.Execute(inputs, donate, 0)
		if err != nil {
			t.Fatal(err)
		}
		copy(inputs[3:], outputs)
		if err := outputs[layers].Finalize(); err != nil {
			t.Fatal(err)
		}
	}
	// Not testing.AllocsPerRun, which would run everything on one core.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	least := math.Inf(1) // a garbage collection may empty the pools
	for range 5 {
		const steps = 20
		step()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range steps {
			step()
		}
		runtime.ReadMemStats(&after)
		least = min(least, float64((after.Mallocs-before.Mallocs)/steps))
	}
	return least
}

// An execution allocates the headers of its outputs and next to nothing else.
func TestAWarmStepAllocatesNoMoreThanItsOutputs(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	onEachKernel(t, func(t *testing.T, b *Backend) {
		const few, many = 4, 24
		short, long := allocations(t, b, few), allocations(t, b, many)
		t.Logf("%v allocations for %d layers, %v for %d", short, few, long, many)
		if limit := 10.0 + few; short > limit {
			t.Errorf("%v allocations in a step with %d layers, want at most %v", short, few, limit)
		}
		if perLayer := (long - short) / (many - few); perLayer > 1.1 {
			t.Errorf("%v allocations per additional layer, want 1: its output", perLayer)
		}
	})
}

func TestExecutionsAtOnceDoNotDisturbOneAnother(t *testing.T) {
	onEachKernel(t, func(t *testing.T, b *Backend) {
		var running sync.WaitGroup
		for layers := 1; layers <= 3; layers++ {
			e, inputs := network(t, b, layers)
			outputs, err := e.Execute(inputs, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			want := floats(t, outputs[layers])[0]
			for range 3 {
				running.Go(func() {
					for range 10 {
						outputs, err := e.Execute(inputs, nil, 0)
						if err != nil {
							t.Error(err)
							return
						}
						if got := floats(t, outputs[layers])[0]; got != want {
							t.Errorf("%d layers: got %v at the same time as others, %v alone", layers, got, want)
						}
					}
				})
			}
		}
		running.Wait()
	})
}

// update returns an executable of w − 0.1·g, the update of a weight in training.
func update(t *testing.T, b *Backend) *executable {
	p := newProgram(t, b)
	w, g := p.parameter("w", 100, 100), p.parameter("g", 100, 100)
	rate := p.value(p.f.Constant([]float32{0.1}))
	return p.compile(p.value(p.f.Sub(w, p.value(p.f.Mul(rate, g)))))
}

func TestAnUpdateTakesOverTheDonatedWeights(t *testing.T) {
	b := newBackend(t, "")
	e := update(t, b)
	for _, donated := range []bool{true, false} {
		w, g := buffer(t, b, ramp(10000), 100, 100), buffer(t, b, ramp(10000), 100, 100)
		before := &floats(t, w)[0]
		outputs, err := e.Execute([]compute.Buffer{w, g}, []bool{donated, false}, 0)
		if err != nil {
			t.Fatal(err)
		}
		next := floats(t, outputs[0])
		if taken := &next[0] == before; taken != donated {
			t.Errorf("donated: %v, but the output has the memory of the input: %v", donated, taken)
		}
		for i, x := range ramp(10000) {
			if want := x - 0.1*x; next[i]-want > 1e-6 || want-next[i] > 1e-6 {
				t.Fatalf("donated: %v: element %d is %v, want %v", donated, i, next[i], want)
			}
		}
		if _, err := w.Data(); (err != nil) != donated {
			t.Errorf("donated: %v, but reading the input afterwards: %v", donated, err)
		}
	}
}

// If one buffer is given for two inputs, the output must not take over the first: the product still
// reads the second.
func TestAnInputThatIsGivenTwiceIsNotOverwritten(t *testing.T) {
	b := newBackend(t, "")
	p := newProgram(t, b)
	w, g := p.parameter("w", 64, 64), p.parameter("g", 64, 64)
	next := p.value(p.f.Mul(w, p.value(p.f.Constant([]float32{0.5}))))
	product := p.value(p.f.DotGeneral(g, []int{1}, nil, g, []int{0}, nil, compute.DotGeneralConfig{}))
	e := p.compile(next, product)
	if e.plan.results[0].donor != 0 {
		t.Fatal("the output does not take over an input that is given once")
	}
	in := buffer(t, b, ramp(64*64), 64, 64)
	want, err := e.Execute([]compute.Buffer{in, in}, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	got, err := e.Execute([]compute.Buffer{in, in}, []bool{true, false}, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if difference := firstDifference(floats(t, got[i]), floats(t, want[i])); difference != "" {
			t.Errorf("output %d, donated: %s", i, difference)
		}
	}
}

// A donated input that is read after the output has been computed must not be overwritten before.
func TestADonatedInputThatIsReadLaterIsNotOverwritten(t *testing.T) {
	b := newBackend(t, "")
	p := newProgram(t, b)
	w := p.parameter("w", 64, 64)
	half := p.value(p.f.Constant([]float32{0.5}))
	next := p.value(p.f.Mul(w, half))
	// The product is a step of its own, which reads all of w.
	product := p.value(p.f.DotGeneral(w, []int{1}, nil, w, []int{0}, nil, compute.DotGeneralConfig{}))
	e := p.compile(next, product)
	in := buffer(t, b, ramp(64*64), 64, 64)
	want, err := e.Execute([]compute.Buffer{in}, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	got, err := e.Execute([]compute.Buffer{in}, []bool{true}, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		a, b := floats(t, got[i]), floats(t, want[i])
		for j := range a {
			if a[j] != b[j] {
				t.Fatalf("output %d: element %d is %v if donated, %v if not", i, j, a[j], b[j])
			}
		}
	}
}

func TestInvalidExecutionsAreErrors(t *testing.T) {
	b, other := newBackend(t, ""), newBackend(t, "")
	e := update(t, b)
	good := func() *Buffer { return buffer(t, b, ramp(10000), 100, 100) }
	donated := good()
	if err := donated.Finalize(); err != nil {
		t.Fatal(err)
	}
	ints, err := b.BufferFromFlatData(0, make([]int32, 10000), shapes.Make(dtypes.Int32, 100, 100))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		inputs []compute.Buffer
		donate []bool
		want   string
	}{
		"too few inputs":         {[]compute.Buffer{good()}, nil, "1 inputs, want 2"},
		"wrong shape":            {[]compute.Buffer{good(), buffer(t, b, ramp(100), 100)}, nil, "input #1 (g) has shape (Float32)[100], want (Float32)[100, 100]"},
		"wrong type":             {[]compute.Buffer{ints, good()}, nil, "input #0 (w) has shape (Int32)"},
		"finalized":              {[]compute.Buffer{donated, good()}, nil, "has been finalized or donated"},
		"nil":                    {[]compute.Buffer{nil, good()}, nil, "not a buffer of this backend"},
		"of another backend":     {[]compute.Buffer{buffer(t, other, ramp(10000), 100, 100), good()}, nil, "not a buffer of this backend"},
		"wrong length of donate": {[]compute.Buffer{good(), good()}, []bool{true}, "donate has 1 values for 2 inputs"},
	} {
		if _, err := e.Execute(test.inputs, test.donate, 0); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, test.want)
		}
	}
	if _, err := e.Execute([]compute.Buffer{good(), good()}, nil, 0); err != nil {
		t.Errorf("after these errors: %v", err)
	}
	e.Finalize()
	if _, err := e.Execute([]compute.Buffer{good(), good()}, nil, 0); err == nil || !strings.Contains(err.Error(), "the executable has been finalized") {
		t.Errorf("a finalized executable: %v", err)
	}
	b.Finalize()
	if _, err := compileOne(b); err == nil || !strings.Contains(err.Error(), "has been finalized") {
		t.Errorf("a finalized backend: %v", err)
	}
	if _, err := b.BufferFromFlatData(0, []float32{1}, shapes.Make(dtypes.Float32, 1)); err == nil {
		t.Error("a finalized backend made a buffer")
	}
}

// compileOne compiles a graph, which may fail.
func compileOne(b *Backend) (compute.Executable, error) {
	builder := b.Builder("late")
	f := builder.Main()
	x, err := f.Parameter("x", shapes.Make(dtypes.Float32, 2), nil)
	if err != nil {
		return nil, err
	}
	if err := f.Return([]compute.Value{x}, nil); err != nil {
		return nil, err
	}
	return builder.Compile()
}

func TestFinalizeFreesTheMemory(t *testing.T) {
	b := newBackend(t, "")
	e, inputs := network(t, b, 2)
	if _, err := e.Execute(inputs, nil, 0); err != nil {
		t.Fatal(err)
	}
	freed := 0
	for _, r := range e.idle {
		release := r.arena.release
		r.arena.release = func() { freed++; release() }
	}
	if e.plan.arena == 0 || len(e.idle) != 1 {
		t.Fatalf("an arena of %d bytes and %d idle runs, want some bytes and 1 run", e.plan.arena, len(e.idle))
	}
	e.Finalize()
	e.Finalize()
	if freed != 1 {
		t.Errorf("Finalize freed the memory %d times, want once", freed)
	}
}

// failing is a step whose tasks panic.
type failing struct{}

func (failing) run(r *run) error { return r.do(failing{}, 8) }

func (failing) task(*run, *scratch, int) { panic("test panic") }

func TestAPanicInAWorkerIsAnError(t *testing.T) {
	b := newBackend(t, "")
	e, inputs := network(t, b, 1)
	steps := e.plan.steps
	for _, cores := range []int{1, 2} {
		before := runtime.GOMAXPROCS(cores)
		e.plan.steps = append([]step{failing{}}, steps...)
		if _, err := e.Execute(inputs, nil, 0); err == nil || !strings.Contains(err.Error(), "test panic") {
			t.Errorf("%d cores: %v, want the panic as an error", cores, err)
		}
		e.plan.steps = steps
		if _, err := e.Execute(inputs, nil, 0); err != nil {
			t.Errorf("%d cores: afterwards: %v", cores, err)
		}
		runtime.GOMAXPROCS(before)
	}
}

func TestFinalizeEndsTheWorkers(t *testing.T) {
	before := runtime.NumGoroutine()
	made, err := New("")
	if err != nil {
		t.Fatal(err)
	}
	b := made.(*Backend)
	e, inputs := network(t, b, 1)
	if _, err := e.Execute(inputs, nil, 0); err != nil {
		t.Fatal(err)
	}
	b.Finalize()
	b.Finalize()
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, but %d before the backend was made", runtime.NumGoroutine(), before)
		}
	}
}
