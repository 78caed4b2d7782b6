package figure

import (
	"math"
	"testing"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/recorder"
)

// The axes must be exactly where the layout put them, however far labels reach beyond them.
func TestPlotIsDrawnAroundItsAxes(t *testing.T) {
	c := &canvas{draw.NewCanvas(&recorder.Canvas{}, px(pageWidth), px(600))}
	for _, label := range []string{"1", "a label that reaches far beyond the end of its axis"} {
		for _, at := range []float64{0, 0.7, 1} {
			p := newPlot("x", "y")
			setScale(&p.X, 0, 1, false, []plot.Tick{{Value: at, Label: label}})
			setScale(&p.Y, 0, 1, false, []plot.Tick{{Value: at, Label: label}})
			want := rect{300, 50, 600, 350}
			var got rect
			p.Add(drawFunc(func(inside draw.Canvas, _ *plot.Plot) {
				all := area(inside)
				got = rect{all.x0, 600 + all.y0, all.x1, 600 + all.y1}
			}))
			c.plot(p, want)
			if far := max(math.Abs(got.x0-want.x0), math.Abs(got.x1-want.x1), math.Abs(got.y0-want.y0), math.Abs(got.y1-want.y1)); far > 1e-3 {
				t.Errorf("%q at %g: the axes are at %v, want %v", label, at, got, want)
			}
		}
	}
}

// TestLongLabelBesideLogAxis: the label of a logarithmic axis takes no room above the axes.
func TestLongLabelBesideLogAxis(t *testing.T) {
	top := func(label string) float64 {
		panels := []panel{{Plot: newPlot("step", label)}}
		setScale(&panels[0].Y, 0.005, 2, true, []plot.Tick{{Value: 0.01, Label: "0.01"}, {Value: 1, Label: "1"}})
		arrange(panels, 1, 0, 600, func(room float64) (width, height float64) { return room, plotHeight })
		return panels[0].axes.y0
	}
	if short, long := top("error"), top("error, as a share of the variance of f"); short != long {
		t.Errorf("the axes begin at %g under a long label, and at %g under a short one", long, short)
	}
}
