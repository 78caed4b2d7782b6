package cli

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/residual-go/residual/lesson/words"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/printable"
	"github.com/residual-go/residual/pkg/run"
)

// reporter shows the progress of training or evaluation: a bar on a terminal, lines elsewhere.
func reporter(l words.Language, w io.Writer, network string) run.Reporter {
	if redraws(w) {
		return &barReporter{bar: bar{w: w, language: l}, network: network}
	}
	return logReporter{w, l}
}

// logReporter writes lines, for files and pipes:
//
//	Epoch [1/10], Step [100/782], Loss: 1.0319
//
// Those of the training are English in every language: programs read them, and so do the answers to
// the exercise gap.
type logReporter struct {
	w        io.Writer
	language words.Language // of notes
}

func (logReporter) Step(run.Metrics) {}

func (l logReporter) Line(m run.Metrics) {
	fmt.Fprintf(l.w, "Epoch [%d/%d], Step [%d/%d], Loss: %.4f\n", m.Epoch, m.Epochs, m.StepInEpoch, m.StepsPerEpoch, m.Loss)
}

func (logReporter) Evaluating(int, int) {}

func (l logReporter) Epoch(m run.Metrics) { fmt.Fprintln(l.w, epochSummary(words.English, m)) }

func (l logReporter) Note(text string) { fmt.Fprintln(l.w, l.language.Error(text)) }

func epochSummary(l words.Language, m run.Metrics) string {
	text := l.Sprintf("Epoch [%d/%d] done: train loss %.4f, train accuracy %.2f%%", m.Epoch, m.Epochs, m.Loss, 100*m.Accuracy)
	if m.TestTop1 != nil {
		split := l.Text(string(cmp.Or(m.TestSplit, dataset.Test)))
		text += l.Sprintf(", %s loss %.4f, %s accuracy %.2f%% of %d images", split, *m.TestLoss, split, 100**m.TestTop1, m.TestImages)
	}
	return text + l.Sprintf(" (%.0f images/s)", m.ImagesPerSecond)
}

// barReporter draws a bar for every epoch and every evaluation on a terminal, and writes a line
// after every epoch.
type barReporter struct {
	bar     bar
	network string
}

func (b *barReporter) Step(m run.Metrics) {
	l := b.bar.language
	b.bar.set(int64(m.StepInEpoch), int64(m.StepsPerEpoch), fmt.Sprintf("%d/%d", m.StepInEpoch, m.StepsPerEpoch), b.network,
		l.Sprintf("epoch %d/%d", m.Epoch, m.Epochs), l.Sprintf("loss %.3f", m.Loss), l.Sprintf("%.0f images/s", m.ImagesPerSecond))
}

func (b *barReporter) Evaluating(done, total int) {
	b.bar.set(int64(done), int64(total), fmt.Sprintf("%d/%d", done, total), b.network, b.bar.language.Text("evaluating"))
}

func (b *barReporter) Line(run.Metrics) {}

func (b *barReporter) Epoch(m run.Metrics) {
	b.bar.clear()
	fmt.Fprintln(b.bar.w, epochSummary(b.bar.language, m))
}

func (b *barReporter) Note(text string) {
	b.bar.clear()
	fmt.Fprintln(b.bar.w, b.bar.language.Error(text))
}

// downloading returns a callback that shows the progress of a download: a bar on a terminal, a
// line every 10% elsewhere.
func downloading(l words.Language, w io.Writer) func(done, total int64) {
	if redraws(w) {
		b := &bar{w: w, language: l}
		return func(done, total int64) {
			count := fmt.Sprintf("%.1f MB", float64(done)/1e6)
			if total > 0 {
				count = fmt.Sprintf("%.1f/%.1f MB", float64(done)/1e6, float64(total)/1e6)
			}
			b.set(done, total, count, l.Text("downloading"))
		}
	}
	printed := int64(-1)
	return func(done, total int64) {
		if total > 0 && done*10/total > printed {
			printed = done * 10 / total
			fmt.Fprintln(w, l.Sprintf("downloaded %d%% of %d MB", 10*printed, total/1_000_000))
		}
	}
}

// decoded returns a callback that shows the progress of decoding images: a bar on a terminal,
// a line for every thousand elsewhere.
func decoded(l words.Language, w io.Writer) func(done, total int) {
	if redraws(w) {
		b := &bar{w: w, language: l}
		return func(done, total int) {
			b.set(int64(done), int64(total), fmt.Sprintf("%d/%d", done, total), l.Text("decoding"))
		}
	}
	return func(done, total int) {
		if done%1000 == 0 {
			fmt.Fprintln(w, l.Sprintf("decoded %d of %d images", done, total))
		}
	}
}

// grading returns a callback that shows the progress of the grader, or of trials: a bar on a
// terminal, lines elsewhere.
func grading(l words.Language, w io.Writer) func(done, total int, what string) {
	if redraws(w) {
		b := &bar{w: w, language: l}
		return func(done, total int, what string) {
			b.set(int64(done), int64(total), fmt.Sprintf("%d/%d", done, total), what)
		}
	}
	return func(done, total int, what string) { fmt.Fprintf(w, "[%d/%d] %s\n", done, total, what) }
}

// installing is a writer for the output of go-xla's installer. On a terminal it shows one line
// that changes; elsewhere it prints completed steps, and the progress now and then.
type installing struct {
	w        io.Writer
	terminal bool
	line     []byte    // the current line so far
	printed  time.Time // when a line was last printed
}

func newInstalling(w io.Writer) *installing { return &installing{w: w, terminal: redraws(w)} }

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
		fmt.Fprintln(i.w, eraseLine+text)
	case i.terminal:
		redraw(i.w, text)
	case done || time.Since(i.printed) > interval:
		i.printed = time.Now()
		fmt.Fprintln(i.w, text)
	}
}

// end clears the changing line.
func (i *installing) end() {
	if i.terminal {
		fmt.Fprint(i.w, eraseLine)
	}
}
