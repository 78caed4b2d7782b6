package cpu

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
)

// tapsGradient returns the gradient of a filter with respect to its taps as a contraction: the batch is the
// input channels, and the contracted channels are the images.
func (f filter) tapsGradient() *contraction {
	axes := compute.ConvolveAxesConfig{
		InputBatch: 3, InputSpatial: []int{1, 2}, InputChannels: 0,
		KernelSpatial: []int{1, 2}, KernelInputChannels: 0, KernelOutputChannels: 3,
		OutputBatch: 2, OutputSpatial: []int{0, 1}, OutputChannels: 3,
	}
	c, _ := newContraction(f.input(), f.output(), f.taps(), convolution{axes: axes, paddings: f.paddings[:]}, make([]bool, 4))
	return c
}

// directTaps computes the gradient of the taps by its definition, in float64.
func (f filter) directTaps(x, dy []float32) []float64 {
	d := f.output().Dimensions
	taps := make([]float64, f.taps().Size())
	for i := range taps {
		j, c, k := i%f.co, i/f.co%f.ci, i/f.co/f.ci
		for at := range d[0] * d[1] * d[2] {
			n, oy, ox := at/d[2]/d[1], at/d[2]%d[1], at%d[2]
			y, px := oy+k/3-f.paddings[0][0], ox+k%3-f.paddings[1][0]
			if y >= 0 && y < f.h && px >= 0 && px < f.w {
				taps[i] += float64(x[((n*f.h+y)*f.w+px)*f.ci+c]) * float64(dy[at*f.co+j])
			}
		}
	}
	return taps
}

// winogradGradient returns an executable with a winogradGradientStep, whatever the cost model says.
func (f filter) winogradGradient(b *Backend) *executable {
	p := &plan{
		backend: b, granularity: b.granularity(), inputs: []shapes.Shape{f.input(), f.output()}, outputs: []shapes.Shape{f.taps()},
		results: []result{{slot: 2, own: true, donor: -1}},
	}
	p.slot(slotInput, byteSize(f.input()))
	p.slots[p.slot(slotInput, byteSize(f.output()))].index = 1
	p.slot(slotOutput, byteSize(f.taps()))
	p.steps = []step{newWinogradGradientStep(f.tapsGradient(), b.kernels, p, 0, 1, 2)}
	p.layOut()
	return &executable{plan: p, names: []string{"x", "dy"}}
}

// gradientValues returns random inputs and gradients of the output.
func (f filter) gradientValues(r *rand.Rand) (x, dy []float32) {
	x, dy = make([]float32, f.input().Size()), make([]float32, f.output().Size())
	for _, list := range [][]float32{x, dy} {
		for i := range list {
			list[i] = float32(r.NormFloat64())
		}
	}
	return x, dy
}

// executeGradient runs an executable of winogradGradient.
func (f filter) executeGradient(t *testing.T, b *Backend, e *executable, x, dy []float32) []float32 {
	t.Helper()
	outputs, err := execute(b, e, []any{x, dy}, []shapes.Shape{f.input(), f.output()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return outputs[0].([]float32)
}

func TestWinogradGradient(t *testing.T) {
	onEachKernel(t, func(t *testing.T, b *Backend) {
		r := rand.New(rand.NewPCG(1, 2))
		filters := []filter{
			square(1, 1, 1, 1), square(2, 7, 33, 17), square(9, 4, 64, 31), square(20, 12, 16, 16),
			square(1, 5, 150, 90), // several chunks of both
		}
		for range fewer(30) {
			pad := func() int { return r.IntN(3) }
			filters = append(filters, filter{
				n: 1 + r.IntN(9), h: 3 + r.IntN(9), w: 3 + r.IntN(12), ci: 1 + r.IntN(40), co: 1 + r.IntN(70),
				paddings: [2][2]int{{pad(), pad()}, {pad(), pad()}},
			})
		}
		for _, f := range filters {
			e := f.winogradGradient(b)
			x, dy := f.gradientValues(r)
			got := f.executeGradient(t, b, e, x, dy)
			e.Finalize()
			var want []float32
			for _, v := range f.directTaps(x, dy) {
				want = append(want, float32(v))
			}
			if difference := farthest(got, want, 1e-5); difference != "" {
				t.Errorf("%v: %s", f, difference)
			}
		}
	})
}

// The result depends neither on the number of workers, nor on the machine, nor on the previous contents of
// the workers' memory.
func TestWinogradGradientIsDeterministic(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	onEachKernel(t, func(t *testing.T, b *Backend) {
		f := square(5, 9, 40, 150)
		x, dy := f.gradientValues(rand.New(rand.NewPCG(3, 4)))
		var first []float32
		for i, g := range granularities {
			b.granularity = func() granularity { return g }
			e := f.winogradGradient(b)
			for workers := range 3 {
				runtime.GOMAXPROCS(1 + workers)
				got := f.executeGradient(t, b, e, x, dy)
				if first == nil {
					first = got
				}
				if !slices.Equal(got, first) {
					t.Fatalf("run %d with granularity %d differs", workers, i)
				}
			}
			e.Finalize()
		}
	})
}

// The step is chosen for the layers of a residual network, but not for strided convolutions, for taps of 1
// by 1, or for the first layer.
func TestWinogradGradientIsChosen(t *testing.T) {
	b := newBackend(t, "")
	for _, test := range []struct {
		filter
		want bool
	}{
		{square(64, 32, 16, 16), true},
		{square(64, 8, 64, 64), true},
		{square(8, 14, 256, 256), true},
		{square(64, 1, 512, 512), false},
	} {
		if got := test.tapsGradient().winogradGradient(b.kernels); got != test.want {
			t.Errorf("%v: %t", test.filter, got)
		}
	}
	strided := square(64, 32, 16, 16).tapsGradient()
	strided.spatial[0].kernelDilation = 2
	if strided.winogradGradient(b.kernels) {
		t.Error("chosen for a strided convolution")
	}
}
