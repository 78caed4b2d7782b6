package figure

import (
	"math"
	"testing"
)

// field returns n×n heights over −1 … 1 in both directions.
func field(n int, height func(x, y float64) float64) [][]float64 {
	z := make([][]float64, n)
	for iy := range z {
		z[iy] = make([]float64, n)
		for ix := range z[iy] {
			z[iy][ix] = height(2*float64(ix)/float64(n-1)-1, 2*float64(iy)/float64(n-1)-1)
		}
	}
	return z
}

// enclosed returns the area within a closed line, positive if the line runs counterclockwise.
func enclosed(line []point) (sum float64) {
	for i := 1; i < len(line); i++ {
		sum += (line[i-1].x*line[i].y - line[i].x*line[i-1].y) / 2
	}
	return sum
}

func TestIsolineOfABowlIsACircle(t *testing.T) {
	lines := isolines(field(101, func(x, y float64) float64 { return x*x + y*y }), 0.25)
	if len(lines) != 1 {
		t.Fatalf("%d lines, want 1", len(lines))
	}
	line := lines[0]
	if line[0] != line[len(line)-1] {
		t.Error("the line is not closed")
	}
	for _, p := range line {
		if r := math.Hypot(p.x-50, p.y-50); math.Abs(r-25) > 0.02 {
			t.Fatalf("%v is %g from the centre, want 25", p, r)
		}
	}
	// The high ground is outside, so on the left of a line that runs clockwise.
	if got, want := enclosed(line), -math.Pi*25*25; math.Abs(got/want-1) > 0.01 {
		t.Errorf("the line encloses %g, want %g", got, want)
	}
}

func TestIsolinesOfSlopesAndSaddles(t *testing.T) {
	nan := math.NaN()
	count := func(z [][]float64, level float64) (open, closed int) {
		for _, line := range isolines(z, level) {
			if line[0] == line[len(line)-1] {
				closed++
			} else {
				open++
			}
		}
		return open, closed
	}
	for _, c := range []struct {
		name         string
		z            [][]float64
		level        float64
		open, closed int
	}{
		{"slope", field(9, func(x, _ float64) float64 { return x }), 0.1, 1, 0},
		{"saddle", field(10, func(x, y float64) float64 { return x * y }), 0.3, 2, 0},
		{"flat", field(5, func(_, _ float64) float64 { return 1 }), 1, 0, 0},
		{"two peaks", [][]float64{{0, 0, 0, 0, 0}, {0, 2, 0, 2, 0}, {0, 0, 0, 0, 0}}, 1, 0, 2},
		{"diagonal, low between", [][]float64{{1, 0}, {0, 1}}, 0.6, 2, 0},
		{"ring", field(41, func(x, y float64) float64 { return -math.Abs(math.Hypot(x, y) - 0.5) }), -0.1, 0, 2},
		{"hole in the data", [][]float64{{0, 0, 0, 0}, {1, 1, nan, 1}}, 0.5, 1, 0},
		{"one row", [][]float64{{0, 1}}, 0.5, 0, 0},
	} {
		if open, closed := count(c.z, c.level); open != c.open || closed != c.closed {
			t.Errorf("%s: %d open and %d closed lines, want %d and %d", c.name, open, closed, c.open, c.closed)
		}
	}
}

// The mean of a cell decides which of its corners a saddle joins.
func TestSaddleIsDividedByItsMean(t *testing.T) {
	for _, level := range []float64{0.4, 0.6} {
		for _, line := range isolines([][]float64{{1, 0}, {0, 1}}, level) {
			middle := point{(line[0].x + line[1].x) / 2, (line[0].y + line[1].y) / 2}
			high := middle.x < 0.5 == (middle.y < 0.5) // it cuts off a high corner
			if high != (level > 0.5) {
				t.Errorf("at level %g a line cuts off the wrong corner, near %v", level, middle)
			}
		}
	}
}
