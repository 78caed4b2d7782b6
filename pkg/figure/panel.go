package figure

import (
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// panel is a plot in a figure, with a heading and a legend above it.
type panel struct {
	*plot.Plot
	heading  string
	entries  []entry // of the legend
	headroom float64 // between legend and axes, for values of bars

	legend legend
	axes   rect    // the area inside the axes
	top    float64 // of the heading
}

const (
	plotHeight    = 340
	panelGap      = 24
	rowGap        = 20
	headingHeight = 24
	legendSpace   = 8 // between legend and axes
)

// newPlot returns a plot in the style of the package. gonum draws its ticks and labels;
// the lines of its axes are drawn over the data, by [openFrame] or [closedFrame].
func newPlot(xLabel, yLabel string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	p.X.Label.Text, p.Y.Label.Text = clean(xLabel), clean(yLabel)
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Width, a.Padding = 0, 0
		a.Label.TextStyle = labelText().style()
		a.Tick.LineStyle, a.Tick.Length = axisPen().lineStyle(), px(5)
	}
	p.X.Label.Padding, p.Y.Label.Padding = px(9), px(6)
	p.X.Tick.Label, p.Y.Tick.Label = belowAxis(tickText()), besideAxis(tickText())
	return p
}

// setScale sets the range, the scale and the ticks of an axis.
func setScale(a *plot.Axis, low, high float64, log bool, ticks []plot.Tick) {
	a.Min, a.Max, a.Scale = low, high, plot.LinearScale{}
	if log {
		a.Scale = plot.LogScale{}
	}
	a.Tick.Marker = plot.ConstantTicks(ticks)
}

// arrange lays out panels of equal size in rows, from top down, between the left margin of
// the page and the given right edge. size returns the width and height of a panel's axes,
// given the width available; a row narrower than the page is centred. arrange returns
// where the last row ends.
func arrange(panels []panel, columns int, top, right float64, size func(room float64) (width, height float64)) (bottom float64) {
	rows := (len(panels) + columns - 1) / columns
	grid := make([][]*plot.Plot, rows)
	for i := range grid {
		grid[i] = make([]*plot.Plot, columns)
	}
	for i, p := range panels {
		grid[i/columns][i%columns] = p.Plot
	}

	// The first try, on a page of any height, finds the room that axes have beside and above
	// their labels. A label wider than its axis would take some of it. So would a long label
	// beside a logarithmic axis: gonum lays it out around the mean of the range, which is near
	// the top there, but draws it in the middle. Short labels take the same room across.
	type labels struct{ x, y string }
	texts := make([]labels, len(panels))
	for i, p := range panels {
		texts[i] = labels{p.X.Label.Text, p.Y.Label.Text}
		for _, label := range []*string{&p.X.Label.Text, &p.Y.Label.Text} {
			if *label != "" {
				*label = "x"
			}
		}
	}
	tiles := draw.Tiles{Rows: rows, Cols: columns, PadX: px(panelGap)}
	page := draw.Canvas{Rectangle: vg.Rectangle{
		Min: vg.Point{X: px(margin), Y: -px(float64(rows) * 1000)},
		Max: vg.Point{X: px(right)},
	}}
	first := area(panels[0].DataCanvas(plot.Align(grid, tiles, page)[0][0]))
	width, height := size(first.width())
	// The second try is on a page of the right size.
	above := spaceAbove(panels, width)
	pad := max(0, above-first.y0) // the upper half of the topmost number takes no extra room
	around := -pixels(page.Min.Y) - float64(rows)*first.height()
	bottom = top + around + float64(rows)*(pad+height) + float64(rows-1)*rowGap
	spare := px(math.Floor(float64(columns) * (first.width() - width) / 2))
	page.Min.X, page.Max.X = page.Min.X+spare, page.Max.X-spare
	page.Min.Y, page.Max.Y = -px(bottom), -px(top)
	tiles.PadTop, tiles.PadY = px(pad), px(pad+rowGap)
	canvases := plot.Align(grid, tiles, page)
	for i := range panels {
		p := &panels[i]
		at := area(p.DataCanvas(canvases[i/columns][i%columns]))
		x, y := math.Round(at.x0), math.Round(at.y0) // between pixels, lines and cells would blur
		p.axes = rect{x, y, x + width, y + height}
		p.top = y - above
		p.X.Label.Text = labelText().fit(texts[i].x, width)
		p.Y.Label.Text = labelText().fit(texts[i].y, height)
	}
	return bottom
}

// spaceAbove makes the legends of panels of the given width, and returns the space that
// headings and legends take above the axes.
func spaceAbove(panels []panel, width float64) float64 {
	legends, headings := 0.0, 0.0
	for i := range panels {
		p := &panels[i]
		p.legend = newLegend(p.entries, width)
		legends = max(legends, p.legend.height()+p.headroom)
		if p.heading != "" {
			headings = headingHeight
		}
	}
	return headings + legends + legendSpace
}

// arrangePlanes arranges panels that show a plane, at most three in a row. A unit of x is as
// long as a unit of y unless that would make the panels very flat or tall. Panels with
// equal y axes in one row share the numbers of the first.
func arrangePlanes(panels []panel, top, right float64) (bottom float64) {
	const tallest, widestRow = 420, 3
	rows := (len(panels) + widestRow - 1) / widestRow
	columns := (len(panels) + rows - 1) / rows
	for i := len(panels) - 1; i > 0; i-- {
		y, left := &panels[i].Y, panels[i-1].Y
		if i%columns != 0 && y.Min == left.Min && y.Max == left.Max && y.Label.Text == left.Label.Text {
			panels[i].HideY()
			y.Label.Text = ""
		}
	}
	first := panels[0]
	ratio := max(0.5, min((first.Y.Max-first.Y.Min)/(first.X.Max-first.X.Min), 1.4))
	return arrange(panels, columns, top, right, func(room float64) (width, height float64) {
		width = math.Floor(min(room, tallest/ratio))
		return width, math.Round(width * ratio)
	})
}

// area returns the area of a canvas in CSS pixels from gonum's origin, y pointing down.
func area(c draw.Canvas) rect {
	return rect{pixels(c.Min.X), -pixels(c.Max.Y), pixels(c.Max.X), -pixels(c.Min.Y)}
}

// draw draws the panel where arrange put it.
func (p panel) draw(c *canvas) {
	c.text(headText().fit(p.heading, p.axes.width()), point{p.axes.x0, p.top + headSize}, headText())
	p.legend.draw(c, point{p.axes.x0, p.axes.y0 - p.headroom - legendSpace - p.legend.height()})
	c.plot(p.Plot, p.axes)
}

// plot draws p so that its axes enclose r. gonum derives the axes from a canvas around
// them, so the canvas is found by iteration.
func (c *canvas) plot(p *plot.Plot, r rect) {
	want := c.window(r)
	outer := draw.Crop(want, -px(200), px(200), -px(200), px(200))
	for range 60 {
		got := p.DataCanvas(outer)
		low, high := want.Min.Sub(got.Min), want.Max.Sub(got.Max)
		outer.Min, outer.Max = outer.Min.Add(low), outer.Max.Add(high)
		if max(math.Abs(float64(high.X)), math.Abs(float64(high.Y))) < 1e-9 {
			break
		}
	}
	p.Draw(outer)
}

// places converts points in the units of p's axes to points of c, the canvas inside the
// axes.
func places(c draw.Canvas, p *plot.Plot, points []point) []vg.Point {
	x, y := p.Transforms(&c)
	all := make([]vg.Point, len(points))
	for i, q := range points {
		all[i] = vg.Point{X: x(q.x), Y: y(q.y)}
	}
	return all
}

// onto returns a function that converts a point in the units of p's axes to a place on c,
// the canvas inside the axes.
func (c *canvas) onto(p *plot.Plot) func(point) point {
	all := c.area()
	return func(q point) point {
		return point{p.X.Norm(q.x) * all.width(), (1 - p.Y.Norm(q.y)) * all.height()}
	}
}

// drawFunc is a function that draws inside the axes of a plot.
type drawFunc func(c draw.Canvas, p *plot.Plot)

// Plot implements [plot.Plotter].
func (f drawFunc) Plot(c draw.Canvas, p *plot.Plot) { f(c, p) }

// grid draws horizontal lines at the ticks, fainter at ticks without a number. plotter.Grid
// draws none at such ticks, and none for an axis shared with a neighbour.
func grid(ticker plot.Ticker) drawFunc {
	return func(c draw.Canvas, p *plot.Plot) {
		for _, minor := range []bool{true, false} {
			pen := stroke{colour: gridInk, width: 1}
			if minor {
				pen.colour = faintGrid
			}
			for _, t := range ticker.Ticks(p.Y.Min, p.Y.Max) {
				if y := c.Y(p.Y.Norm(t.Value)); t.IsMinor() == minor {
					c.StrokeLine2(pen.lineStyle(), c.Min.X, y, c.Max.X, y)
				}
			}
		}
	}
}

// openFrame draws the x and y axes and leaves the other two sides open.
var openFrame drawFunc = func(c draw.Canvas, _ *plot.Plot) {
	c.StrokeLines(axisPen().lineStyle(), []vg.Point{{X: c.Min.X, Y: c.Max.Y}, c.Min, {X: c.Max.X, Y: c.Min.Y}})
}

// closedFrame draws a frame around the axes.
var closedFrame drawFunc = func(c draw.Canvas, _ *plot.Plot) {
	inside := &canvas{c}
	inside.frame(inside.area(), axisPen())
}
