package figure

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg/draw"
)

// Confusion draws a confusion matrix: counts[i][k] is the number of samples of class i
// that were predicted as class k. The colour of a cell is its share of its row, so that
// classes of unequal size can be compared. The scale follows the square root, so that rare
// mistakes show beside the many hits. The counts are written into the cells where they
// fit. It suits two classes as well as a hundred.
func Confusion(title string, classes []string, counts [][]int, opts ...Option) (*Figure, error) {
	classes, counts = slices.Clone(classes), clonedRows(counts)
	return drawn(fmt.Sprintf("confusion matrix %q", title), opts, func(o options) (*Figure, error) {
		return confusion(title, classes, counts, o)
	})
}

// matrix is a checked confusion matrix. It is a [plotter.GridXYZ] of the cells' colours.
type matrix struct {
	counts [][]int
	totals []int // of the rows
}

const widestCell = 110 // CSS pixels

// clonedRows returns rows of their own.
func clonedRows[T any](rows [][]T) [][]T {
	rows = slices.Clone(rows)
	for i := range rows {
		rows[i] = slices.Clone(rows[i])
	}
	return rows
}

func confusion(title string, classes []string, counts [][]int, o options) (*Figure, error) {
	m, err := newMatrix(len(classes), counts)
	if err != nil {
		return nil, err
	}
	classes = o.all(classes)
	n := float64(len(classes))
	p := newPlot(o.Text("predicted class"), o.Text("true class"))
	setScale(&p.X, 0.5, n+0.5, false, nil)
	setScale(&p.Y, 0.5, n+0.5, false, nil)
	p.Y.Scale = plot.InvertedScale{Normalizer: plot.LinearScale{}}
	namesBeside(classes, widestCell).label(&p.Y)
	panels := []panel{{Plot: p}}
	head := newHeader(o, title, m.summary(o))
	bar := shareBar(o)
	cell := 0.0
	layOut := func() (bottom float64) {
		return arrange(panels, 1, head.height, pageWidth-bar.room, func(room float64) (width, height float64) {
			cell = math.Floor(min(room/n, widestCell))
			return n * cell, n * cell
		})
	}
	layOut()
	if cell < 2 {
		return nil, fmt.Errorf("%d classes do not fit on a page", len(classes))
	}
	namesBelow(classes, cell).label(&p.X)
	namesBeside(classes, cell).label(&p.Y)
	p.Add(drawFunc(m.drawCells), m.numbers(cell), closedFrame)
	bottom := layOut()
	return head.page(bottom, o, func(c *canvas) {
		panels[0].draw(c)
		axes := panels[0].axes
		bar.draw(c, axes.x1, axes.y0, axes.y0+min(axes.height(), 300))
	}), nil
}

func newMatrix(classes int, counts [][]int) (matrix, error) {
	if classes == 0 {
		return matrix{}, errors.New("no classes")
	}
	if len(counts) != classes {
		return matrix{}, fmt.Errorf("%d rows for %d classes", len(counts), classes)
	}
	m := matrix{counts: counts, totals: make([]int, classes)}
	for i, row := range counts {
		if len(row) != classes {
			return matrix{}, fmt.Errorf("row %d has %d counts for %d classes", i, len(row), classes)
		}
		for k, n := range row {
			if n < 0 {
				return matrix{}, fmt.Errorf("row %d, column %d: count %d is negative", i, k, n)
			}
			m.totals[i] += n
		}
	}
	return m, nil
}

// summary returns the line under the title: how many samples there are and how many are
// predicted correctly.
func (m matrix) summary(o options) string {
	total, right := 0, 0
	for i, n := range m.totals {
		total += n
		right += m.counts[i][i]
	}
	if total == 0 {
		return o.Text("no samples")
	}
	share := float64(right) / float64(total) // first, as the accuracies beside the figure are: 1,191 of 2,000 round to 59.6%
	return fmt.Sprintf(o.Text("%s of %s samples correct (%.1f%%)"), grouped(right), grouped(total), 100*share)
}

// share returns the share of column k in row i, 0 for a row without samples.
func (m matrix) share(i, k int) float64 {
	if m.totals[i] == 0 {
		return 0
	}
	return float64(m.counts[i][k]) / float64(m.totals[i])
}

// Dims implements [plotter.GridXYZ].
func (m matrix) Dims() (columns, rows int) { return len(m.counts), len(m.counts) }

// X implements [plotter.GridXYZ].
func (m matrix) X(column int) float64 { return float64(column + 1) }

// Y implements [plotter.GridXYZ].
func (m matrix) Y(row int) float64 { return float64(row + 1) }

// Z implements [plotter.GridXYZ]. An empty cell is not drawn: a hundred classes have
// thousands.
func (m matrix) Z(column, row int) float64 {
	if m.counts[row][column] == 0 {
		return math.NaN()
	}
	return math.Sqrt(m.share(row, column))
}

// drawCells draws the coloured cells, with gaps between them if they are not tiny.
func (m matrix) drawCells(axes draw.Canvas, p *plot.Plot) {
	c := &canvas{axes}
	colours := blues().Palette(shades)
	c.fill(c.area(), colours.Colors()[0])
	cells := plotter.NewHeatMap(m, colours)
	cells.Min, cells.Max = 0, 1
	cells.Plot(axes, p)
	size := c.area().width()
	cell := size / float64(len(m.counts))
	for i := 1; i < len(m.counts) && cell >= 14; i++ {
		at := float64(i) * cell
		c.line(at, 0, at, size, stroke{colour: white, width: 1})
		c.line(0, at, size, at, stroke{colour: white, width: 1})
	}
}

// numbers returns the counts, written into cells of the given size, or nothing if one of
// them does not fit.
func (m matrix) numbers(cell float64) drawFunc {
	look := lettering{size: min(tickSize, cell/2), align: 0.5}
	var labels plotter.Labels
	fit := look.size >= 9
	for i, row := range m.counts {
		for k, n := range row {
			if n == 0 {
				continue
			}
			look.colour = ink
			if m.share(i, k) > 0.3 {
				look.colour = white
			}
			look.bold = i == k
			style := look.style()
			style.XAlign, style.YAlign = text.XCenter, middleOfDigits
			labels.XYs = append(labels.XYs, plotter.XY{X: m.X(k), Y: m.Y(i)})
			labels.Labels = append(labels.Labels, strconv.Itoa(n))
			labels.TextStyle = append(labels.TextStyle, style)
			fit = fit && look.width(strconv.Itoa(n)) <= cell-3
		}
	}
	if !fit {
		return func(draw.Canvas, *plot.Plot) {}
	}
	return labels.Plot
}

// shareBar returns the scale of the colours.
func shareBar(o options) scaleBar {
	var ticks []plot.Tick
	for _, percent := range [...]float64{0, 1, 5, 10, 25, 50, 75, 100} {
		ticks = append(ticks, plot.Tick{Value: math.Sqrt(percent / 100), Label: fmt.Sprintf("%g%%", percent)})
	}
	return newScaleBar(blues(), o.Text("share of the true class"), ticks)
}

// grouped writes n with a comma between thousands, as in 10,000.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
