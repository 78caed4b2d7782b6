// Package aligned lines up text on a terminal, where a Chinese character is two columns wide. It
// does for such text what text/tabwriter, which counts characters, does for others.
package aligned

import (
	"io"
	"strings"

	"github.com/rivo/uniseg"
)

// Width returns how many columns a text takes on a terminal.
func Width(text string) int { return uniseg.StringWidth(text) }

// Pad returns a text followed by spaces, so that it takes at least width columns.
func Pad(text string, width int) string { return text + gap(text, width) }

func gap(text string, width int) string { return strings.Repeat(" ", max(0, width-Width(text))) }

// Table aligns the cells of what is written to it. As with a [text/tabwriter.Writer], a tab ends a
// cell, and text behind the last tab of a line belongs to no column. A column goes through all
// lines.
type Table struct {
	w     io.Writer
	space int
	right bool
	text  strings.Builder
}

// Left returns a table for w whose cells are aligned on the left, with at least space columns after
// each.
func Left(w io.Writer, space int) *Table { return &Table{w: w, space: space} }

// Right returns a table for w whose cells are aligned on the right, with at least space columns
// before each.
func Right(w io.Writer, space int) *Table { return &Table{w: w, space: space, right: true} }

// Write adds to the table. It never fails.
func (t *Table) Write(p []byte) (int, error) { return t.text.Write(p) }

// Flush writes the table and makes it empty.
func (t *Table) Flush() error {
	var rows [][]string
	var widths []int
	for line := range strings.Lines(t.text.String()) {
		cells := strings.Split(line, "\t")
		rows = append(rows, cells)
		for i, cell := range cells[:len(cells)-1] {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], Width(cell)+t.space)
		}
	}
	t.text.Reset()
	var out strings.Builder
	for _, cells := range rows {
		last := len(cells) - 1
		for i, cell := range cells[:last] {
			if t.right {
				out.WriteString(gap(cell, widths[i]) + cell)
			} else {
				out.WriteString(Pad(cell, widths[i]))
			}
		}
		out.WriteString(cells[last])
	}
	_, err := io.WriteString(t.w, out.String())
	return err
}
