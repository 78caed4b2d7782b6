package figure

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot"
)

// Curve is one line of a figure.
type Curve struct {
	// Name appears in the legend. A curve without a name is drawn but not listed.
	Name string
	// X and Y are the points, in the order in which they are joined, and have equal
	// lengths; a nil X means 1, 2, 3 …, as epochs are counted. X must be finite. A NaN or
	// an infinity in Y leaves a gap.
	X, Y []float64
	// Style is the look of the line. The zero value will do.
	Style Style
	// Smooth is the width of a window in points. If it is above 1, the curve is drawn
	// faintly, and on top of it the mean over a centred window of that width; an even width
	// counts as the next odd one. Unlike a running mean, a centred window does not shift the
	// curve to the right. At both ends it is cut short. Gaps stay gaps and do not enter the
	// means.
	Smooth int
}

// Run holds the training and test measurements of one network, taken at the same times.
type Run struct {
	// Name of the network.
	Name string
	// X are the times: epochs or iterations; nil means 1, 2, 3 ….
	X []float64
	// Train and Test are the measurements. Either may be nil.
	Train, Test []float64
	// Tested says in the legend which images Test was measured on, such as "held-out"; "" means "test". It is
	// translated, as other words of a figure are.
	Tested string
}

// Curves returns the run as two curves: the test curve in the given style and the training
// curve in the same colour, dashed and thin.
func (r Run) Curves(style Style) []Curve { return r.curves(style, options{}) }

func (r Run) curves(style Style, o options) []Curve {
	var pair []Curve
	if r.Test != nil {
		pair = append(pair, Curve{Name: fmt.Sprintf(o.Text("%s, %s"), r.Name, o.Text(cmp.Or(r.Tested, "test"))), X: r.X, Y: r.Test, Style: style})
	}
	if r.Train != nil {
		training := style.Training()
		training.Thin = true
		pair = append(pair, Curve{Name: fmt.Sprintf(o.Text("%s, %s"), r.Name, o.Text("train")), X: r.X, Y: r.Train, Style: training})
	}
	return pair
}

// Curves draws curves in one set of axes, with their legend above.
func Curves(title, xLabel, yLabel string, curves []Curve, opts ...Option) (*Figure, error) {
	c := chart{title: title, xLabel: xLabel, yLabel: yLabel, sides: []side{{curves: cloned(curves)}}}
	return drawn(fmt.Sprintf("curves %q", title), opts, c.figure)
}

// cloned returns curves with points of their own.
func cloned(curves []Curve) []Curve {
	curves = slices.Clone(curves)
	for i := range curves {
		curves[i].X, curves[i].Y = slices.Clone(curves[i].X), slices.Clone(curves[i].Y)
	}
	return curves
}

// PlainVsResidual draws figure 4 of He et al., "Deep Residual Learning for Image
// Recognition" (2015): plain networks on the left, residual ones on the right, with one y
// axis; training in thin dashed lines, test in bold ones. Give the runs of each side from
// shallow to deep, at most three.
func PlainVsResidual(title, xLabel, yLabel string, plain, residual []Run, opts ...Option) (*Figure, error) {
	if most := len(code[Plain]); len(plain) > most || len(residual) > most {
		return nil, fmt.Errorf("plain against residual %q: %d plain and %d residual networks, want at most %d of each",
			title, len(plain), len(residual), most)
	}
	if len(plain) == 0 || len(residual) == 0 {
		return nil, fmt.Errorf("plain against residual %q: %d plain and %d residual networks, want at least one of each",
			title, len(plain), len(residual))
	}
	plain, residual = clonedRuns(plain), clonedRuns(residual)
	return drawn(fmt.Sprintf("plain against residual %q", title), opts, func(o options) (*Figure, error) {
		from := func(heading string, family Family, runs []Run) side {
			s := side{heading: heading}
			for i, r := range runs {
				s.curves = append(s.curves, r.curves(NetworkStyle(family, Depth(i)), o)...)
			}
			return s
		}
		c := chart{title: title, xLabel: xLabel, yLabel: yLabel, sides: []side{
			from("Plain networks", Plain, plain),
			from("Residual networks", Residual, residual),
		}}
		return c.figure(o)
	})
}

// clonedRuns returns runs with measurements of their own.
func clonedRuns(runs []Run) []Run {
	runs = slices.Clone(runs)
	for i, r := range runs {
		runs[i].X, runs[i].Train, runs[i].Test = slices.Clone(r.X), slices.Clone(r.Train), slices.Clone(r.Test)
	}
	return runs
}

// Schedule draws learning rates by epoch or step; xLabel says which. A rate that was
// constant holds until the next point, so that a drop shows as a drop and not as a slope.
func Schedule(title, xLabel string, curves []Curve, opts ...Option) (*Figure, error) {
	c := chart{title: title, xLabel: xLabel, yLabel: "learning rate", stairs: true, sides: []side{{curves: cloned(curves)}}}
	return drawn(fmt.Sprintf("schedule %q", title), opts, c.figure)
}

// GradientNorms draws the norm of the gradient of every layer of several networks on a
// logarithmic axis. The layers are in order from input to output. A series without X has
// one value for every layer. A network with fewer layers has an X that says to which
// layer, counted from 1, each value belongs.
func GradientNorms(title string, layers []string, series []Curve, opts ...Option) (*Figure, error) {
	layers, series = slices.Clone(layers), cloned(series)
	return drawn(fmt.Sprintf("gradient norms %q", title), append([]Option{LogY()}, opts...), func(o options) (*Figure, error) {
		return gradientNorms(title, layers, series, o)
	})
}

func gradientNorms(title string, layers []string, series []Curve, o options) (*Figure, error) {
	if len(layers) == 0 {
		return nil, errors.New("no layers")
	}
	series = slices.Clone(series)
	for i, s := range series {
		if s.Style == (Style{}) {
			series[i].Style.Color = i + 1 // solid: the markers tell the series apart
		}
		series[i].Style.Marker = true
		if s.X == nil && len(s.Y) != len(layers) {
			return nil, fmt.Errorf("%q has %d values for %d layers", s.Name, len(s.Y), len(layers))
		}
		for _, x := range s.X {
			if x != math.Trunc(x) || x < 1 || x > float64(len(layers)) {
				return nil, fmt.Errorf("%q has a value at layer %g, want a whole number from 1 to %d", s.Name, x, len(layers))
			}
		}
	}
	c := chart{
		title: title, xLabel: "layer, from input to output", yLabel: "norm of the gradient",
		sides:      []side{{curves: series}},
		categories: layers,
	}
	return c.figure(o)
}

// chart is a figure of curves: one set of axes, or several side by side with one y axis.
type chart struct {
	title, xLabel, yLabel string
	sides                 []side
	categories            []string // names of x = 1, 2, 3 … in place of numbers
	stairs                bool
}

// side is one set of axes of a chart.
type side struct {
	heading string
	curves  []Curve
}

func (ch chart) figure(o options) (*Figure, error) {
	if ch.categories != nil {
		o.logX = false
		ch.categories = o.all(ch.categories)
	}
	traces, y, err := ch.traces(o)
	if err != nil {
		return nil, err
	}
	ticks := linearTicks(y.low, y.high, plotHeight/55, false, o.percent)
	if o.logY {
		ticks = logTicks(y.low, y.high, plotHeight, 30, o.percent)
	}
	panels := make([]panel, len(ch.sides))
	for i, s := range ch.sides {
		p := newPlot(o.Text(ch.xLabel), o.Text(ch.yLabel))
		setScale(&p.Y, y.low, y.high, o.logY, ticks)
		if i > 0 {
			p.HideY()
			p.Y.Label.Text = ""
		}
		panels[i] = panel{Plot: p, heading: o.Text(s.heading)}
		p.Add(grid(plot.ConstantTicks(ticks)))
		for _, t := range traces[i] {
			if raw, smoothed := t.raw(); smoothed {
				p.Add(raw) // first, so that no raw line hides a smoothed one
			}
		}
		for _, t := range traces[i] {
			p.Add(t)
			panels[i].entries = append(panels[i].entries, entry{t.name, t})
		}
		p.Add(openFrame)
	}
	head := newHeader(o, ch.title, "")
	layOut := func() (bottom float64) {
		return arrange(panels, len(panels), head.height, pageWidth-margin,
			func(room float64) (width, height float64) { return math.Floor(room), plotHeight })
	}
	for i := range panels { // provisional, to find the widths
		ch.fixX(&panels[i].X, traces[i], 1, o.logX)
	}
	layOut()
	width := panels[0].axes.width()
	for i := range panels {
		ch.fixX(&panels[i].X, traces[i], width, o.logX)
	}
	return head.page(layOut(), o, func(c *canvas) {
		for _, p := range panels {
			p.draw(c)
		}
	}), nil
}

// traces checks the curves of all sides and finds the y axis that holds them.
func (ch chart) traces(o options) (traces [][]trace, y extent, err error) {
	traces = make([][]trace, len(ch.sides))
	for i, s := range ch.sides {
		for k, c := range s.curves {
			t, err := c.trace(k, o.logX, o.logY)
			if err != nil {
				return nil, y, err
			}
			t.name, t.stairs = o.Text(t.name), ch.stairs
			if len(ch.categories) > 40 {
				t.marker.Radius = px(2.4)
			}
			for _, v := range t.y {
				if !math.IsNaN(v) {
					y.include(v)
				}
			}
			if t.empty() && t.name != "" {
				t.name += o.Text(" (nothing to draw)") // a run that diverged at once, say
			}
			traces[i] = append(traces[i], t)
		}
	}
	switch {
	case o.rangeSet && y.some:
		return traces, extent{o.yLow, o.yTop, true}, nil
	case y.some:
		return traces, y.widened(o.logY), nil
	case o.logY:
		return nil, y, errors.New("nothing to draw: no curve has a finite value above 0")
	case o.logX:
		return nil, y, errors.New("nothing to draw: no curve has a finite value at an x above 0")
	}
	return nil, y, errors.New("nothing to draw: no curve has a finite value")
}

// fixX sets the x axis of a panel. It ends where the data ends, because time does not go
// on after the run. A logarithmic axis shows something other than time, and has room at
// both ends.
func (ch chart) fixX(a *plot.Axis, traces []trace, width float64, log bool) {
	if n := len(ch.categories); n > 0 {
		setScale(a, 0.5, float64(n)+0.5, false, nil)
		namesBelow(ch.categories, width/float64(n)).label(a)
		return
	}
	var x extent
	whole := true
	for _, t := range traces {
		for i, v := range t.x {
			if !math.IsNaN(t.y[i]) {
				x.include(v)
				whole = whole && v == math.Trunc(v)
			}
		}
	}
	switch {
	case !x.some && log:
		x = extent{1, 10, true}
	case !x.some:
		x = extent{0, 1, true}
	case log:
		x = x.widened(true)
	case x.low == x.high:
		x = x.widened(false)
	case x.low > 0 && x.low < 0.1*x.high:
		x.low = 0
	}
	ticks := linearTicks(x.low, x.high, int(width/80), whole, false)
	if log {
		ticks = logTicks(x.low, x.high, width, 40, false)
	}
	setScale(a, x.low, x.high, log, ticks)
}
