package figure

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/plot"
)

// laidOut returns a bar chart laid out on axes 700 pixels wide.
func laidOut(t *testing.T, bars []Bar, o options) *barChart {
	t.Helper()
	b := &barChart{bars: bars, y: &plot.Axis{}, o: o}
	if err := b.group(); err != nil {
		t.Fatal(err)
	}
	b.step = 700 / float64(len(b.names))
	b.pitch = 0.76 * b.step / float64(max(1, len(b.groups)))
	if err := b.fitY(b.fitValues()); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBarsBeginAtZero(t *testing.T) {
	b := laidOut(t, []Bar{{Name: "a", Value: 90}, {Name: "b", Value: 45}, {Name: "c", Value: -45}}, options{})
	length := func(i int) float64 {
		base, end := b.ends(i)
		return base - end
	}
	if half := length(0) / 2; math.Abs(length(1)-half) > 1e-9 || math.Abs(length(2)+half) > 1e-9 {
		t.Errorf("bars of 90, 45 and −45 are %g, %g and %g long, want proportional lengths", length(0), length(1), length(2))
	}
	for i := range b.bars {
		if box := b.valueBox(i); box.y0 < 0 || box.y1 > plotHeight {
			t.Errorf("the value of bar %d is at %v, outside the axes", i, box)
		}
	}
}

// The value stands above the whole range, which the axes hold.
func TestRangesOfBars(t *testing.T) {
	b := laidOut(t, []Bar{{Name: "a", Value: 2, Low: 1, High: 4}, {Name: "b", Value: -2, Low: -4, High: -1}}, options{})
	if high, low := b.valueBox(0), b.valueBox(1); high.y1 >= b.at(4) || low.y0 <= b.at(-4) || high.y0 < 0 || low.y1 > plotHeight {
		t.Errorf("values at %v and %v, for ranges that end at %g and %g", high, low, b.at(4), b.at(-4))
	}
}

// What is gained is a part of the bar, what is lost an outline above it, below the value.
func TestBarsComparedWithTheOneBefore(t *testing.T) {
	bars := []Bar{{Name: "a", Value: 8}, {Name: "b", Value: 12, Before: 8}, {Name: "c", Value: 9, Before: 12}, {Name: "d", Value: -1, Before: -3}}
	b := laidOut(t, bars, options{})
	for i, want := range []float64{8, 12, 12, -3} {
		if got := b.tip(i); got != b.at(want) {
			t.Errorf("bar %s ends at %g, want %g", bars[i].Name, got, b.at(want))
		}
	}
	drawn, err := Bars("t", "y", bars)
	if err != nil {
		t.Fatal(err)
	}
	without := slices.Clone(bars)
	for i := range without {
		without[i].Before = 0
	}
	plain, err := Bars("t", "y", without)
	if err != nil {
		t.Fatal(err)
	}
	var got, other bytes.Buffer
	if err := errors.Join(drawn.Encode(&got, "svg"), plain.Encode(&other, "svg")); err != nil {
		t.Fatal(err)
	}
	if pale := "fill:#CCE3F0"; !strings.Contains(got.String(), pale) || strings.Contains(other.String(), pale) {
		t.Errorf("only bars that are compared have a pale part; the figure is\n%s", got.String())
	}
}

func TestGroupedBarsDoNotTouch(t *testing.T) {
	b := laidOut(t, removed(27), options{percent: true})
	if len(b.names) != 27 || len(b.groups) != 2 {
		t.Fatalf("%d names and %d groups, want 27 and 2", len(b.names), len(b.groups))
	}
	if !b.values.turned {
		t.Error("the values above narrow bars are not turned")
	}
	for i := 1; i < len(b.bars); i++ {
		if gap := b.across(i) - b.across(i-1); gap < b.pitch-1e-9 {
			t.Errorf("bars %d and %d are %g apart and %g wide", i-1, i, gap, b.pitch)
		}
		if left, right := b.valueBox(i-1), b.valueBox(i); right.x0 < left.x1 {
			t.Errorf("value %d begins at %g, but the previous one ends at %g", i, right.x0, left.x1)
		}
	}
}

// Equal names share a column only if the bars have groups.
func TestBarsOfOneName(t *testing.T) {
	b := laidOut(t, []Bar{{Name: "conv", Value: 1}, {Name: "conv", Value: 2}}, options{})
	if !slices.Equal(b.column, []int{0, 1}) {
		t.Errorf("got columns %v, want 0 and 1", b.column)
	}
	first, second := b.bars[0].Style.stroke(b.place[0]), b.bars[1].Style.stroke(b.place[1])
	if first.colour != second.colour {
		t.Error("two bars without a group differ in colour")
	}
}

func TestValuesAboveBars(t *testing.T) {
	for v, want := range map[float64]string{
		28.2: "28.2", 3.57: "3.57", 567: "567", 12345: "12345", 0.25: "0.25", 15: "15",
		-0.5: "−0.5", 0: "0", 0.00012345: "0.000123", 1.2345e9: "1.23e+09",
	} {
		if got := threeDigits(v); got != want {
			t.Errorf("%g is written as %s, want %s", v, got, want)
		}
	}
	for _, c := range []struct {
		values []float64
		want   string
	}{
		{[]float64{0.9, 0.925}, "90.0% 92.5%"},
		{[]float64{0.9, 0.1, math.NaN()}, "90% 10% n/a"},
	} {
		b := barChart{o: options{percent: true}}
		for _, v := range c.values {
			b.bars = append(b.bars, Bar{Value: v})
		}
		if got := strings.Join(b.valueTexts(), " "); got != c.want {
			t.Errorf("%v is written as %s, want %s", c.values, got, c.want)
		}
	}
}
