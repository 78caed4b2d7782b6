package figure

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

func labels(ticks []tick) string {
	var all []string
	for _, t := range ticks {
		if t.label != "" {
			all = append(all, t.label)
		}
	}
	return strings.Join(all, " ")
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		name  string
		ticks []tick
		want  string
	}{
		{"round", linearTicks(0, 1, 5, false, false), "0 0.2 0.4 0.6 0.8 1.0"},
		{"percent", linearTicks(0, 0.3, 3, false, true), "0% 10% 20% 30%"},
		{"half percent", linearTicks(0.01, 0.02, 2, false, true), "1.0% 1.5% 2.0%"},
		{"thousands", linearTicks(0, 64000, 4, false, false), "0 20k 40k 60k"},
		{"millions", linearTicks(0, 2e7, 2, false, false), "0 10M 20M"},
		{"whole", linearTicks(1, 3, 10, true, false), "1 2 3"},
		{"negative", linearTicks(-1, 1, 2, false, false), "−1 0 1"},
		{"tiny", linearTicks(0, 2e-6, 2, false, false), "0 1e−6 2e−6"},
		{"decades", logTicks(0.0005, 200, 8, false), "0.001 0.01 0.1 1 10 100"},
		{"many decades", logTicks(1e-12, 1, 5, false), "1e−12 1e−9 1e−6 0.001 1"},
		{"one decade", logTicks(0.15, 3, 8, false), "0.2 0.5 1 2"},
		{"within a decade", logTicks(1.1, 1.9, 4, false), "1.2 1.4 1.6 1.8"},
		{"huge counts", fullLogTicks(5e8, 3e9, 700), "500M 1e+9 2e+9"},
		{"levels", levels(axis{low: 0.04, high: 190, log: true}), "0.05 0.1 0.2 0.5 1 2 5 10 20 50 100"},
		{"near levels", levels(axis{low: 1.8, high: 3.1, log: true}), "1.8 2.0 2.2 2.4 2.6 2.8 3.0"},
		{"far levels", levels(axis{low: 0.3, high: 1e7, log: true}), "1 10 100 1000 10k 100k 1M 10M"},
		{"linear levels", levels(axis{low: 0, high: 20}), "0 5 10 15 20"},
		{"counts", fullLogTicks(5, 500, 700), "5 10 20 50 100 200 500"},
		{"parameters", fullLogTicks(2e5, 6e7, 700), "200k 500k 1M 2M 5M 10M 20M 50M"},
		{"rates", fullLogTicks(0.01, 3, 700), "0.01 0.02 0.05 0.1 0.2 0.5 1 2"},
		{"wide", fullLogTicks(1, 1e8, 700), "1 10 100 1000 1e+4 1e+5 1e+6 1e+7 1e+8"},
		{"narrow", fullLogTicks(11, 19, 320), "12 14 16 18"},
		{"log percent", logTicks(0.005, 0.2, 8, true), "1% 10%"},
	} {
		if got := labels(c.ticks); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestCentredMeans(t *testing.T) {
	nan := math.NaN()
	got := centredMeans([]float64{1, 4, 1, 4, nan, 6}, 3)
	want := []float64{2.5, 2, 3, 2.5, nan, 6}
	for i := range want {
		if got[i] != want[i] && !(math.IsNaN(got[i]) && math.IsNaN(want[i])) {
			t.Fatalf("%v, want %v", got, want)
		}
	}
}

func TestStairs(t *testing.T) {
	got := stairs([]point{{1, 9}, {2, 9}, {3, 1}, {4, 0}})
	want := []point{{1, 9}, {2, 9}, {3, 9}, {3, 1}, {4, 0}}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v: the plateau holds, the slope does not", got, want)
	}
}

func TestLogXLeavesGaps(t *testing.T) {
	got, err := Curve{X: []float64{-1, 0, 1, 10}, Y: []float64{1, 2, 3, 4}}.trace(0, true, false)
	if err != nil {
		t.Fatal(err)
	}
	if want := [][]point{{{1, 3}, {10, 4}}}; !slices.EqualFunc(pieces(got.x, got.y), want, slices.Equal) {
		t.Errorf("%v, want %v", pieces(got.x, got.y), want)
	}
}

func TestMarkersLeaveTheDash(t *testing.T) {
	plain, marked := Style{}.stroke(1), Style{Marker: true}.stroke(1)
	if fmt.Sprint(plain) != fmt.Sprint(marked) {
		t.Errorf("a marker turns %v into %v", plain, marked)
	}
	shapes := func(s Style) int {
		f, err := Curves("t", "x", "y", []Curve{{X: []float64{5, 10, 20}, Y: []float64{1, 2, 3}, Style: s}}, LogX())
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(encode(t, f, "svg")), "<path")
	}
	if got := shapes(Style{Marker: true}) - shapes(Style{}); got != 3 {
		t.Errorf("a curve of three points has %d markers", got)
	}
}

func TestThinnedKeepsTheExtremes(t *testing.T) {
	var line []point
	for i := range 10000 {
		line = append(line, point{float64(i) / 1000, math.Sin(float64(i))})
	}
	line[4321].y, line[8765].y = 50, -50
	got := thinned(line)
	if len(got) > 4*(10*dotsPerPixel+1) {
		t.Errorf("%d points are left in 20 columns", len(got))
	}
	for _, p := range []point{line[0], line[4321], line[8765], line[9999]} {
		if !slices.Contains(got, p) {
			t.Errorf("%v is gone", p)
		}
	}
}

// Pairs must read as pairs, and runs must differ in more than colour.
func TestStyles(t *testing.T) {
	pair := Run{Name: "a", Train: []float64{1}, Test: []float64{1}}.Curves(3, Dashed)
	test, train := pair[0].Style.stroke(0), pair[1].Style.stroke(1)
	if test.colour != train.colour || test.colour != palette(2) {
		t.Errorf("a pair has the colours %v and %v, want colour 3 twice", test.colour, train.colour)
	}
	if test.width < 2*train.width {
		t.Errorf("testing is %g wide, training %g: that does not show", test.width, train.width)
	}
	first, second := Style{}.stroke(0), Style{}.stroke(1)
	if first.colour == second.colour || slices.Equal(first.dash, second.dash) {
		t.Error("two curves without a style differ in colour or dash alone")
	}
	seen := map[string]bool{}
	for i := range 28 {
		seen[fmt.Sprint(Style{}.stroke(i))] = true
	}
	if len(seen) != 28 {
		t.Errorf("28 curves have %d looks", len(seen))
	}
}

func TestShadeDarkensAllTheWay(t *testing.T) {
	last := math.Inf(1)
	for i := range 101 {
		c := shade(float64(i) / 100)
		light := 0.2126*float64(c.R) + 0.7152*float64(c.G) + 0.0722*float64(c.B)
		if light >= last {
			t.Fatalf("a share of %d%% is no darker than one of %d%%", i, i-1)
		}
		last = light
	}
}

func TestNamesFit(t *testing.T) {
	short := []string{"cat", "dog"}
	if n := namesBelow(short, 60); n.turned || n.every != 1 || n.look.size != tickSize {
		t.Errorf("short names: %+v", n)
	}
	if n := namesBelow([]string{"automobile"}, 58); n.turned || n.look.size >= tickSize {
		t.Errorf("names that fit in smaller type: %+v", n)
	}
	if n := namesBelow(short, 8); !n.turned || n.every != 2 {
		t.Errorf("crowded names: %+v", n)
	}
	text := lettering{size: 12}
	if got := text.fit("a rather long name", 60); text.width(got) > 60 || !strings.HasSuffix(got, "…") {
		t.Errorf("cut to %q", got)
	}
}
