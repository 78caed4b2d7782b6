package figure

import "math"

// plane is a panel whose axes are both of the data: a map.
type plane struct {
	panel
	y              axis
	xLabel, yLabel string
	numbered       bool    // beside its y axis; the first of a row, and where the axes differ
	top            float64 // of its heading
}

const (
	tallestPlane = 420
	widestRow    = 3 // planes
)

// places puts planes in rows, their legends and headings above them, from top down and
// with room on the right of the page, and returns where the last ends. The unit of x is as
// long as that of y unless that makes them very flat or tall.
func places(planes []plane, top, room float64) (bottom float64) {
	rows := (len(planes) + widestRow - 1) / widestRow
	columns := (len(planes) + rows - 1) / rows
	first := planes[0]
	ratio := (first.y.high - first.y.low) / (first.x.high - first.x.low)
	ratio = max(0.5, min(ratio, 1.4))

	gutter := 0.0
	text := lettering{size: tickSize, colour: softInk}
	for i := range planes {
		p := &planes[i]
		p.y.ticks = linearTicks(p.y.low, p.y.high, 6, false, false)
		p.x.ticks = linearTicks(p.x.low, p.x.high, 5, false, false)
		left := planes[max(0, i-1)]
		p.numbered = i%columns == 0 || p.y.low != left.y.low || p.y.high != left.y.high || p.yLabel != left.yLabel
		gutter = max(gutter, labelSize*leading+6+widestTick(text, p.y.ticks)+8)
	}
	// All columns are spaced alike: one with a gutter makes all have it.
	between := 40.0 // for the last number of a panel and the first of the next
	for i, p := range planes {
		if p.numbered && i%columns != 0 {
			between = gutter + 12
		}
	}
	across := pageWidth - margin - gutter - room - between*float64(columns-1)
	width := math.Floor(min(across/float64(columns), tallestPlane/ratio))
	height := math.Round(width * ratio)
	// A single square stands in the middle of the page.
	left := math.Round(margin + gutter + (across-width*float64(columns))/2)

	for start := 0; start < len(planes); start += columns {
		row := planes[start:min(start+columns, len(planes))]
		headings, legends := 0.0, 0.0
		for i := range row {
			row[i].legend = newLegend(row[i].legend.entries, width)
			legends = max(legends, row[i].legend.height())
			if row[i].heading != "" {
				headings = 24
			}
		}
		for i := range row {
			x := left + float64(i)*(width+between)
			y := math.Round(top + headings + legends + 8)
			row[i].plot = rect{x, y, x + width, y + height}
			row[i].top = top
		}
		top = row[0].plot.y1 + 8 + tickSize + 8 + labelSize + 18
	}
	return top - 12
}

// drawAround draws everything of a plane but what is in it.
func (p plane) drawAround(c *canvas) {
	head := lettering{size: headSize, colour: ink, bold: true}
	c.text(head.fit(p.heading, p.plot.width()), point{p.plot.x0, p.top + headSize}, head)
	p.legend.draw(c, point{p.plot.x0, p.plot.y0 - 8 - p.legend.height()})
	text := lettering{size: tickSize, colour: softInk}
	p.drawXTicks(c, text)
	label := lettering{size: labelSize, colour: ink, align: 0.5}
	c.text(label.fit(p.xLabel, p.plot.width()), point{(p.plot.x0 + p.plot.x1) / 2, p.plot.y1 + 8 + tickSize + 8 + labelSize}, label)
	if p.numbered {
		p.drawYTicks(c, p.y, text)
		label.turned = true
		at := p.plot.x0 - 8 - widestTick(text, p.y.ticks) - 10
		c.text(label.fit(p.yLabel, p.plot.height()), point{at, (p.plot.y0 + p.plot.y1) / 2}, label)
	}
	c.frame(p.plot, axisPen())
}
