package figure

import "math"

// header is the title of a figure and, below it, a note in smaller type.
type header struct {
	title, note []string
	height      float64
}

// newHeader returns a header. The title is translated, and the note is already.
func newHeader(o options, title, note string) header {
	h := header{
		title: titleText().wrap(o.Text(title), pageWidth-2*margin),
		note:  noteText().wrap(note, pageWidth-2*margin),
	}
	h.height = margin + float64(len(h.title))*titleSize*leading + float64(len(h.note))*noteSize*leading + 4
	return h
}

func (h header) draw(c *canvas) {
	y := float64(margin)
	for _, line := range h.title {
		c.text(line, point{margin, y + titleSize*0.85}, titleText())
		y += titleSize * leading
	}
	for _, line := range h.note {
		c.text(line, point{margin, y + noteSize*0.85}, noteText())
		y += noteSize * leading
	}
}

// footer is the caption below a figure.
type footer struct {
	lines  []string
	height float64
}

func footText() lettering { return lettering{size: noteSize, colour: softInk, italic: true} }

func newFooter(caption string) footer {
	f := footer{lines: footText().wrap(caption, pageWidth-2*margin), height: 14}
	if len(f.lines) > 0 {
		f.height += 4 + float64(len(f.lines))*noteSize*leading
	}
	return f
}

// draw writes the caption at the foot of a page of the given height.
func (f footer) draw(c *canvas, height float64) {
	for i, line := range f.lines {
		up := 14 + float64(len(f.lines)-1-i)*noteSize*leading
		c.text(line, point{margin, height - up}, footText())
	}
}

// page puts a header and a footer around a drawing that ends at bottom.
func (h header) page(bottom float64, o options, draw func(*canvas)) *Figure {
	foot := newFooter(o.Text(o.caption))
	f := &Figure{width: pageWidth, height: math.Ceil(bottom + foot.height)}
	f.draw = func(c *canvas) {
		h.draw(c)
		draw(c)
		foot.draw(c, f.height)
	}
	return f
}
