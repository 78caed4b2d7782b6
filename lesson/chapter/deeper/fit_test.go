package deeper

import (
	"math"
	"slices"
	"testing"

	"github.com/residual-go/residual/pkg/figure"
)

func TestTrain(t *testing.T) {
	target := Sample(sine, 16)
	for _, kind := range []Kind{Plain, Residual} {
		start := New(kind, 4, 3, source(3, 0))
		weights := slices.Clone(start.weights)
		fit := Train(start, target, Unbounded, 500, 0.02)
		if !slices.Equal(start.weights, weights) {
			t.Errorf("%s: training changed the network it started from", kind)
		}
		if fit.Errors[0] != start.Error(target) {
			t.Errorf("%s: the first error is %g, want that of the untrained network, %g", kind, fit.Errors[0], start.Error(target))
		}
		e := fit.Error(target)
		if e != slices.Min(fit.Errors) {
			t.Errorf("%s: the network has error %g, want the least, %g", kind, e, slices.Min(fit.Errors))
		}
		if e > fit.Errors[0]/20 {
			t.Errorf("%s: in 500 steps the error went from %g to %g, want a twentieth or less", kind, fit.Errors[0], e)
		}
	}
}

func TestSettled(t *testing.T) {
	fit := Fit{Errors: []float64{1, 3, 0.5, 2, 1, 0.2}}
	for e, want := range map[float64]int{0.1: -1, 0.2: 5, 1: 4, 2: 2, 3: 0} {
		if got := fit.Settled(e); got != want {
			t.Errorf("the error settles below %g at step %d, want %d", e, got, want)
		}
	}
}

func TestBounds(t *testing.T) {
	w, b := []float64{3, -1, 0.25, 0.5}, []float64{-2, 0.1}
	Bounds{1, 0.5}.confine(w, b)
	if want := []float64{0.75, -0.25, 0.25, 0.5}; !slices.Equal(w, want) {
		t.Errorf("weights %v, want %v", w, want)
	}
	if want := []float64{-0.5, 0.1}; !slices.Equal(b, want) {
		t.Errorf("biases %v, want %v", b, want)
	}
	// Weights within the bounds stay the same, bit for bit.
	n := New(Plain, 5, 4, source(1, 1))
	n.confine(tight)
	once := slices.Clone(n.weights)
	n.confine(tight)
	if !slices.Equal(n.weights, once) {
		t.Error("confining weights a second time changed them")
	}
}

func TestSearch(t *testing.T) {
	target := Sample(sine, 32)
	search := Search{Width: 4, Depth: 5, Bounds: tight, Starts: 2, Steps: 200, Rate: 0.02}
	residual := search.Run(Residual, target)
	for i := 1; i < len(residual); i++ {
		if residual[i].Depth() != i+1 || residual[i].Error(target) > residual[i-1].Error(target) {
			t.Errorf("depth %d: error %g, want at most %g, that of the depth before", residual[i].Depth(), residual[i].Error(target), residual[i-1].Error(target))
		}
	}
	again := search.Run(Residual, target)
	for i := range residual {
		if !slices.Equal(residual[i].weights, again[i].weights) {
			t.Errorf("depth %d: two equal searches found different networks", i+1)
		}
	}

	for i, n := range search.Run(Plain, target) {
		y := n.At(target.X)
		if got, limit := slices.Max(y)-slices.Min(y), tight.PlainSpread(i+1); got > limit {
			t.Errorf("depth %d: values differ by up to %g, want at most %g", i+1, got, limit)
		}
		if e, limit := n.Error(target), target.LeastError(tight.PlainSpread(i+1)); e < limit {
			t.Errorf("depth %d: the error is %g, want at least %g", i+1, e, limit)
		}
	}
}

func TestLeastError(t *testing.T) {
	target := Target{X: []float64{-1, 0, 1}, Y: []float64{0, 0, 3}}
	// The best constant is the mean, 1. With a spread of 1.5, the best interval is 0.5 to 2.
	for spread, want := range map[float64]float64{0: math.Sqrt2, 1.5: math.Sqrt(0.5), 3: 0, 4: 0} {
		if got := target.LeastError(spread); math.Abs(got-want) > 1e-8 {
			t.Errorf("spread %g: %g, want %g", spread, got, want)
		}
	}
}

func TestCurves(t *testing.T) {
	target := Sample(sine, 5)
	shallow, deep := New(Residual, 2, 1, source(1, 1)), New(Residual, 2, 3, source(1, 1))
	if c := deep.Curve(target); c.Name != "residual, depth 3" || !slices.Equal(c.Y, deep.At(target.X)) {
		t.Errorf("the curve of a network is %+v", c)
	}
	c := ErrorsByDepth([]*Network{shallow, deep}, target)
	if !slices.Equal(c.X, []float64{1, 3}) || !slices.Equal(c.Y, []float64{shallow.Error(target), deep.Error(target)}) {
		t.Errorf("the curve of errors is %+v", c)
	}
	if c := target.Curve(); !slices.Equal(c.X, []float64{-1, 0.5}) || c.Y[0] != target.Y[0] || c.Y[1] != target.Y[3] {
		t.Errorf("the curve of the target is %+v", c)
	}
	fit := Train(shallow, target, Unbounded, 2, 0.01)
	if c := fit.Curve("fit", figure.Style{}); !slices.Equal(c.X, []float64{1, 2, 3}) || !slices.Equal(c.Y, fit.Errors) {
		t.Errorf("the curve of a training is %+v", c)
	}
}
