package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/residual-go/residual/pkg/run"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// reporter draws a bar on a terminal and writes lines elsewhere.
func reporter(w io.Writer, name string) run.Reporter {
	if isTerminal(w) {
		return run.NewBar(w, name)
	}
	return run.NewLog(w)
}

// download returns a function that shows how much of a download is there: a bar on a
// terminal, a line every 10% elsewhere.
func download(w io.Writer) func(done, total int64) {
	var bar *progressbar.ProgressBar
	said := int64(-1)
	return func(done, total int64) {
		if isTerminal(w) {
			if bar == nil {
				bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(w), progressbar.OptionShowBytes(true),
					progressbar.OptionSetDescription("downloading"), progressbar.OptionSetWidth(24), progressbar.OptionClearOnFinish())
			}
			_ = bar.Set64(done) // a terminal's error is no reason to stop
			return
		}
		if total > 0 && done*10/total > said {
			said = done * 10 / total
			fmt.Fprintf(w, "downloaded %d%% of %d MB\n", 10*said, total/1_000_000)
		}
	}
}

// decoded returns a function that shows how many pictures are decoded: a bar on a terminal,
// a line every thousand elsewhere.
func decoded(w io.Writer) func(done, total int) {
	var bar *progressbar.ProgressBar
	return func(done, total int) {
		if isTerminal(w) {
			if bar == nil {
				bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription("decoding"),
					progressbar.OptionShowCount(), progressbar.OptionSetWidth(24), progressbar.OptionThrottle(100*time.Millisecond),
					progressbar.OptionClearOnFinish())
			}
			_ = bar.Set(done) // a terminal's error is no reason to stop
			return
		}
		if done%1000 == 0 {
			fmt.Fprintf(w, "decoded %d of %d pictures\n", done, total)
		}
	}
}
