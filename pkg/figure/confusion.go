package figure

import (
	"errors"
	"fmt"
	"image/color"
	"math"
	"slices"
	"strconv"
)

// Confusion draws a confusion matrix: counts[i][k] is how many samples of class i were
// taken for class k. A cell's colour is its share of its row, so classes of unequal size
// compare, on a square root scale, so that the rare mistakes show beside the many hits;
// the bar at the side says which colour is which share. The counts are written in the
// cells where they fit. It is good for two classes and for a hundred.
func Confusion(title string, classes []string, counts [][]int, opts ...Option) (*Figure, error) {
	f, err := confusion(title, classes, counts, opts)
	if err != nil {
		return nil, fmt.Errorf("confusion matrix %q: %w", title, err)
	}
	return f, nil
}

// matrix is a confusion matrix laid out.
type matrix struct {
	counts [][]int
	totals []int
	box    rect
	cell   float64
}

func confusion(title string, classes []string, counts [][]int, opts []Option) (*Figure, error) {
	o, err := gather(opts)
	if err != nil {
		return nil, err
	}
	m, err := newMatrix(len(classes), counts)
	if err != nil {
		return nil, err
	}

	classes = slices.Clone(classes)
	text := lettering{size: tickSize, colour: softInk}
	head := newHeader(title, m.summary(), pageWidth)
	n := float64(len(classes))
	left := margin + labelSize*leading + 6 + namesBeside(classes, 1).width + 10
	const barSpace = 96 // for the colour bar and its numbers
	m.cell = math.Floor(min((pageWidth-left-barSpace)/n, 110))
	if m.cell < 2 {
		return nil, fmt.Errorf("%d classes do not fit on a page", len(classes))
	}
	// The block is put in the middle: title and matrix then balance whatever its size.
	left += math.Floor(max(0, pageWidth-left-barSpace-m.cell*n) / 2)
	left = math.Round(left)
	top := math.Round(head.height + 12)
	m.box = rect{left, top, left + n*m.cell, top + n*m.cell}
	columns := namesBelow(classes, m.cell)
	rows := namesBeside(classes, m.cell)
	below := m.box.y1 + 8 + tickSize
	if columns.turned {
		below = m.box.y1 + 8 + columns.width
	}
	labelBase := below + 8 + labelSize
	foot := newFooter(o.caption, pageWidth)
	height := math.Ceil(labelBase + 6 + foot.height)

	draw := func(c *canvas) {
		head.draw(c)
		m.drawCells(c)
		for i := range classes {
			middle := (float64(i) + 0.5) * m.cell
			if i%columns.every == 0 {
				c.line(m.box.x0+middle, m.box.y1, m.box.x0+middle, m.box.y1+4, axisPen())
				columns.write(c, columns.texts[i], m.box.x0+middle, m.box.y1+8)
			}
			if i%rows.every == 0 {
				c.line(m.box.x0-4, m.box.y0+middle, m.box.x0, m.box.y0+middle, axisPen())
				right := text
				right.align = 1
				c.text(rows.texts[i], point{m.box.x0 - 8, m.box.y0 + middle + text.middle()}, right)
			}
		}
		label := lettering{size: labelSize, colour: ink, align: 0.5}
		c.text("predicted class", point{(m.box.x0 + m.box.x1) / 2, labelBase}, label)
		label.turned = true
		c.text("true class", point{m.box.x0 - 8 - rows.width - 12, (m.box.y0 + m.box.y1) / 2}, label)
		m.drawBar(c, text)
		foot.draw(c, height)
	}
	return &Figure{width: pageWidth, height: height, draw: draw}, nil
}

func newMatrix(classes int, counts [][]int) (matrix, error) {
	if classes == 0 {
		return matrix{}, errors.New("no classes")
	}
	if len(counts) != classes {
		return matrix{}, fmt.Errorf("%d rows for %d classes", len(counts), classes)
	}
	m := matrix{counts: make([][]int, classes), totals: make([]int, classes)}
	for i, row := range counts {
		if len(row) != classes {
			return matrix{}, fmt.Errorf("row %d has %d counts for %d classes", i, len(row), classes)
		}
		m.counts[i] = slices.Clone(row)
		for k, n := range row {
			if n < 0 {
				return matrix{}, fmt.Errorf("row %d, column %d: a count of %d", i, k, n)
			}
			m.totals[i] += n
		}
	}
	return m, nil
}

// summary says what a hundred cells cannot: how many samples, and how many of them right.
func (m matrix) summary() string {
	total, right := 0, 0
	for i, n := range m.totals {
		total += n
		right += m.counts[i][i]
	}
	if total == 0 {
		return "no samples"
	}
	return fmt.Sprintf("%s of %s samples correct (%.1f%%)", grouped(right), grouped(total), 100*float64(right)/float64(total))
}

// share is the part of row i that is in column k, 0 for a row without samples.
func (m matrix) share(i, k int) float64 {
	if m.totals[i] == 0 {
		return 0
	}
	return float64(m.counts[i][k]) / float64(m.totals[i])
}

func (m matrix) drawCells(c *canvas) {
	c.fill(m.box, shade(0))
	text := lettering{size: min(tickSize, m.cell/2), align: 0.5}
	widest := 0.0
	for _, row := range m.counts {
		for _, n := range row {
			widest = max(widest, text.width(strconv.Itoa(n)))
		}
	}
	written := text.size >= 9 && widest <= m.cell-3
	for i, row := range m.counts {
		for k, n := range row {
			if n == 0 {
				continue
			}
			x, y := m.box.x0+float64(k)*m.cell, m.box.y0+float64(i)*m.cell
			share := m.share(i, k)
			c.fill(rect{x, y, x + m.cell, y + m.cell}, shade(share))
			if written {
				text.colour = ink
				if share > 0.3 {
					text.colour = white
				}
				text.bold = i == k
				c.text(strconv.Itoa(n), point{x + m.cell/2, y + m.cell/2 + text.middle()}, text)
			}
		}
	}
	if m.cell >= 14 {
		for i := 1; i < len(m.counts); i++ {
			at := float64(i) * m.cell
			c.line(m.box.x0+at, m.box.y0, m.box.x0+at, m.box.y1, stroke{colour: white, width: 1})
			c.line(m.box.x0, m.box.y0+at, m.box.x1, m.box.y0+at, stroke{colour: white, width: 1})
		}
	}
	c.frame(m.box, axisPen())
}

// drawBar draws the scale of the colours to the right of the matrix.
func (m matrix) drawBar(c *canvas, text lettering) {
	height := min(m.box.height(), 300)
	bar := rect{m.box.x1 + 24, m.box.y0, m.box.x1 + 40, m.box.y0 + height}
	const steps = 100
	for i := range steps {
		// From the bottom, each band reaching up to the top: no seams between them.
		part := float64(i) / steps
		c.fill(rect{bar.x0, bar.y0, bar.x1, bar.y1 - part*height}, shade((part+0.5/steps)*(part+0.5/steps)))
	}
	c.frame(bar, axisPen())
	for _, percent := range [...]float64{0, 1, 5, 10, 25, 50, 75, 100} {
		y := bar.y1 - math.Sqrt(percent/100)*height
		c.line(bar.x1, y, bar.x1+4, y, axisPen())
		c.text(fmt.Sprintf("%g%%", percent), point{bar.x1 + 7, y + text.middle()}, text)
	}
	small := lettering{size: noteSize, colour: softInk, align: 0.5, turned: true}
	if height > 140 {
		c.text("share of the true class", point{bar.x0 - 7, bar.y0 + height/2}, small)
	}
}

// shade returns the colour of a share: white, through blue, to a near black. Lightness
// falls all the way, so the order survives a grey print.
func shade(share float64) color.RGBA {
	stops := [...]color.RGBA{
		{0xfa, 0xfb, 0xfd, 255},
		{0xc6, 0xdb, 0xef, 255},
		{0x6b, 0xae, 0xd6, 255},
		{0x21, 0x71, 0xb5, 255},
		{0x08, 0x30, 0x6b, 255},
	}
	at := math.Sqrt(max(0, min(share, 1))) * float64(len(stops)-1)
	i := min(int(at), len(stops)-2)
	return mix(stops[i], stops[i+1], at-float64(i))
}

// grouped writes n with a thin gap after every three digits, as in 10 000.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u00a0" + s[i:]
	}
	return s
}
