package figure

// legend is the names of what a panel shows, in a few even columns.
type legend struct {
	entries    []entry
	columns    int
	rows       int
	entryWidth float64
}

// entry is a line of a legend: a name and how to draw what it stands for.
type entry struct {
	name   string
	swatch func(c *canvas, r rect)
}

const (
	swatchWidth  = 34
	swatchHeight = 13
	swatchGap    = 8
	legendGap    = 22
	legendHeight = 21 // of a row
)

func legendText() lettering { return lettering{size: legendSize, colour: ink} }

// newLegend lays out the entries that have a name.
func newLegend(entries []entry, width float64) legend {
	var l legend
	widest := 0.0
	for _, e := range entries {
		if e.name != "" {
			l.entries = append(l.entries, e)
			widest = max(widest, legendText().width(e.name))
		}
	}
	n := len(l.entries)
	if n == 0 {
		return l
	}
	l.entryWidth = min(swatchWidth+swatchGap+widest+1, width)
	l.columns = max(1, min(n, int((width+legendGap)/(l.entryWidth+legendGap))))
	l.rows = (n + l.columns - 1) / l.columns
	l.columns = (n + l.rows - 1) / l.rows // as even as so many rows allow
	return l
}

func (l legend) height() float64 { return float64(l.rows) * legendHeight }

// draw writes the legend with its top left corner at p.
func (l legend) draw(c *canvas, p point) {
	for i, e := range l.entries {
		// Curves mostly come in pairs. This order keeps a pair in one row or in one column.
		column, row := i%l.columns, i/l.columns
		if l.columns%2 == 1 {
			column, row = i/l.rows, i%l.rows
		}
		x := p.x + float64(column)*(l.entryWidth+legendGap)
		y := p.y + (float64(row)+0.5)*legendHeight
		e.swatch(c, rect{x, y - swatchHeight/2, x + swatchWidth, y + swatchHeight/2})
		text := legendText()
		name := text.fit(e.name, l.entryWidth-swatchWidth-swatchGap)
		c.text(name, point{x + swatchWidth + swatchGap, y + text.middle()}, text)
	}
}

func (p panel) entries() []entry {
	var entries []entry
	for _, t := range p.traces {
		entries = append(entries, entry{t.name, t.drawSwatch})
	}
	return entries
}

func (t trace) drawSwatch(c *canvas, r rect) {
	y := (r.y0 + r.y1) / 2
	c.line(r.x0, y, r.x1, y, t.pen)
	if t.marked {
		c.marker(t.marker, point{(r.x0 + r.x1) / 2, y}, 3.6, t.pen.colour)
	}
}
