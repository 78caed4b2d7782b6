package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// filter is a convolution with 3 by 3 taps, or the gradient of one with respect to its input. That is a
// convolution too, with reversed taps and swapped channels.
type filter struct {
	n, h, w, ci, co int
	paddings        [2][2]int
	gradient        bool
}

func (f filter) String() string {
	s := fmt.Sprintf("%dx%dx%dx%d to %d padding %v", f.n, f.h, f.w, f.ci, f.co, f.paddings)
	if f.gradient {
		s += " gradient"
	}
	return s
}

// square returns a filter of square images that keeps their size.
func square(n, size, ci, co int) filter {
	return filter{n: n, h: size, w: size, ci: ci, co: co, paddings: [2][2]int{{1, 1}, {1, 1}}}
}

func (f filter) input() shapes.Shape { return shapes.Make(dtypes.Float32, f.n, f.h, f.w, f.ci) }

func (f filter) taps() shapes.Shape {
	if f.gradient {
		return shapes.Make(dtypes.Float32, 3, 3, f.co, f.ci)
	}
	return shapes.Make(dtypes.Float32, 3, 3, f.ci, f.co)
}

func (f filter) output() shapes.Shape {
	return shapes.Make(dtypes.Float32, f.n, f.h+f.paddings[0][0]+f.paddings[0][1]-2, f.w+f.paddings[1][0]+f.paddings[1][1]-2, f.co)
}

func (f filter) axes() compute.ConvolveAxesConfig {
	a := compute.ConvolveAxesConfig{
		InputBatch: 0, InputSpatial: []int{1, 2}, InputChannels: 3,
		KernelSpatial: []int{0, 1}, KernelInputChannels: 2, KernelOutputChannels: 3,
		OutputBatch: 0, OutputSpatial: []int{1, 2}, OutputChannels: 3,
	}
	if f.gradient {
		a.KernelInputChannels, a.KernelOutputChannels = 3, 2
	}
	return a
}

func (f filter) contraction() *contraction {
	flipped := []bool{f.gradient, f.gradient, false, false}
	c, _ := newContraction(f.input(), f.taps(), f.output(), convolution{axes: f.axes(), paddings: f.paddings[:]}, flipped)
	return c
}

// values returns random inputs and taps.
func (f filter) values(r *rand.Rand) (x, taps []float32) {
	x, taps = make([]float32, f.input().Size()), make([]float32, f.taps().Size())
	for _, list := range [][]float32{x, taps} {
		for i := range list {
			list[i] = float32(r.NormFloat64())
		}
	}
	return x, taps
}

// direct computes the filter by its definition, in float64.
func (f filter) direct(x, taps []float32) []float64 {
	d := f.output().Dimensions
	out := make([]float64, f.output().Size())
	for i := range out {
		j := i % d[3]
		ox, oy, n := i/d[3]%d[2], i/d[3]/d[2]%d[1], i/d[3]/d[2]/d[1]
		for k := range 9 {
			y, at := oy+k/3-f.paddings[0][0], ox+k%3-f.paddings[1][0]
			if y < 0 || y >= f.h || at < 0 || at >= f.w {
				continue
			}
			pixel := x[((n*f.h+y)*f.w+at)*f.ci:][:f.ci]
			for c, v := range pixel {
				weight := (k*f.ci+c)*f.co + j
				if f.gradient {
					weight = ((8-k)*f.co+j)*f.ci + c
				}
				out[i] += float64(v) * float64(taps[weight])
			}
		}
	}
	return out
}

// execute runs an executable on inputs and taps.
func (f filter) execute(t *testing.T, b *Backend, e compute.Executable, x, taps []float32) []float32 {
	t.Helper()
	var inputs []compute.Buffer
	for i, shape := range []shapes.Shape{f.input(), f.taps()} {
		buffer, err := b.BufferFromFlatData(0, [][]float32{x, taps}[i], shape)
		if err != nil {
			t.Fatal(err)
		}
		inputs = append(inputs, buffer)
	}
	outputs, err := e.Execute(inputs, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]float32, f.output().Size())
	if err := outputs[0].ToFlatData(got); err != nil {
		t.Fatal(err)
	}
	return got
}

// winograd returns an executable with a winogradStep, whatever the cost model says.
func (f filter) winograd(b *Backend) *executable {
	p := &plan{
		backend: b, granularity: b.granularity(), inputs: []shapes.Shape{f.input(), f.taps()}, outputs: []shapes.Shape{f.output()},
		results: []result{{slot: 2, own: true, donor: -1}},
	}
	p.slot(slotInput, byteSize(f.input()))
	p.slots[p.slot(slotInput, byteSize(f.taps()))].index = 1
	p.slot(slotOutput, byteSize(f.output()))
	p.steps = []step{newWinogradStep(f.contraction(), b.kernels, p, 0, 1, 2)}
	p.layOut()
	return &executable{plan: p, names: []string{"x", "taps"}}
}

// check compares a result with the definition, relative to the largest element.
func (f filter) check(t *testing.T, x, taps, got []float32) {
	t.Helper()
	direct := f.direct(x, taps)
	largest := 0.0
	for _, want := range direct {
		largest = max(largest, math.Abs(want))
	}
	for i, want := range direct {
		if e := math.Abs(float64(got[i]) - want); !(e <= 1e-5*largest) {
			t.Fatalf("%v: [%d] is %g, want %g, of at most %g", f, i, got[i], want, largest)
		}
	}
}

func TestWinograd(t *testing.T) {
	onEachKernel(t, func(t *testing.T, b *Backend) {
		r := rand.New(rand.NewPCG(1, 2))
		filters := []filter{
			square(1, 1, 1, 1), square(2, 7, 33, 17), square(9, 4, 64, 31), square(1, 30, 16, 48),
			square(3, 5, 20, 300), // more than one chunk
		}
		for range 40 {
			pad := func() int { return r.IntN(3) }
			f := filter{
				n: 1 + r.IntN(9), h: 3 + r.IntN(9), w: 3 + r.IntN(12), ci: 1 + r.IntN(40), co: 1 + r.IntN(70),
				paddings: [2][2]int{{pad(), pad()}, {pad(), pad()}},
			}
			filters = append(filters, f)
		}
		for _, f := range filters {
			for _, f.gradient = range []bool{false, true} {
				e := f.winograd(b)
				x, taps := f.values(r)
				f.check(t, x, taps, f.execute(t, b, e, x, taps))
				e.Finalize()
			}
		}
	})
}

// The result depends neither on the number of workers nor on the previous contents of their memory.
func TestWinogradIsDeterministic(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	onEachKernel(t, func(t *testing.T, b *Backend) {
		f := square(5, 9, 40, 150)
		e := f.winograd(b)
		defer e.Finalize()
		x, taps := f.values(rand.New(rand.NewPCG(3, 4)))
		var first []float32
		for i := range 8 {
			runtime.GOMAXPROCS(1 + i%4)
			got := f.execute(t, b, e, x, taps)
			if first == nil {
				first = got
			}
			if !slices.Equal(got, first) {
				t.Fatalf("run %d differs", i)
			}
		}
	})
}

// The step is chosen where it pays.
func TestWinogradIsChosen(t *testing.T) {
	small := square(64, 2, 64, 64)
	few := square(1, 4, 512, 512)
	gradient := square(1, 32, 64, 128)
	gradient.gradient = true
	onEachKernel(t, func(t *testing.T, b *Backend) {
		for _, test := range []struct {
			filter
			want bool
		}{
			{square(2, 32, 64, 64), true},
			{gradient, true},
			{square(4, 15, 128, 128), true},
			{square(64, 32, 16, 16), true},
			{small, false},
			{few, false},
		} {
			builder := b.Builder("filter")
			main := builder.Main()
			x, err := main.Parameter("x", test.input(), nil)
			if err != nil {
				t.Fatal(err)
			}
			taps, err := main.Parameter("taps", test.taps(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if test.gradient {
				if taps, err = main.Reverse(taps, 0, 1); err != nil {
					t.Fatal(err)
				}
			}
			y, err := main.ConvGeneral(x, taps, test.axes(), nil, test.paddings[:], nil, nil, 1, 1)
			if err != nil {
				t.Fatal(err)
			}
			if err := main.Return([]compute.Value{y}, nil); err != nil {
				t.Fatal(err)
			}
			e, err := builder.Compile()
			if err != nil {
				t.Fatal(err)
			}
			steps := e.(*executable).plan.describe()
			if got := slices.Equal(steps, []string{"winogradStep"}); got != test.want {
				t.Errorf("%v: steps %v", test.filter, steps)
			}
			if test.want {
				inputs, kernel := test.values(rand.New(rand.NewPCG(5, 6)))
				test.check(t, inputs, kernel, test.execute(t, b, e, inputs, kernel))
			}
			e.Finalize()
		}
	})
}
