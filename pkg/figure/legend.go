package figure

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg/draw"
)

// legend is a legend in a few even columns. gonum draws each column.
type legend struct {
	columns     []plot.Legend
	rows        int
	columnWidth float64
}

// entry is an entry of a legend: a name, and a thumbnail of what it names.
type entry struct {
	name  string
	thumb plot.Thumbnailer
}

// thumbFunc is a function that draws a thumbnail onto all of a canvas.
type thumbFunc func(c *canvas, r rect)

// Thumbnail implements [plot.Thumbnailer].
func (f thumbFunc) Thumbnail(c *draw.Canvas) {
	inside := &canvas{*c}
	f(inside, inside.area())
}

// narrowed is a thumbnail with a gap on its right. gonum's own gap is one space, too narrow
// beside a line.
type narrowed struct{ plot.Thumbnailer }

// Thumbnail implements [plot.Thumbnailer].
func (n narrowed) Thumbnail(c *draw.Canvas) {
	narrow := draw.Crop(*c, 0, -px(thumbGap), 0, 0)
	n.Thumbnailer.Thumbnail(&narrow)
}

const (
	thumbWidth    = 34
	thumbGap      = 4
	legendPadding = 9 // between rows
	columnGap     = 22
)

// newLegend arranges the entries that have a name in columns that fit into width.
func newLegend(entries []entry, width float64) legend {
	text := legendText()
	blank := plot.NewLegend()
	blank.Top, blank.Left = true, true
	blank.TextStyle, blank.ThumbnailWidth = text.style(), px(thumbWidth+thumbGap)
	blank.TextStyle.YAlign = -0.11 // in the middle of the thumbnail
	blank.Padding = px(legendPadding)
	const thumb = thumbWidth + thumbGap
	gap := text.width(" ")

	var named []entry
	widest := 0.0
	for _, e := range entries {
		if e.name != "" {
			e.name = text.fit(e.name, width-thumb-gap)
			named = append(named, e)
			widest = max(widest, text.width(e.name))
		}
	}
	n := len(named)
	if n == 0 {
		return legend{}
	}
	l := legend{columnWidth: thumb + gap + widest + 1}
	columns := max(1, min(n, int((width+columnGap)/(l.columnWidth+columnGap))))
	l.rows = (n + columns - 1) / columns
	columns = (n + l.rows - 1) / l.rows // as even as so many rows allow
	for range columns {
		l.columns = append(l.columns, blank)
	}
	for i, e := range named {
		// Curves often come in pairs. This order keeps a pair in one row or in one column.
		column := i % columns
		if columns%2 == 1 {
			column = i / l.rows
		}
		l.columns[column].Add(e.name, narrowed{e.thumb})
	}
	return l
}

func (l legend) height() float64 {
	if l.rows == 0 {
		return 0
	}
	return pixels(l.columns[0].Rectangle(draw.Canvas{}).Size().Y) + legendPadding
}

// draw draws the legend with its upper left corner at p.
func (l legend) draw(c *canvas, p point) {
	for i, column := range l.columns {
		x := p.x + float64(i)*(l.columnWidth+columnGap)
		column.Draw(c.window(rect{x, p.y, x + l.columnWidth, p.y + l.height()}))
	}
}
