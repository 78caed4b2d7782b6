package figure

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Curve is one line of a figure.
type Curve struct {
	// Name stands in the legend. A curve without one is drawn and not listed.
	Name string
	// X and Y are the points, in the order they are joined. They are of one length; a nil
	// X stands for 1, 2, 3 …, as epochs are counted. X must be finite. A NaN or an
	// infinity in Y leaves a gap.
	X, Y []float64
	// Style is the look of the line. Zero is fine.
	Style Style
	// Smooth is a number of points. Above 1, the raw curve is drawn faintly and the mean
	// over a centred window of so many points (made odd) strongly. A centred window,
	// unlike a running mean, does not shift the curve to the right; at both ends it takes
	// the points there are. Gaps stay gaps and are left out of the means.
	Smooth int
}

// Run is the training and testing of one network, measured at the same times.
type Run struct {
	// Name of the network.
	Name string
	// X are the times: epochs or iterations; nil stands for 1, 2, 3 ….
	X []float64
	// Train and Test are the measurements. Either may be nil.
	Train, Test []float64
}

// Curves returns the run as a pair of curves in one colour, number color of the palette:
// training thin, testing bold and in the given dash.
func (r Run) Curves(color int, dash Dash) []Curve {
	var pair []Curve
	if r.Test != nil {
		pair = append(pair, Curve{Name: r.Name + ", test", X: r.X, Y: r.Test, Style: Style{Color: color, Dash: dash}})
	}
	if r.Train != nil {
		pair = append(pair, Curve{Name: r.Name + ", train", X: r.X, Y: r.Train, Style: Style{Color: color, Thin: true}})
	}
	return pair
}

// Curves draws any number of curves over one another, with their legend above them.
func Curves(title, xLabel, yLabel string, curves []Curve, opts ...Option) (*Figure, error) {
	c := chart{title: title, xLabel: xLabel, yLabel: yLabel, panels: []panel{{curves: curves}}}
	f, err := c.figure(opts)
	if err != nil {
		return nil, fmt.Errorf("curves %q: %w", title, err)
	}
	return f, nil
}

// PlainVsResidual draws figure 4 of He et al., "Deep Residual Learning for Image
// Recognition" (2015): plain networks on the left and residual ones on the right with one
// y axis, training in thin lines and testing in bold ones. Give the runs of both sides in
// the same order, from shallow to deep: a depth has one colour and one dash in both
// panels.
func PlainVsResidual(title, xLabel, yLabel string, plain, residual []Run, opts ...Option) (*Figure, error) {
	side := func(heading string, runs []Run) panel {
		p := panel{heading: heading}
		for i, r := range runs {
			dash := Solid
			if i < len(runs)-1 {
				dash = Dash(1 + i%3) // the deepest is the solid one
			}
			p.curves = append(p.curves, r.Curves(i+1, dash)...)
		}
		return p
	}
	c := chart{title: title, xLabel: xLabel, yLabel: yLabel, panels: []panel{
		side("Plain networks", plain),
		side("Residual networks", residual),
	}}
	if len(plain) == 0 || len(residual) == 0 {
		return nil, fmt.Errorf("plain against residual %q: %d plain and %d residual networks", title, len(plain), len(residual))
	}
	f, err := c.figure(opts)
	if err != nil {
		return nil, fmt.Errorf("plain against residual %q: %w", title, err)
	}
	return f, nil
}

// Schedule draws learning rates by epoch or step, whichever xLabel says. A rate that was
// constant holds until the x of the next, so that a drop shows as one and not as a slope.
func Schedule(title, xLabel string, curves []Curve, opts ...Option) (*Figure, error) {
	c := chart{title: title, xLabel: xLabel, yLabel: "learning rate", stairs: true, panels: []panel{{curves: curves}}}
	f, err := c.figure(opts)
	if err != nil {
		return nil, fmt.Errorf("schedule %q: %w", title, err)
	}
	return f, nil
}

// GradientNorms draws the norm of the gradient of every layer, on a logarithmic axis,
// for several networks. The layers are in order from input to output. A series without X
// has one value for every layer; one with X, of a network with fewer layers, has a value
// for the layers counted there from 1.
func GradientNorms(title string, layers []string, series []Curve, opts ...Option) (*Figure, error) {
	f, err := gradientNorms(title, layers, series, opts)
	if err != nil {
		return nil, fmt.Errorf("gradient norms %q: %w", title, err)
	}
	return f, nil
}

func gradientNorms(title string, layers []string, series []Curve, opts []Option) (*Figure, error) {
	if len(layers) == 0 {
		return nil, errors.New("no layers")
	}
	series = slices.Clone(series)
	for i, s := range series {
		if s.Style == (Style{}) {
			series[i].Style.Color = i + 1 // solid: the markers tell the series apart
		}
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
		panels:     []panel{{curves: series}},
		categories: slices.Clone(layers),
		markers:    true,
	}
	return c.figure(append([]Option{LogY()}, opts...))
}

// trace is a curve made ready: checked, copied, cleared of what cannot be drawn.
type trace struct {
	name   string
	x, y   []float64 // y has NaN for every gap
	smooth []float64 // nil unless asked for
	pen    stroke
	marker int  // its shape
	marked bool // with a marker at every point
}

// trace checks the curve at index i and copies it. The logarithm of x and y is for the
// axes that have one.
func (c Curve) trace(i int, logX, logY bool) (trace, error) {
	t := trace{name: c.Name, x: slices.Clone(c.X), y: slices.Clone(c.Y), pen: c.Style.stroke(i), marker: i, marked: c.Style.Marker}
	if !c.Style.valid() {
		return t, fmt.Errorf("%q has no such style: %+v", c.Name, c.Style)
	}
	if c.X == nil {
		t.x = make([]float64, len(c.Y))
		for i := range t.x {
			t.x[i] = float64(i + 1)
		}
	}
	if len(t.x) != len(t.y) {
		return t, fmt.Errorf("%q has %d x for %d y", c.Name, len(t.x), len(t.y))
	}
	for i, x := range t.x {
		if !drawable(x) {
			return t, fmt.Errorf("%q: x[%d] is %g", c.Name, i, x)
		}
	}
	for i, y := range t.y {
		if !drawable(y) || logY && y < smallest || logX && t.x[i] < smallest {
			t.y[i] = math.NaN()
		}
	}
	if c.Smooth > 1 {
		t.smooth = centredMeans(t.y, c.Smooth)
	}
	return t, nil
}

// centredMeans returns the means of y over window/2 points to each side, fewer at the
// ends, and NaN where y is.
//
// Every mean is summed anew: a sliding sum would carry the rounding error of one huge loss
// through the rest of the run.
func centredMeans(y []float64, window int) []float64 {
	means := make([]float64, len(y))
	for i := range y {
		if math.IsNaN(y[i]) {
			means[i] = math.NaN()
			continue
		}
		sum, n := 0.0, 0
		for _, v := range y[max(0, i-window/2):min(len(y), i+window/2+1)] {
			if !math.IsNaN(v) {
				sum, n = sum+v, n+1
			}
		}
		means[i] = sum / float64(n)
	}
	return means
}

// pieces splits the points into runs without gaps.
func pieces(x, y []float64) [][]point {
	var all [][]point
	open := false
	for i := range y {
		if math.IsNaN(y[i]) {
			open = false
			continue
		}
		if !open {
			all, open = append(all, nil), true
		}
		last := &all[len(all)-1]
		*last = append(*last, point{x[i], y[i]})
	}
	return all
}

// stairs lets a value that was constant hold up to the next point.
func stairs(points []point) []point {
	var steps []point
	for i, p := range points {
		if i >= 2 && points[i-2].y == points[i-1].y && p.y != points[i-1].y {
			steps = append(steps, point{p.x, points[i-1].y})
		}
		steps = append(steps, p)
	}
	return steps
}

// thinned drops points of a long line, already in page coordinates, that share a dot with
// their neighbours: of all that follow one another in a column of dots it keeps the
// first, the lowest, the highest and the last, which cover the same dots as all of them.
func thinned(points []point) []point {
	column := func(p point) float64 { return math.Floor(p.x * dotsPerPixel) }
	var kept []point
	for start := 0; start < len(points); {
		end, low, high := start+1, start, start
		for end < len(points) && column(points[end]) == column(points[start]) {
			if points[end].y < points[low].y {
				low = end
			}
			if points[end].y > points[high].y {
				high = end
			}
			end++
		}
		indices := []int{start, low, high, end - 1}
		slices.Sort(indices)
		for _, i := range slices.Compact(indices) {
			kept = append(kept, points[i])
		}
		start = end
	}
	return kept
}
