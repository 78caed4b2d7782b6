package figure

import (
	"errors"
	"math"
)

// chart is a figure of curves: one panel, or several side by side with one y axis.
type chart struct {
	title, xLabel, yLabel string
	panels                []panel
	categories            []string // names of x = 1, 2, 3 … instead of numbers
	markers               bool     // on every curve, whatever its style
	stairs                bool
}

type panel struct {
	heading string
	curves  []Curve

	traces []trace
	legend legend
	plot   rect
	x      axis
}

const (
	panelGap   = 32
	rightEdge  = 30 // wider than the margin: the last tick's number hangs over
	plotHeight = 340
)

func (ch chart) figure(opts []Option) (*Figure, error) {
	o, err := gather(opts)
	if err != nil {
		return nil, err
	}
	y, err := ch.prepare(o)
	if err != nil {
		return nil, err
	}
	tickText := lettering{size: tickSize, colour: softInk}

	// From top to bottom, then from left to right.
	head := newHeader(ch.title, "", pageWidth)
	top := head.height
	legends := 0.0
	y.ticks = ch.yTicks(y, o)
	left := margin + labelSize*leading + 6 + widestTick(tickText, y.ticks) + 8
	width := (pageWidth - rightEdge - left - panelGap*float64(len(ch.panels)-1)) / float64(len(ch.panels))
	width = math.Floor(width)
	for i := range ch.panels {
		p := &ch.panels[i]
		p.plot.x0 = math.Round(left) + float64(i)*(width+panelGap)
		p.plot.x1 = p.plot.x0 + width
		p.legend = newLegend(p.entries(), width)
		legends = max(legends, p.legend.height())
	}
	headings := 0.0
	if ch.panels[0].heading != "" {
		headings = 24
	}
	plotTop := top + headings + legends + 10
	plotBottom := plotTop + plotHeight
	names := ch.categoryNames(width)
	tickBottom := plotBottom + 8 + tickSize
	if names.turned {
		tickBottom = plotBottom + 8 + names.width
	}
	xLabelBase := tickBottom + 8 + labelSize
	foot := newFooter(o.caption, pageWidth)
	height := math.Ceil(xLabelBase + 6 + foot.height)
	for i := range ch.panels {
		p := &ch.panels[i]
		p.plot.y0, p.plot.y1 = plotTop, plotBottom
		ch.fixX(p, width, o.logX)
	}

	draw := func(c *canvas) {
		head.draw(c)
		for i, p := range ch.panels {
			c.text(p.heading, point{p.plot.x0, top + headSize}, lettering{size: headSize, colour: ink, bold: true})
			p.legend.draw(c, point{p.plot.x0, top + headings})
			p.drawGrid(c, y)
			if i == 0 {
				p.drawYTicks(c, y, tickText)
			}
			if ch.categories == nil {
				p.drawXTicks(c, tickText)
			} else {
				names.draw(c, p)
			}
			for _, t := range p.traces {
				p.drawRaw(c, t, y, ch)
			}
			for _, t := range p.traces {
				p.drawTrace(c, t, y, ch)
			}
			p.drawFrame(c)
			label := lettering{size: labelSize, colour: ink, align: 0.5}
			c.text(label.fit(ch.xLabel, p.plot.width()), point{(p.plot.x0 + p.plot.x1) / 2, xLabelBase}, label)
		}
		label := lettering{size: labelSize, colour: ink, align: 0.5, turned: true}
		c.text(label.fit(ch.yLabel, plotHeight), point{margin + labelSize, (plotTop + plotBottom) / 2}, label)
		foot.draw(c, height)
	}
	return &Figure{width: pageWidth, height: height, draw: draw}, nil
}

// prepare checks the curves of all panels and finds the y axis that holds them.
func (ch chart) prepare(o options) (axis, error) {
	var y extent
	for i := range ch.panels {
		p := &ch.panels[i]
		for k, c := range p.curves {
			t, err := c.trace(k, o.logX && ch.categories == nil, o.logY)
			if err != nil {
				return axis{}, err
			}
			t.marked = t.marked || ch.markers
			empty := true
			for _, v := range t.y {
				if !math.IsNaN(v) {
					y.include(v)
					empty = false
				}
			}
			if empty && t.name != "" {
				t.name += " (nothing to draw)" // a run that diverged at once, say
			}
			p.traces = append(p.traces, t)
		}
	}
	if !y.some {
		if o.logY {
			return axis{}, errors.New("nothing to draw: no curve has a finite value above 0")
		}
		if o.logX {
			return axis{}, errors.New("nothing to draw: no curve has a finite value at an x above 0")
		}
		return axis{}, errors.New("nothing to draw: no curve has a finite value")
	}
	y = y.widened(o.logY)
	if o.rangeSet {
		y.low, y.high = o.yLow, o.yTop
	}
	return axis{low: y.low, high: y.high, log: o.logY}, nil
}

func (ch chart) yTicks(y axis, o options) []tick {
	if o.logY {
		return logTicks(y.low, y.high, plotHeight/45, o.percent)
	}
	return linearTicks(y.low, y.high, plotHeight/55, false, o.percent)
}

// fixX finds the x axis of a panel. It ends where the data ends: time does not go on
// beyond the run. A logarithmic axis is for other things than time, and has room at its
// ends.
func (ch chart) fixX(p *panel, width float64, log bool) {
	if ch.categories != nil {
		p.x = axis{low: 0.5, high: float64(len(ch.categories)) + 0.5}
		return
	}
	var x extent
	whole := true
	for _, t := range p.traces {
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
	p.x = axis{low: x.low, high: x.high, log: log}
	if log {
		p.x.ticks = fullLogTicks(x.low, x.high, width)
		return
	}
	p.x.ticks = linearTicks(x.low, x.high, int(width/80), whole, false)
}

func (p panel) place(y axis) func(point) point {
	return func(q point) point {
		return point{
			p.plot.x0 + p.x.part(q.x)*p.plot.width(),
			p.plot.y1 - y.part(q.y)*p.plot.height(),
		}
	}
}

// drawRaw draws the faint line behind a smoothed one. All of them come first: no raw
// line hides a smoothed one.
func (p panel) drawRaw(c *canvas, t trace, y axis, ch chart) {
	if t.smooth == nil {
		return
	}
	pen := stroke{colour: mix(t.pen.colour, white, 0.68), width: 1}
	p.drawLine(c, t, t.y, pen, y, ch)
}

func (p panel) drawTrace(c *canvas, t trace, y axis, ch chart) {
	values := t.y
	if t.smooth != nil {
		values = t.smooth
	}
	p.drawLine(c, t, values, t.pen, y, ch)
	if !t.marked {
		return
	}
	radius := 3.6
	if len(ch.categories) > 40 {
		radius = 2.4
	}
	for _, piece := range pieces(t.x, values) {
		for _, q := range piece {
			p.drawMarker(c, t.marker, p.place(y)(q), radius, t.pen)
		}
	}
}

func (p panel) drawLine(c *canvas, t trace, values []float64, pen stroke, y axis, ch chart) {
	for _, piece := range pieces(t.x, values) {
		if len(piece) == 1 {
			// A point between two gaps, or the first epoch of a run, would not show.
			p.drawMarker(c, 0, p.place(y)(piece[0]), pen.width+1, pen)
			continue
		}
		if ch.stairs {
			piece = stairs(piece)
		}
		for i, q := range piece {
			piece[i] = p.place(y)(q)
		}
		c.clipped(thinned(piece), pen, p.plot)
	}
}

// drawMarker draws a marker unless its point is outside of the axes.
func (p panel) drawMarker(c *canvas, shape int, q point, radius float64, pen stroke) {
	if p.holds(q) {
		c.marker(shape, q, radius, pen.colour)
	}
}

// holds reports whether a place on the page is within the axes.
func (p panel) holds(q point) bool {
	const slack = 0.01
	return q.x >= p.plot.x0-slack && q.x <= p.plot.x1+slack && q.y >= p.plot.y0-slack && q.y <= p.plot.y1+slack
}

func (p panel) drawGrid(c *canvas, y axis) {
	for _, major := range [...]bool{false, true} {
		pen := stroke{colour: faintGrid, width: 1}
		if major {
			pen.colour = gridInk
		}
		for _, t := range y.ticks {
			if (t.label != "") == major {
				at := p.plot.y1 - y.part(t.value)*p.plot.height()
				c.line(p.plot.x0, at, p.plot.x1, at, pen)
			}
		}
	}
}

// drawFrame draws the x and y axis and leaves the other two sides open.
func (p panel) drawFrame(c *canvas) {
	c.polyline([]point{{p.plot.x0, p.plot.y0}, {p.plot.x0, p.plot.y1}, {p.plot.x1, p.plot.y1}}, axisPen())
}

func axisPen() stroke { return stroke{colour: softInk, width: 1} }

func (p panel) drawYTicks(c *canvas, y axis, text lettering) {
	text.align = 1
	for _, t := range y.ticks {
		at := p.plot.y1 - y.part(t.value)*p.plot.height()
		if t.label != "" {
			c.line(p.plot.x0-5, at, p.plot.x0, at, axisPen())
			c.text(t.label, point{p.plot.x0 - 8, at + text.middle()}, text)
		}
	}
}

func (p panel) drawXTicks(c *canvas, text lettering) {
	text.align = 0.5
	for _, t := range p.x.ticks {
		at := p.plot.x0 + p.x.part(t.value)*p.plot.width()
		length := 5.0
		if t.label == "" {
			length = 3
		}
		c.line(at, p.plot.y1, at, p.plot.y1+length, axisPen())
		c.text(t.label, point{at, p.plot.y1 + 8 + text.size*0.9}, text)
	}
}

func widestTick(text lettering, ticks []tick) (widest float64) {
	for _, t := range ticks {
		widest = max(widest, text.width(t.label))
	}
	return widest
}
