package cli

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/residual-go/residual/pkg/printable"
	"github.com/residual-go/residual/pkg/run"
)

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// newBar returns a progress bar that disappears when it is full.
func newBar(w io.Writer, total int64, description string, options ...progressbar.Option) *progressbar.ProgressBar {
	return progressbar.NewOptions64(total, append([]progressbar.Option{
		progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(description), progressbar.OptionSetWidth(24),
		progressbar.OptionShowCount(), progressbar.OptionClearOnFinish(),
	}, options...)...)
}

// reporter shows the progress of training or evaluation: a bar on a terminal, lines elsewhere.
func reporter(w io.Writer, network string) run.Reporter {
	if isTerminal(w) {
		return run.NewBar(w, network)
	}
	return run.NewLog(w)
}

// download returns a callback that shows the progress of a download: a bar on a terminal, a
// line every 10% elsewhere.
func download(w io.Writer) func(done, total int64) {
	var bar *progressbar.ProgressBar
	printed := int64(-1)
	return func(done, total int64) {
		if isTerminal(w) {
			if bar == nil {
				bar = newBar(w, total, "downloading", progressbar.OptionShowBytes(true))
			}
			_ = bar.Set64(done) // an error of the terminal is no reason to stop
			return
		}
		if total > 0 && done*10/total > printed {
			printed = done * 10 / total
			fmt.Fprintf(w, "downloaded %d%% of %d MB\n", 10*printed, total/1_000_000)
		}
	}
}

// decoded returns a callback that shows the progress of decoding images: a bar on a terminal,
// a line for every thousand elsewhere.
func decoded(w io.Writer) func(done, total int) {
	var bar *progressbar.ProgressBar
	return func(done, total int) {
		if isTerminal(w) {
			if bar == nil {
				bar = newBar(w, int64(total), "decoding", progressbar.OptionThrottle(100*time.Millisecond))
			}
			_ = bar.Set(done)
			return
		}
		if done%1000 == 0 {
			fmt.Fprintf(w, "decoded %d of %d images\n", done, total)
		}
	}
}

// grading returns a callback that shows the progress of the grader: a bar on a terminal, lines
// elsewhere.
func grading(w io.Writer) func(done, total int, what string) {
	if !isTerminal(w) {
		return func(done, total int, what string) { fmt.Fprintf(w, "[%d/%d] %s\n", done, total, what) }
	}
	var bar *progressbar.ProgressBar
	return func(done, total int, what string) {
		if bar == nil {
			bar = newBar(w, int64(total), what)
		}
		bar.Describe(what)
		_ = bar.Set(done)
	}
}

// installing is a writer for the output of go-xla's installer. On a terminal it shows one line
// that changes; elsewhere it prints completed steps, and the progress now and then.
type installing struct {
	w        io.Writer
	terminal bool
	line     []byte    // the current line so far
	printed  time.Time // when a line was last printed
}

func newInstalling(w io.Writer) *installing { return &installing{w: w, terminal: isTerminal(w)} }

// control matches a terminal's control sequences.
var control = regexp.MustCompile("\x1b(?:\\[[0-9;?]*[A-Za-z]|[0-9])")

// Write takes a piece of the installer's output. It never fails.
func (i *installing) Write(piece []byte) (int, error) {
	for _, b := range piece {
		if b != '\r' && b != '\n' {
			i.line = append(i.line, b)
			continue
		}
		i.show(printable.Escape(strings.TrimSpace(control.ReplaceAllString(string(i.line), ""))), b == '\n')
		i.line = i.line[:0]
	}
	return len(piece), nil
}

// show prints a line. A line that is not done, such as a spinner, will be overwritten.
func (i *installing) show(text string, done bool) {
	const interval = 10 * time.Second // between lines about the same download
	switch {
	case text == "":
	case i.terminal && done:
		fmt.Fprintf(i.w, "\r%s\x1b[K\n", text)
	case i.terminal:
		fmt.Fprintf(i.w, "\r%s\x1b[K", text)
	case done || time.Since(i.printed) > interval:
		i.printed = time.Now()
		fmt.Fprintln(i.w, text)
	}
}

// end clears the changing line.
func (i *installing) end() {
	if i.terminal {
		fmt.Fprint(i.w, "\r\x1b[K")
	}
}
