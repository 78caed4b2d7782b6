package figure

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// The two curves of a run must read as a pair, and runs must differ in more than colour.
func TestStyles(t *testing.T) {
	pair := Run{Name: "a", Train: []float64{1}, Test: []float64{1}}.Curves(Style{Color: 3})
	test, train := pair[0].Style.stroke(0), pair[1].Style.stroke(1)
	if test.colour != train.colour || test.colour != okabeIto(2) {
		t.Errorf("the curves of a run have the colours %v and %v, want colour 3 twice", test.colour, train.colour)
	}
	if test.width < 2*train.width {
		t.Errorf("the test curve is %g wide and the training curve %g, too similar to tell apart", test.width, train.width)
	}
	if test.dash != nil || train.dash == nil {
		t.Errorf("the test curve has the dashes %v and the training curve %v, want only the latter dashed", test.dash, train.dash)
	}
	first, second := Style{}.stroke(0), Style{}.stroke(1)
	if first.colour == second.colour || slices.Equal(first.dash, second.dash) {
		t.Error("two curves without a style do not differ in both colour and dash")
	}
	seen := map[string]bool{}
	for i := range 28 {
		seen[fmt.Sprint(Style{}.stroke(i))] = true
	}
	if len(seen) != 28 {
		t.Errorf("28 curves have %d different looks, want 28", len(seen))
	}
}

func TestMarkersLeaveTheDash(t *testing.T) {
	plain, marked := Style{}.stroke(1), Style{Marker: true}.stroke(1)
	if fmt.Sprint(plain) != fmt.Sprint(marked) {
		t.Errorf("with a marker, the pen %v becomes %v", plain, marked)
	}
	shapes := func(s Style) int {
		f, err := Curves("t", "x", "y", []Curve{{X: []float64{5, 10, 20}, Y: []float64{1, 2, 3}, Style: s}}, LogX())
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(encode(t, f, "svg")), "<path")
	}
	if got := shapes(Style{Marker: true}) - shapes(Style{}); got != 3 {
		t.Errorf("a curve of three points has %d markers, want 3", got)
	}
}
