package figure

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// trace is a checked copy of a curve, with NaN for values that cannot be drawn. It is a
// [plot.Plotter] and a [plot.Thumbnailer].
type trace struct {
	name   string
	x, y   []float64 // y is NaN at every gap
	smooth []float64 // nil if the curve is not smoothed
	pen    stroke
	marked bool // with a marker at every point
	marker draw.GlyphStyle
	stairs bool
}

// trace checks and copies the curve at index i. logX and logY say which axes are
// logarithmic.
func (c Curve) trace(i int, logX, logY bool) (trace, error) {
	pen := c.Style.stroke(i)
	t := trace{name: c.Name, x: slices.Clone(c.X), y: slices.Clone(c.Y), pen: pen,
		marked: c.Style.Marker, marker: marker(i, 3.6, pen.colour)}
	if !c.Style.valid() {
		return t, fmt.Errorf("%q: unknown style %+v", c.Name, c.Style)
	}
	if c.X == nil {
		t.x = make([]float64, len(c.Y))
		for i := range t.x {
			t.x[i] = float64(i + 1)
		}
	}
	if len(t.x) != len(t.y) {
		return t, fmt.Errorf("%q: %d values of X for %d of Y", c.Name, len(t.x), len(t.y))
	}
	for i, x := range t.x {
		if !drawable(x) {
			return t, fmt.Errorf("%q: X[%d] is %g", c.Name, i, x)
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

// empty reports whether all values of the trace are NaN.
func (t trace) empty() bool {
	return !slices.ContainsFunc(t.y, func(v float64) bool { return !math.IsNaN(v) })
}

// raw returns the faint trace behind a smoothed one, or false if t is not smoothed.
func (t trace) raw() (trace, bool) {
	if t.smooth == nil {
		return t, false
	}
	t.smooth, t.marked = nil, false
	t.pen = stroke{colour: mix(t.pen.colour, white, 0.68), width: 1}
	return t, true
}

// Plot implements [plot.Plotter].
func (t trace) Plot(c draw.Canvas, p *plot.Plot) {
	values := t.y
	if t.smooth != nil {
		values = t.smooth
	}
	for _, piece := range pieces(t.x, values) {
		points := places(c, p, piece)
		if len(points) == 1 {
			// A single point, between two gaps or after the first epoch, makes no line.
			dot := draw.GlyphStyle{Color: t.pen.colour, Radius: px(t.pen.width + 1), Shape: draw.CircleGlyph{}}
			c.DrawGlyph(dot, points[0])
		}
		line := points
		if t.stairs {
			line = places(c, p, stairs(piece))
		}
		c.StrokeLines(t.pen.lineStyle(), c.ClipLinesXY(thinned(line))...)
		for _, q := range points {
			if t.marked {
				c.DrawGlyph(t.marker, q)
			}
		}
	}
}

// Thumbnail implements [plot.Thumbnailer].
func (t trace) Thumbnail(c *draw.Canvas) {
	middle := c.Center()
	c.StrokeLine2(t.pen.lineStyle(), c.Min.X, middle.Y, c.Max.X, middle.Y)
	if t.marked {
		c.DrawGlyph(t.marker, middle)
	}
}

// centredMeans returns the means of y over window/2 points to each side, fewer at the
// ends, and NaN where y is NaN.
//
// Every mean is summed anew, because a sliding sum would carry the rounding error of one
// huge loss through the rest of the run.
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

// pieces splits the points at the gaps.
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

// stairs extends each plateau, two or more points of equal value, to the next point.
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

// thinned drops points of a long line that make no difference to the image. Of consecutive
// points in one column of dots it keeps the first, the lowest, the highest and the last,
// which cover the same dots as all of them.
func thinned(points []vg.Point) []vg.Point {
	column := func(p vg.Point) float64 { return math.Floor(pixels(p.X) * dotsPerPixel) }
	var kept []vg.Point
	for start := 0; start < len(points); {
		end, low, high := start+1, start, start
		for end < len(points) && column(points[end]) == column(points[start]) {
			if points[end].Y < points[low].Y {
				low = end
			}
			if points[end].Y > points[high].Y {
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
