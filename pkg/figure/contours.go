package figure

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"math"
	"slices"
	"sort"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg/draw"
)

// Surface is a panel of a figure of [Contours]: heights over a rectangle, such as the loss
// around a trained network in two directions.
type Surface struct {
	// Title is written above the panel.
	Title string
	// X and Y are the places at which the heights are given: at least two of each, in rising
	// order.
	X, Y []float64
	// Z are the heights: Z[iy][ix] is the height at X[ix], Y[iy]. Between them the surface
	// is smooth, and nowhere higher or lower than the heights around. The panel is white
	// around a NaN or an infinity.
	Z [][]float64
}

// Contours draws surfaces seen from above, as in Li et al., "Visualizing the Loss Landscape
// of Neural Nets" (2018): colours and lines of equal height, with one scale for all panels.
// [LogZ] makes the scale logarithmic, and [AxisLabels] names the axes. A star marks the
// point 0, 0.
func Contours(title string, panels []Surface, opts ...Option) (*Figure, error) {
	panels = slices.Clone(panels)
	for i, s := range panels {
		panels[i].X, panels[i].Y, panels[i].Z = slices.Clone(s.X), slices.Clone(s.Y), clonedRows(s.Z)
	}
	return drawn(fmt.Sprintf("contours %q", title), opts, func(o options) (*Figure, error) { return contours(title, panels, o) })
}

func contours(title string, surfaces []Surface, o options) (*Figure, error) {
	if len(surfaces) == 0 {
		return nil, errors.New("no surfaces")
	}
	reliefs := make([]relief, len(surfaces))
	var span extent
	for i, s := range surfaces {
		var err error
		if reliefs[i], err = s.prepare(o.logZ); err != nil {
			return nil, fmt.Errorf("surface %d: %w", i, err)
		}
		for _, row := range reliefs[i].z {
			for _, v := range row {
				if !math.IsNaN(v) {
					span.include(v)
				}
			}
		}
	}
	if !span.some {
		return nil, errors.New("nothing to draw: no height is finite, or positive for a logarithmic scale")
	}
	if span.low == span.high {
		span = span.widened(o.logZ)
	}
	var scale plot.Axis
	setScale(&scale, span.low, span.high, o.logZ, levels(span, o.logZ))

	panels := make([]panel, len(surfaces))
	for i, s := range surfaces {
		p := newPlot(o.Text(o.xLabel), o.Text(o.yLabel))
		reliefs[i] = reliefs[i].smoothed(scale)
		reliefs[i].addTo(p, scale)
		panels[i] = panel{Plot: p, heading: o.Text(s.Title)}
	}
	head := newHeader(o, title, "")
	bar := newScaleBar(viridis(), o.Text(o.zLabel), parts(scale))
	bottom := arrangePlanes(panels, head.height, pageWidth-bar.room)
	first := panels[0].axes
	bar.Y.Label.Text = labelText().fit(o.Text(o.zLabel), first.height())
	return head.page(bottom, o, func(c *canvas) {
		right := 0.0
		for _, p := range panels {
			p.draw(c)
			right = max(right, p.axes.x1)
		}
		bar.draw(c, right, first.y0, first.y1)
	}), nil
}

// parts returns the ticks of a scale with values from 0 to 1, the parts of its length.
func parts(scale plot.Axis) []plot.Tick {
	ticks := slices.Clone(scale.Tick.Marker.Ticks(scale.Min, scale.Max))
	for i, t := range ticks {
		ticks[i].Value = scale.Norm(t.Value)
	}
	return ticks
}

// relief is a checked copy of a surface.
type relief struct {
	x, y []float64
	z    [][]float64 // NaN where a height has no place on the scale
}

// smoothed returns the relief with more points, and with heights from 0 to 1 on the scale.
func (r relief) smoothed(scale plot.Axis) relief {
	var rows [][]float64
	for _, row := range r.z {
		parts := make([]float64, len(row))
		for i, v := range row {
			parts[i] = v // NaN stays NaN
			if !math.IsNaN(v) {
				parts[i] = scale.Norm(v)
			}
		}
		rows = append(rows, refined(parts))
	}
	fine := relief{x: subdivided(r.x), y: subdivided(r.y)}
	fine.z = make([][]float64, len(fine.y))
	column := make([]float64, len(rows))
	for ix := range fine.x {
		for iy, row := range rows {
			column[iy] = row[ix]
		}
		for iy, v := range refined(column) {
			fine.z[iy] = append(fine.z[iy], v)
		}
	}
	return fine
}

// refinement returns the number of steps between neighbours among n values that makes lines
// look smooth.
func refinement(n int) int { return (150 + n - 2) / (n - 1) }

// subdivided returns the values with the steps of refinement between them.
func subdivided(values []float64) []float64 {
	n := refinement(len(values))
	fine := values[:1:1]
	for i := 1; i < len(values); i++ {
		for k := 1; k <= n; k++ {
			part := float64(k) / float64(n)
			fine = append(fine, values[i-1]*(1-part)+values[i]*part)
		}
	}
	return fine
}

// refined returns the values and, at the steps between them, points of a Catmull-Rom
// spline. Each point stays between the two values beside it, so that the spline adds no
// hills or hollows of its own.
func refined(values []float64) []float64 {
	n := refinement(len(values))
	fine := values[:1:1]
	for i := 1; i < len(values); i++ {
		b, c := values[i-1], values[i]
		a, d := 2*b-c, 2*c-b // a straight line where there is no neighbour
		if i >= 2 && !math.IsNaN(values[i-2]) {
			a = values[i-2]
		}
		if i+1 < len(values) && !math.IsNaN(values[i+1]) {
			d = values[i+1]
		}
		for k := 1; k < n; k++ {
			t := float64(k) / float64(n)
			v := b + t/2*(c-a+t*(2*a-5*b+4*c-d+t*(3*(b-c)+d-a)))
			fine = append(fine, max(min(b, c), min(v, max(b, c))))
		}
		fine = append(fine, c)
	}
	return fine
}

func (s Surface) prepare(log bool) (relief, error) {
	r := relief{x: slices.Clone(s.X), y: slices.Clone(s.Y)}
	if err := errors.Join(checkRising("X", r.x), checkRising("Y", r.y)); err != nil {
		return r, err
	}
	if len(s.Z) != len(s.Y) {
		return r, fmt.Errorf("%d rows of heights for %d of Y", len(s.Z), len(s.Y))
	}
	for iy, row := range s.Z {
		if len(row) != len(s.X) {
			return r, fmt.Errorf("row %d has %d heights for %d of X", iy, len(row), len(s.X))
		}
		row = slices.Clone(row)
		for i, v := range row {
			if !drawable(v) || log && v < smallest {
				row[i] = math.NaN()
			}
		}
		r.z = append(r.z, row)
	}
	return r, nil
}

func checkRising(name string, values []float64) error {
	if len(values) < 2 {
		return fmt.Errorf("%d values of %s, want two or more", len(values), name)
	}
	for i, v := range values {
		if !drawable(v) || i > 0 && v <= values[i-1] {
			return fmt.Errorf("%s[%d] is %g, want rising values", name, i, v)
		}
	}
	return nil
}

// levels returns the heights of the lines, at about ten round values.
func levels(span extent, log bool) []plot.Tick {
	if !log {
		return linearTicks(span.low, span.high, 9, false, false)
	}
	ticks := logTicks(span.low, span.high, 350, 21, false)
	return slices.DeleteFunc(ticks, plot.Tick.IsMinor)
}

// addTo adds the relief to p, with lines at the ticks of scale.
func (r relief) addTo(p *plot.Plot, scale plot.Axis) {
	x0, x1, y0, y1 := r.x[0], r.x[len(r.x)-1], r.y[0], r.y[len(r.y)-1]
	setScale(&p.X, x0, x1, false, linearTicks(x0, x1, 5, false, false))
	setScale(&p.Y, y0, y1, false, linearTicks(y0, y1, 6, false, false))
	p.Add(drawFunc(func(axes draw.Canvas, p *plot.Plot) {
		c := &canvas{axes}
		all, onto := c.area(), c.onto(p)
		plotter.NewImage(r.image(all.width(), all.height()), x0, y0, x1, y1).Plot(axes, p)
		r.drawLines(c, onto, parts(scale))
		if origin := onto(point{}); axes.Contains(c.at(origin)) {
			c.star(origin, 7, ink)
		}
	}), closedFrame)
}

// image returns the surface in colours, for an area of the given size in CSS pixels. It is
// white where the surface has no height.
func (r relief) image(width, height float64) image.Image {
	columns, rows := locate(r.x, width), locate(r.y, height)
	slices.Reverse(rows)
	img := image.NewRGBA(image.Rect(0, 0, len(columns), len(rows)))
	for iy, y := range rows {
		for ix, x := range columns {
			low := x.between(r.z[y.i][x.i], r.z[y.i][x.next])
			high := x.between(r.z[y.next][x.i], r.z[y.next][x.next])
			colour := white
			if v := y.between(low, high); !math.IsNaN(v) {
				colour = heat(v)
			}
			img.SetRGBA(ix, iy, colour)
		}
	}
	return img
}

// locate returns, for each dot of an axis of the given length, the two values on either
// side and its place between them.
func locate(values []float64, length float64) []blend {
	dots := make([]blend, int(math.Round(length*dotsPerPixel)))
	first, last := values[0], values[len(values)-1]
	for k := range dots {
		v := first + (float64(k)+0.5)/float64(len(dots))*(last-first)
		i := max(0, min(sort.SearchFloat64s(values, v)-1, len(values)-2))
		dots[k] = blend{i, i + 1, (v - values[i]) / (values[i+1] - values[i])}
	}
	return dots
}

// drawLines draws the lines of equal height and writes the heights into gaps in them. onto
// converts from the units of the axes to a place on the canvas; the values of levels are
// from 0 to 1.
func (r relief) drawLines(c *canvas, onto func(point) point, levels []plot.Tick) {
	at := func(values []float64, v float64) float64 {
		i := min(int(v), len(values)-2)
		return values[i] + (v-float64(i))*(values[i+1]-values[i])
	}
	lines := make([][][]point, len(levels))
	for i, level := range levels {
		for _, line := range isolines(r.z, level.Value) {
			for k, q := range line {
				line[k] = onto(point{at(r.x, q.x), at(r.y, q.y)})
			}
			lines[i] = append(lines[i], dense(line))
		}
	}
	notes := annotate(lines, levels, c.area(), onto(point{}))
	for i, level := range levels {
		pen := stroke{colour: lineOn(level.Value), width: 1.1}
		for _, line := range lines[i] {
			for _, piece := range outside(line, notes) {
				c.polyline(piece, pen)
			}
		}
	}
	for _, n := range notes {
		text := levelText()
		text.colour = lineOn(n.level.Value)
		middle := n.box.middle()
		c.text(n.level.Label, point{middle.x, middle.y + text.middle()}, text)
	}
}

// lineOn returns the colour of a line at the given height, from 0 to 1, that stands out
// from the surface.
func lineOn(height float64) color.RGBA {
	if height < 0.6 {
		return mix(heat(height), white, 0.75)
	}
	return mix(heat(height), ink, 0.8)
}

func levelText() lettering { return lettering{size: 11, align: 0.5} }

// note is the number of a level and the area in which it is written.
type note struct {
	level plot.Tick
	box   rect
}

// annotate finds places for the numbers of the levels: on the longest lines of each, where they
// are closest to horizontal, and clear of the edges of the area, the star at the origin and the
// other numbers. A line without such a place has no number; its colour shows the height.
func annotate(lines [][][]point, levels []plot.Tick, area rect, origin point) []note {
	const (
		shortest = 60 // line with a number
		most     = 3  // numbers of a level: an outer line may be cut into pieces by the edges
	)
	taken := []rect{{origin.x - 12, origin.y - 12, origin.x + 12, origin.y + 12}}
	var notes []note
	for i, level := range levels {
		if level.Label == "" {
			continue
		}
		half := levelText().width(level.Label)/2 + 3
		longest := slices.SortedStableFunc(slices.Values(lines[i]), func(a, b []point) int { return len(b) - len(a) })
		for _, line := range longest[:min(most, len(longest))] {
			if float64(len(line))*denseStep < shortest {
				break
			}
			box, found := placeOn(line, half, area, taken)
			if found {
				notes = append(notes, note{level, box})
				taken = append(taken, rect{box.x0 - 4, box.y0 - 2, box.x1 + 4, box.y1 + 2})
			}
		}
	}
	return notes
}

// placeOn returns a place for a number on a line, if there is one. half is half the number's width.
func placeOn(line []point, half float64, area rect, taken []rect) (box rect, found bool) {
	best := 0.0
	for k := 4; k < len(line)-4; k++ {
		at, before, after := line[k], line[k-4], line[k+4]
		candidate := rect{at.x - half, at.y - 7, at.x + half, at.y + 7}
		if candidate.x0 < area.x0+3 || candidate.x1 > area.x1-3 || candidate.y0 < area.y0+3 || candidate.y1 > area.y1-3 {
			continue
		}
		if slices.ContainsFunc(taken, candidate.meets) {
			continue
		}
		steep := math.Abs(after.y-before.y) / (math.Abs(after.x-before.x) + 0.01)
		if !found || steep < best-0.01 {
			best, box, found = steep, candidate, true
		}
	}
	return box, found
}

const denseStep = 2 // CSS pixels

// dense returns the line with a point at every step.
func dense(line []point) []point {
	points := line[:1:1]
	for i := 1; i < len(line); i++ {
		a, b := line[i-1], line[i]
		n := math.Max(1, math.Round(math.Hypot(b.x-a.x, b.y-a.y)/denseStep))
		for k := 1.0; k <= n; k++ {
			points = append(points, point{a.x + k/n*(b.x-a.x), a.y + k/n*(b.y-a.y)})
		}
	}
	return points
}

// outside returns the parts of a dense line that no number covers.
func outside(line []point, notes []note) [][]point {
	x, y := make([]float64, len(line)), make([]float64, len(line))
	for i, q := range line {
		x[i], y[i] = q.x, q.y
		covers := func(n note) bool { return q.x > n.box.x0 && q.x < n.box.x1 && q.y > n.box.y0 && q.y < n.box.y1 }
		if slices.ContainsFunc(notes, covers) {
			y[i] = math.NaN()
		}
	}
	return pieces(x, y)
}
