package deeper

import (
	"math"
	"slices"
	"testing"
)

func sine(x float64) float64 { return 0.8 * math.Sin(math.Pi*x) }

// TestGradient compares the gradient with finite differences.
func TestGradient(t *testing.T) {
	target := Sample(sine, 9)
	for _, kind := range []Kind{Plain, Residual} {
		for _, depth := range []int{1, 2, 4} {
			n := New(kind, 3, depth, source(depth, 1))
			for l := 1; l < depth; l++ { // b starts at 0, which could hide a mistake
				_, b := n.layer(n.weights, l)
				randomise(b, n.width, source(depth, l))
			}
			p := n.newPass()
			gradient := make([]float64, n.Parameters())
			squares(p, target, gradient)
			for i := range n.weights {
				const step = 1e-6
				before := n.weights[i]
				n.weights[i] = before + step
				above := squares(p, target, nil)
				n.weights[i] = before - step
				below := squares(p, target, nil)
				n.weights[i] = before
				if want := (above - below) / (2 * step); math.Abs(gradient[i]-want) > 1e-7*(1+math.Abs(want)) {
					t.Errorf("%s, depth %d: gradient of weight %d is %g, want %g", kind, depth, i, gradient[i], want)
				}
			}
		}
	}
}

func TestZerosAreTheIdentity(t *testing.T) {
	x := Sample(sine, 33).X
	n := New(Residual, 4, 3, source(1, 1))
	if grown := n.WithZeros(20); !slices.Equal(n.At(x), grown.At(x)) || grown.Depth() != 23 {
		t.Error("adding 20 residual layers of zeros changed the function")
	}
	y := n.As(Plain).WithZeros(1).At(x)
	if slices.Min(y) != slices.Max(y) {
		t.Error("a network with a plain layer of zeros is not constant")
	}
}

func TestCopiesComeNearTheIdentity(t *testing.T) {
	n := New(Plain, 4, 1, source(1, 1))
	target := Target{X: Sample(sine, 33).X}
	target.Y = n.At(target.X)
	before := 1.0
	for _, scale := range []float64{0.3, 0.03, 0.003} {
		grown := n.WithCopies(5, scale)
		e := grown.Error(target)
		if e <= 0 || e > before/10 { // the error is proportional to scale²
			t.Errorf("scale %g: error %g, want above 0 and at most a tenth of %g", scale, e, before)
		}
		if grown.LargestWeight() < n.LargestWeight() {
			t.Errorf("scale %g: the largest weight has become smaller", scale)
		}
		before = e
	}
}

func TestSize(t *testing.T) {
	n := New(Plain, 4, 8, source(1, 1))
	if n.Depth() != 8 || n.Parameters() != 13+7*20 {
		t.Errorf("depth %d and %d parameters, want 8 and 153", n.Depth(), n.Parameters())
	}
}
