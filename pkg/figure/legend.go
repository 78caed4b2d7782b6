package figure

// legend is the names of the traces of a panel in a few even columns.
type legend struct {
	entries    []trace
	columns    int
	rows       int
	entryWidth float64
}

const (
	swatchWidth  = 34
	swatchGap    = 8
	legendGap    = 22
	legendHeight = 21 // of a row
)

func legendText() lettering { return lettering{size: legendSize, colour: ink} }

func newLegend(traces []trace, width float64) legend {
	var l legend
	widest := 0.0
	for _, t := range traces {
		if t.name != "" {
			l.entries = append(l.entries, t)
			widest = max(widest, legendText().width(t.name))
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
	for i, t := range l.entries {
		// Curves mostly come in pairs. This order keeps a pair in one row or in one column.
		column, row := i%l.columns, i/l.columns
		if l.columns%2 == 1 {
			column, row = i/l.rows, i%l.rows
		}
		x := p.x + float64(column)*(l.entryWidth+legendGap)
		y := p.y + (float64(row)+0.5)*legendHeight
		c.line(x, y, x+swatchWidth, y, t.pen)
		if t.marked {
			c.marker(t.marker, point{x + swatchWidth/2, y}, 3.6, t.pen.colour)
		}
		text := legendText()
		name := text.fit(t.name, l.entryWidth-swatchWidth-swatchGap)
		c.text(name, point{x + swatchWidth + swatchGap, y + text.middle()}, text)
	}
}
