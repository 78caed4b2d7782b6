package figure

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"math"
	"slices"
	"sort"
)

// Surface is a panel of a figure of [Contours]: heights over a rectangle, such as the loss
// around a trained network in two directions.
type Surface struct {
	// Title stands above the panel.
	Title string
	// X and Y are where the heights are given, at least two of each and rising.
	X, Y []float64
	// Z are the heights: Z[iy][ix] is that at X[ix], Y[iy]. Between them the surface is
	// smooth and nowhere higher or lower than the heights around. Around a NaN or an infinity
	// the panel is left white.
	Z [][]float64
}

// Contours draws surfaces seen from above, as in Li et al., "Visualizing the Loss Landscape
// of Neural Nets" (2018): a colour for the height and lines of equal height, with one scale
// for all panels. [LogZ] makes the scale logarithmic, [ZRange] fixes its ends, and
// [AxisLabels] says what the axes are. A star marks the place 0, 0.
func Contours(title string, panels []Surface, opts ...Option) (*Figure, error) {
	f, err := contours(title, panels, opts)
	if err != nil {
		return nil, fmt.Errorf("contours %q: %w", title, err)
	}
	return f, nil
}

// relief is a surface made ready.
type relief struct {
	x, y []float64
	z    [][]float64 // NaN for what has no place on the scale
}

// smoothed returns the relief with more points, and heights as parts of the scale.
func (r relief) smoothed(scale axis) relief {
	var rows [][]float64
	for _, row := range r.z {
		parts := make([]float64, len(row))
		for i, v := range row {
			parts[i] = scale.part(v)
		}
		rows = append(rows, refined(parts))
	}
	fine := relief{x: between(r.x), y: between(r.y)}
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

// refinement is how many steps there are between n values and all their successors:
// enough that lines look smooth.
func refinement(n int) int { return (150 + n - 2) / (n - 1) }

// between returns the values with steps between them.
func between(values []float64) []float64 {
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

// refined returns values at the steps of between, along Catmull and Rom's cubic. It is kept
// between the two values on either side, so that it makes no hill or hollow of its own.
func refined(values []float64) []float64 {
	n := refinement(len(values))
	fine := values[:1:1]
	for i := 1; i < len(values); i++ {
		b, c := values[i-1], values[i]
		a, d := 2*b-c, 2*c-b // straight on where there is no neighbour
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

const barRoom = 98 // for the colour bar and its numbers

func contours(title string, panels []Surface, opts []Option) (*Figure, error) {
	o, err := gather(opts)
	if err != nil {
		return nil, err
	}
	if len(panels) == 0 {
		return nil, errors.New("no surfaces")
	}
	planes := make([]plane, len(panels))
	reliefs := make([]relief, len(panels))
	var span extent
	for i, s := range panels {
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
		planes[i].heading, planes[i].xLabel, planes[i].yLabel = s.Title, o.xLabel, o.yLabel
		planes[i].x = axis{low: s.X[0], high: s.X[len(s.X)-1]}
		planes[i].y = axis{low: s.Y[0], high: s.Y[len(s.Y)-1]}
	}
	if !span.some {
		return nil, errors.New("nothing to draw: no height has a place on the scale")
	}
	if o.zRangeSet {
		span.low, span.high = o.zLow, o.zTop
	} else if span.low == span.high {
		span = span.widened(o.logZ)
	}
	scale := axis{low: span.low, high: span.high, log: o.logZ}
	scale.ticks = levels(scale)

	head := newHeader(title, "", pageWidth)
	bottom := places(planes, head.height, barRoom)
	foot := newFooter(o.caption, pageWidth)
	height := math.Ceil(bottom + foot.height)
	pictures := make([]image.Image, len(planes))
	for i, p := range planes {
		reliefs[i] = reliefs[i].smoothed(scale)
		pictures[i] = reliefs[i].picture(p)
	}
	draw := func(c *canvas) {
		head.draw(c)
		for i, p := range planes {
			c.image(pictures[i], p.plot)
			reliefs[i].drawLines(c, p, scale)
			if origin := p.place(p.y)(point{}); p.holds(origin) {
				c.star(origin, 7, ink)
			}
			p.drawAround(c)
		}
		drawScale(c, planes, scale, o.zLabel)
		foot.draw(c, height)
	}
	return &Figure{width: pageWidth, height: height, draw: draw}, nil
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
			return fmt.Errorf("%s[%d] is %g, want rising numbers", name, i, v)
		}
	}
	return nil
}

// levels returns the heights of the lines, about ten at round values: on a logarithmic
// scale 1, 2 and 5 times the powers of ten where it reaches far.
func levels(scale axis) []tick {
	if !scale.log {
		return linearTicks(scale.low, scale.high, 9, false, false)
	}
	var steps, powers []tick
	for e := math.Floor(math.Log10(scale.low)); e <= math.Log10(scale.high); e++ {
		for _, m := range [...]float64{1, 2, 5} {
			v := m * math.Pow(10, e)
			steps = append(steps, tick{v, shortNumber(v)})
		}
		powers = append(powers, steps[len(steps)-3])
	}
	steps, powers = within(steps, scale.low, scale.high), within(powers, scale.low, scale.high)
	switch {
	case len(steps) < 4:
		return linearTicks(scale.low, scale.high, 9, false, false)
	case len(steps) <= 15:
		return steps
	}
	stride := (len(powers) + 14) / 15
	var kept []tick
	for i := 0; i < len(powers); i += stride {
		kept = append(kept, powers[i])
	}
	return kept
}

// picture returns the surface in colours, white where it has no height.
func (r relief) picture(p plane) image.Image {
	width, height := int(p.plot.width()*dotsPerPixel), int(p.plot.height()*dotsPerPixel)
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	columns := make([]place, width)
	for i := range columns {
		part := (float64(i) + 0.5) / float64(width)
		columns[i] = locate(r.x, p.x.low+part*(p.x.high-p.x.low))
	}
	for k := range height {
		part := 1 - (float64(k)+0.5)/float64(height)
		row := locate(r.y, p.y.low+part*(p.y.high-p.y.low))
		for i, column := range columns {
			img.SetRGBA(i, k, r.colour(column, row))
		}
	}
	return img
}

// place is between two values of an axis: those at index i and i+1, part of the way.
type place struct {
	i    int
	part float64
}

func locate(values []float64, v float64) place {
	i := sort.SearchFloat64s(values, v) - 1
	i = max(0, min(i, len(values)-2))
	return place{i, (v - values[i]) / (values[i+1] - values[i])}
}

// colour returns the colour between four heights. Steps too small to be seen make the
// file half as large.
func (r relief) colour(x, y place) color.RGBA {
	const steps = 128
	low := r.z[y.i][x.i]*(1-x.part) + r.z[y.i][x.i+1]*x.part
	high := r.z[y.i+1][x.i]*(1-x.part) + r.z[y.i+1][x.i+1]*x.part
	v := low*(1-y.part) + high*y.part
	if math.IsNaN(v) {
		return white
	}
	return heat(math.Round(max(0, min(v, 1))*steps) / steps)
}

// drawLines draws the lines of equal height and writes the heights into gaps in them.
func (r relief) drawLines(c *canvas, p plane, scale axis) {
	onPage := p.place(p.y)
	at := func(values []float64, v float64) float64 {
		i := min(int(v), len(values)-2)
		return values[i] + (v-float64(i))*(values[i+1]-values[i])
	}
	lines := make([][][]point, len(scale.ticks))
	for i, level := range scale.ticks {
		for _, line := range isolines(r.z, scale.part(level.value)) {
			for k, q := range line {
				line[k] = onPage(point{at(r.x, q.x), at(r.y, q.y)})
			}
			lines[i] = append(lines[i], dense(line))
		}
	}
	notes := annotate(lines, scale.ticks, p)
	for i, level := range scale.ticks {
		pen := stroke{colour: lineOn(scale.part(level.value)), width: 1.1}
		for _, line := range lines[i] {
			for _, piece := range outside(line, notes) {
				c.polyline(piece, pen)
			}
		}
	}
	for _, n := range notes {
		text := levelText()
		text.colour = lineOn(scale.part(n.level.value))
		c.text(n.level.label, point{(n.box.x0 + n.box.x1) / 2, (n.box.y0+n.box.y1)/2 + text.middle()}, text)
	}
}

// lineOn returns the colour of a line on the colour of its own height.
func lineOn(part float64) color.RGBA {
	if part < 0.6 {
		return mix(heat(part), white, 0.75)
	}
	return mix(heat(part), ink, 0.8)
}

func levelText() lettering { return lettering{size: 11, align: 0.5} }

// note is the number of a level and the area it takes.
type note struct {
	level tick
	box   rect
}

// annotate finds a place for the number of each level, on its longest line where that runs
// most nearly level, clear of the frame, the origin and the other numbers. Levels without
// a good place have none: the colours tell them.
func annotate(lines [][][]point, ticks []tick, p plane) []note {
	const shortest = 70 // line with a number
	origin := p.place(p.y)(point{})
	taken := []rect{{origin.x - 12, origin.y - 12, origin.x + 12, origin.y + 12}}
	var notes []note
	for i, level := range ticks {
		var longest []point
		for _, line := range lines[i] {
			if len(line) > len(longest) {
				longest = line
			}
		}
		if level.label == "" || float64(len(longest))*denseStep < shortest {
			continue
		}
		half := levelText().width(level.label)/2 + 3
		best, found := 0.0, false
		var box rect
		for k := 4; k < len(longest)-4; k++ {
			at, before, after := longest[k], longest[k-4], longest[k+4]
			candidate := rect{at.x - half, at.y - 7, at.x + half, at.y + 7}
			if candidate.x0 < p.plot.x0+3 || candidate.x1 > p.plot.x1-3 || candidate.y0 < p.plot.y0+3 || candidate.y1 > p.plot.y1-3 {
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
		if found {
			notes = append(notes, note{level, box})
			taken = append(taken, rect{box.x0 - 4, box.y0 - 2, box.x1 + 4, box.y1 + 2})
		}
	}
	return notes
}

// meets reports whether two areas have a point in common.
func (r rect) meets(s rect) bool { return r.x0 < s.x1 && s.x0 < r.x1 && r.y0 < s.y1 && s.y0 < r.y1 }

const denseStep = 2 // pixels

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

// outside returns the parts of a dense line that are not under a number.
func outside(line []point, notes []note) [][]point {
	var parts [][]point
	open := false
	for _, q := range line {
		under := func(n note) bool { return q.x > n.box.x0 && q.x < n.box.x1 && q.y > n.box.y0 && q.y < n.box.y1 }
		if slices.ContainsFunc(notes, under) {
			open = false
			continue
		}
		if !open {
			parts, open = append(parts, nil), true
		}
		last := &parts[len(parts)-1]
		*last = append(*last, q)
	}
	return parts
}

// drawScale draws the scale of the colours to the right of the first row.
func drawScale(c *canvas, planes []plane, scale axis, name string) {
	right := 0.0
	for _, p := range planes {
		right = max(right, p.plot.x1)
	}
	bar := rect{right + 18, planes[0].plot.y0, right + 33, planes[0].plot.y1}
	const steps = 128
	for i := range steps {
		// From the bottom, each band reaching up to the top: no seams between them.
		part := float64(i) / steps
		c.fill(rect{bar.x0, bar.y0, bar.x1, bar.y1 - part*bar.height()}, heat(part+0.5/steps))
	}
	c.frame(bar, axisPen())
	text := lettering{size: noteSize, colour: softInk}
	for _, t := range scale.ticks {
		y := bar.y1 - scale.part(t.value)*bar.height()
		c.line(bar.x1, y, bar.x1+4, y, axisPen())
		c.text(t.label, point{bar.x1 + 7, y + text.middle()}, text)
	}
	label := lettering{size: labelSize, colour: ink, align: 0.5, turned: true}
	at := bar.x1 + 7 + widestTick(text, scale.ticks) + 6 + labelSize
	c.text(label.fit(name, bar.height()), point{min(at, pageWidth-6), (bar.y0 + bar.y1) / 2}, label)
}
