package figure

import (
	"bytes"
	"image/png"
	"math"
	"slices"
	"testing"

	"gonum.org/v1/plot"
)

func TestRefinedStaysBetweenNeighbours(t *testing.T) {
	nan := math.NaN()
	values := []float64{0, 0, 1, 1, 0.2, 5, nan, 3, 4}
	fine := refined(values)
	n := refinement(len(values))
	if len(fine) != (len(values)-1)*n+1 {
		t.Fatalf("%d values, want %d", len(fine), (len(values)-1)*n+1)
	}
	for i, v := range fine {
		a, b := values[i/n], values[min(i/n+1, len(values)-1)]
		switch {
		case i%n == 0 && v != a && !math.IsNaN(a):
			t.Errorf("value %d is %g, want the given %g", i/n, v, a)
		case i%n > 0 && math.IsNaN(v) != (math.IsNaN(a) || math.IsNaN(b)):
			t.Errorf("between %g and %g there is %g", a, b, v)
		case v < min(a, b) || v > max(a, b):
			t.Errorf("between %g and %g it is %g", a, b, v)
		}
	}
	// A straight line stays straight.
	for i, v := range refined([]float64{1, 2, 3}) {
		if want := 1 + float64(i)/float64(refinement(3)); math.Abs(v-want) > 1e-12 {
			t.Fatalf("value %d of a straight line is %g, want %g", i, v, want)
		}
	}
}

// The image shows the surface: low and dark in the middle, white where it has no height, and
// not upside down.
func TestContoursShowTheSurface(t *testing.T) {
	s := bowl(21)
	s.Z = field(21, func(x, y float64) float64 { return x*x + y*y + y })
	s.Z[0][20] = math.NaN()
	r, err := s.prepare(false)
	if err != nil {
		t.Fatal(err)
	}
	img := r.smoothed(plot.Axis{Min: -0.25, Max: 3, Scale: plot.LinearScale{}}).image(100, 100)
	at := func(x, y float64) string {
		c := img.At(int((x+1)*99.9), int((1-y)*99.9))
		for i := range 129 {
			if c == heat(float64(i)/128) {
				return string(rune('a' + i/13))
			}
		}
		return "white"
	}
	for _, c := range []struct {
		x, y float64
		want string
	}{{0, -0.5, "a"}, {0, 0, "a"}, {0, 1, "g"}, {1, 1, "j"}, {-1, 1, "j"}, {-0.999, -0.999, "d"}, {0.999, -0.999, "white"}} {
		if got := at(c.x, c.y); got != c.want {
			t.Errorf("the colour at %g, %g is %s, want %s", c.x, c.y, got, c.want)
		}
	}
}

func TestNumbersOfLevelsDoNotOverlap(t *testing.T) {
	ticks := levels(extent{0.01, 2, true}, true)
	lines := make([][][]point, len(ticks))
	for i, level := range ticks {
		for _, line := range isolines(field(301, func(x, y float64) float64 { return x*x + y*y }), level.Value) {
			for k, q := range line {
				line[k] = point{100 + q.x, 400 - q.y}
			}
			lines[i] = append(lines[i], dense(line))
		}
	}
	notes := annotate(lines, ticks, rect{100, 100, 400, 400}, point{250, 250})
	if len(notes) < 5 {
		t.Errorf("%d of %d levels have a number", len(notes), len(ticks))
	}
	for i, n := range notes {
		if n.box.x0 < 100 || n.box.x1 > 400 || n.box.y0 < 100 || n.box.y1 > 400 {
			t.Errorf("%s is at %v, outside the panel", n.level.Label, n.box)
		}
		if slices.ContainsFunc(notes[:i], func(other note) bool { return other.box.meets(n.box) }) {
			t.Errorf("%s overlaps another number", n.level.Label)
		}
		for _, line := range lines {
			for _, piece := range outside(line[0], notes) {
				for _, q := range piece {
					if q.x > n.box.x0 && q.x < n.box.x1 && q.y > n.box.y0 && q.y < n.box.y1 {
						t.Fatalf("a line runs through %s", n.level.Label)
					}
				}
			}
		}
	}
}

// All panels share one scale: a high one changes the colours of the other.
func TestPanelsShareTheScale(t *testing.T) {
	low, high := bowl(9), bowl(9)
	for _, row := range high.Z {
		for i := range row {
			row[i] *= 100
		}
	}
	lowest := func(panels ...Surface) int {
		f, err := Contours("", panels)
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(bytes.NewReader(encode(t, f, "png")))
		if err != nil {
			t.Fatal(err)
		}
		count := 0
		for y := range img.Bounds().Dy() {
			for x := range img.Bounds().Dx() / 2 {
				if img.At(x, y) == heat(0) {
					count++
				}
			}
		}
		return count
	}
	if same, other := lowest(low, low), lowest(low, high); other < 2*same {
		t.Errorf("the lowest colour has %d dots beside an equal panel and %d beside a much higher one, want at least twice as many", same, other)
	}
}
