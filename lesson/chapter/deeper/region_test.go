package deeper

import (
	"math"
	"sync"
	"testing"

	"github.com/residual-go/residual/pkg/figure"
)

// tight has the bounds of the notebook.
var tight = Bounds{Weight: 1, Bias: 0.5}

// classes computes the classes of each kind once for all tests.
var classes = [2]func() []Region{
	Plain:    sync.OnceValue(func() []Region { return Reach(Plain, tight, 4) }),
	Residual: sync.OnceValue(func() []Region { return Reach(Residual, tight, 4) }),
}

// TestOneLayer compares the class of one layer with its definition, with w and b computed
// from f(-1) and f(1).
func TestOneLayer(t *testing.T) {
	for _, kind := range []Kind{Plain, Residual} {
		region := classes[kind]()[0]
		for row := range region {
			for column, in := range region[row] {
				left, right := coordinate(column), coordinate(row)
				if kind == Residual {
					left, right = left-Left, right-Right
				}
				low, high := math.Atanh(left), math.Atanh(right) // -w + b and w + b
				w, b := (high-low)/2, (high+low)/2
				// Exactly at the bound, rounding decides.
				if near(math.Abs(w), tight.Weight) || near(math.Abs(b), tight.Bias) {
					continue
				}
				if want := math.Abs(w) <= tight.Weight && math.Abs(b) <= tight.Bias; in != want {
					t.Fatalf("%s: f(-1) = %g, f(1) = %g: in the class %v, want %v",
						kind, coordinate(column), coordinate(row), in, want)
				}
			}
		}
	}
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

// TestMembers checks that the regions are not too small: chains with random weights lie
// within a few pixels of the region for their depth.
func TestMembers(t *testing.T) {
	for _, kind := range []Kind{Plain, Residual} {
		regions := classes[kind]()
		random := source(0, 0)
		for range 100 {
			f := figure.Point{X: Left, Y: Right}
			for depth, region := range regions {
				w := tight.Weight * (2*random.Float64() - 1)
				b := tight.Bias * (2*random.Float64() - 1)
				x, y := math.Tanh(w*f.X+b), math.Tanh(w*f.Y+b)
				if kind == Residual {
					x, y = x+f.X, y+f.Y
				}
				f = figure.Point{X: x, Y: y}
				if math.Max(math.Abs(x), math.Abs(y)) > Extent {
					break
				}
				if d := region.Distance(f); d > 3*Pixel {
					t.Errorf("%s: (%.3f, %.3f), of depth %d, is %.3f away from its region", kind, x, y, depth+1, d)
				}
			}
		}
	}
}

func TestNestedness(t *testing.T) {
	residual := classes[Residual]()
	for i, deeper := range residual[1:] {
		if lost := residual[i].Without(deeper).Area(); lost != 0 {
			t.Errorf("the class of %d residual layers lacks an area of %g of the class of %d", i+2, lost, i+1)
		}
		if deeper.Without(residual[i]).Area() == 0 {
			t.Errorf("the class of %d residual layers is no larger than that of %d", i+2, i+1)
		}
	}
	plain := classes[Plain]()
	for i, deeper := range plain[1:] {
		if plain[i].Without(deeper).Area() < 0.01 {
			t.Errorf("the class of %d plain layers contains that of %d", i+2, i+1)
		}
	}
	if plain[1].Without(plain[0]).Area() < 0.01 || plain[1].Area() <= plain[0].Area() {
		t.Error("the class of 2 plain layers is no larger than that of 1")
	}
}

// TestDistance compares distances with exact ones. The chain with w = 1 and b = 0 in every
// layer keeps f(-1) and f(1) farthest apart, so it is the nearest to 0.8x.
func TestDistance(t *testing.T) {
	target := figure.Point{X: -0.8, Y: 0.8}
	want := 1.0
	for i, region := range classes[Plain]() {
		want = math.Tanh(want)
		if got, exact := region.Distance(target), math.Sqrt2*(0.8-want); math.Abs(got-exact) > 1.5*Pixel {
			t.Errorf("%d layers are %.4f from 0.8x, want %.4f", i+1, got, exact)
		}
	}
	if d := classes[Residual]()[0].Distance(target); d > 1e-12 {
		t.Errorf("a residual layer is %g from 0.8x", d)
	}
}

// TestTargetOnTheOtherSide: with |w| ≤ 1 a residual layer never reverses the order of two
// values, so that no chain comes nearer to −0.8x than the line f(−1) = f(1). The mirror image
// of a plain class is the class itself, with −w for w and −b for b in the last layer.
func TestTargetOnTheOtherSide(t *testing.T) {
	target, mirrored := figure.Point{X: 0.8, Y: -0.8}, figure.Point{X: -0.8, Y: 0.8}
	line := 0.8 * math.Sqrt2
	for i, region := range classes[Residual]() {
		if d := region.Distance(target); d < line-Pixel {
			t.Errorf("%d residual layers are %.4f from −0.8x, want at least %.4f", i+1, d, line)
		}
	}
	for i, region := range classes[Plain]() {
		if d, want := region.Distance(target), region.Distance(mirrored); math.Abs(d-want) > 1e-9 {
			t.Errorf("%d plain layers are %.4f from −0.8x and %.4f from 0.8x, want the same", i+1, d, want)
		}
	}
}

func TestPanel(t *testing.T) {
	panel := Panel(Plain, classes[Plain](), figure.Point{Name: "f*"})
	if _, err := figure.Regions("classes", []figure.RegionPanel{panel}); err != nil {
		t.Error(err)
	}
	if first := panel.Regions[0].Name; first != "4 layers" {
		t.Errorf("%q is drawn first, want the deepest, 4 layers", first)
	}
}
