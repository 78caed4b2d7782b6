package figure

import (
	"math"
	"slices"
	"testing"

	"gonum.org/v1/plot/vg"
)

func TestCentredMeans(t *testing.T) {
	nan := math.NaN()
	got := centredMeans([]float64{1, 4, 1, 4, nan, 6}, 3)
	want := []float64{2.5, 2, 3, 2.5, nan, 6}
	for i := range want {
		if got[i] != want[i] && !(math.IsNaN(got[i]) && math.IsNaN(want[i])) {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

// A plateau continues to the next point; a slope does not.
func TestStairs(t *testing.T) {
	got := stairs([]point{{1, 9}, {2, 9}, {3, 1}, {4, 0}})
	want := []point{{1, 9}, {2, 9}, {3, 9}, {3, 1}, {4, 0}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestLogXLeavesGaps(t *testing.T) {
	got, err := Curve{X: []float64{-1, 0, 1, 10}, Y: []float64{1, 2, 3, 4}}.trace(0, true, false)
	if err != nil {
		t.Fatal(err)
	}
	if want := [][]point{{{1, 3}, {10, 4}}}; !slices.EqualFunc(pieces(got.x, got.y), want, slices.Equal) {
		t.Errorf("got %v, want %v", pieces(got.x, got.y), want)
	}
}

func TestThinnedKeepsTheExtremes(t *testing.T) {
	var line []vg.Point
	for i := range 10000 {
		line = append(line, vg.Point{X: px(float64(i) / 1000), Y: px(math.Sin(float64(i)))})
	}
	line[4321].Y, line[8765].Y = px(50), px(-50)
	got := thinned(line)
	if len(got) > 4*(10*dotsPerPixel+1) {
		t.Errorf("%d points left in 20 columns", len(got))
	}
	for _, p := range []vg.Point{line[0], line[4321], line[8765], line[9999]} {
		if !slices.Contains(got, p) {
			t.Errorf("%v was dropped", p)
		}
	}
}
