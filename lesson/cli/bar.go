package cli

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/rivo/uniseg"
	"golang.org/x/term"

	"github.com/residual-go/residual/lesson/words"
	"github.com/residual-go/residual/pkg/printable"
)

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	file, ok := w.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(file.Fd()))
}

// redraws reports whether w is a terminal on which a line can be drawn again. Elsewhere, and with
// TERM=dumb, progress is shown as lines. Nothing is ever coloured, so NO_COLOR changes nothing.
func redraws(w io.Writer) bool { return isTerminal(w) && os.Getenv("TERM") != "dumb" }

// columns returns the width of the terminal w.
func columns(w io.Writer) int {
	width := 0
	if file, ok := w.(interface{ Fd() uintptr }); ok {
		width, _, _ = term.GetSize(int(file.Fd()))
	}
	return cmp.Or(width, 80) // some terminals do not know their width
}

// eraseLine moves to the start of a terminal's line and erases it.
const eraseLine = "\r\x1b[K"

// clearLine removes what is left on the terminal w of the bar of work that ended early.
func clearLine(w io.Writer) {
	if redraws(w) {
		fmt.Fprint(w, eraseLine)
	}
}

// redraw overwrites the current line of the terminal w with as much of text as fits into it.
func redraw(w io.Writer, text string) {
	// An error would be one of the terminal, and is no reason to stop the work.
	_, _ = fmt.Fprintf(w, "\r%s\x1b[K", cut(text, columns(w)-1)) // in the last column, terminals wrap
}

// bar is a progress bar in one line of a terminal. It is written by hand because those of libraries
// do not shorten their text to the width of the terminal. The zero value with a writer is ready.
type bar struct {
	w        io.Writer
	language words.Language
	started  time.Time
	first    int64     // what was done when the bar started
	drawn    time.Time // zero if nothing is on the terminal
}

// set draws the bar: done of total, which count says in the unit of the work. The texts before the
// bar are in order of importance; the last are left out if the terminal is narrow. A total of 0
// is unknown. The bar disappears when it is full.
func (b *bar) set(done, total int64, count string, texts ...string) {
	const interval = 50 * time.Millisecond
	now := time.Now()
	switch {
	case total > 0 && done >= total:
		b.clear()
		return
	case b.started.IsZero():
		b.started, b.first = now, done
	case now.Sub(b.drawn) < interval:
		return
	}
	b.drawn = now
	left := ""
	if n := done - b.first; n > 0 && total > 0 {
		seconds := now.Sub(b.started).Seconds() * float64(total-done) / float64(n)
		left = b.language.Sprintf("%v left", time.Duration(seconds)*time.Second)
	}
	redraw(b.w, barLine(columns(b.w)-1, done, total, count, left, texts))
}

// clear removes the bar from the terminal. The next one starts anew.
func (b *bar) clear() {
	if !b.drawn.IsZero() {
		fmt.Fprint(b.w, eraseLine)
	}
	*b = bar{w: b.w, language: b.language}
}

// barLine returns the line of a progress bar in at most width columns:
//
//	resnet20, epoch 1/10, loss 1.031  12% |███     | 100/782, 20s left
//
// What matters least is left out first: the count, then the last of the texts, the time that is
// left, and the bar itself.
func barLine(width int, done, total int64, count, left string, texts []string) string {
	const narrowest, widest = 8, 24
	percent := ""
	if total > 0 {
		percent = fmt.Sprintf(" %3d%%", 100*done/total)
	}
	line := cut(printable.Line(texts[0]), max(0, width-len(percent)))
	room := width - uniseg.StringWidth(line) - len(percent)
	fits := func(n int) bool {
		if n > room {
			return false
		}
		room -= n
		return true
	}
	addText := func(texts []string) bool {
		for _, text := range texts {
			if text = ", " + printable.Line(text); !fits(uniseg.StringWidth(text)) {
				return false
			}
			line += text
		}
		return true
	}
	texts = texts[1:]
	all := addText(texts[:min(1, len(texts))])
	cells := 0
	if total > 0 && fits(narrowest+len(" ||")) {
		cells = narrowest
	}
	var tail []string
	showLeft := left != "" && fits(len(", ")+len(left))
	if all && len(texts) > 1 {
		all = addText(texts[1:])
	}
	if all && count != "" && fits(len(", ")+uniseg.StringWidth(count)) {
		tail = append(tail, count)
	}
	if showLeft {
		tail = append(tail, left)
	}
	line += percent
	if cells > 0 {
		cells = min(widest, cells+room)
		full := int(int64(cells) * done / total)
		line += " |" + strings.Repeat("█", full) + strings.Repeat(" ", cells-full) + "|"
	}
	if len(tail) > 0 {
		line += " " + strings.Join(tail, ", ")
	}
	return line
}

// cut returns text shortened to at most width columns, with an ellipsis where something is missing.
func cut(text string, width int) string {
	switch {
	case width <= 0:
		return ""
	case uniseg.StringWidth(text) <= width:
		return text
	}
	var b strings.Builder
	used := 0
	for graphemes := uniseg.NewGraphemes(text); graphemes.Next(); {
		if used += graphemes.Width(); used > width-1 {
			break
		}
		b.WriteString(graphemes.Str())
	}
	return b.String() + "…"
}
