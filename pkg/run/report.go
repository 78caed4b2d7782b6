package run

import (
	"cmp"
	"fmt"
	"io"

	"github.com/schollz/progressbar/v3"

	"github.com/residual-go/residual/pkg/dataset"
)

// Reporter is told about the progress of a run. Its methods are called from the training loop and
// should be quick.
type Reporter interface {
	// Step is called for every step, with means since the last step line.
	Step(Metrics)
	// Line is called with every step line.
	Line(Metrics)
	// Evaluating is called during the evaluation of the test images.
	Evaluating(done, total int)
	// Epoch is called with every epoch line.
	Epoch(Metrics)
	// Note is called with a message for the user.
	Note(string)
}

// silent is a Reporter that ignores everything.
type silent struct{}

func (silent) Step(Metrics)        {}
func (silent) Line(Metrics)        {}
func (silent) Evaluating(int, int) {}
func (silent) Epoch(Metrics)       {}
func (silent) Note(string)         {}

// NewLog returns a reporter that writes lines of text to w, for files and pipes:
//
//	Epoch [1/10], Step [100/782], Loss: 1.0319
func NewLog(w io.Writer) Reporter { return logReporter{w} }

type logReporter struct{ w io.Writer }

func (logReporter) Step(Metrics) {}

func (l logReporter) Line(m Metrics) {
	fmt.Fprintf(l.w, "Epoch [%d/%d], Step [%d/%d], Loss: %.4f\n", m.Epoch, m.Epochs, m.StepInEpoch, m.StepsPerEpoch, m.Loss)
}

func (logReporter) Evaluating(int, int) {}

func (l logReporter) Epoch(m Metrics) { fmt.Fprintln(l.w, epochSummary(m)) }

func (l logReporter) Note(text string) { fmt.Fprintln(l.w, text) }

func epochSummary(m Metrics) string {
	text := fmt.Sprintf("Epoch [%d/%d] done: train loss %.4f, train accuracy %.2f%%", m.Epoch, m.Epochs, m.Loss, 100*m.Accuracy)
	if m.TestTop1 != nil {
		split := cmp.Or(m.TestSplit, dataset.Test)
		text += fmt.Sprintf(", %s loss %.4f, %s accuracy %.2f%% of %d images", split, *m.TestLoss, split, 100**m.TestTop1, m.TestImages)
	}
	return text + fmt.Sprintf(" (%.0f images/s)", m.ImagesPerSecond)
}

// NewBar returns a reporter that draws a progress bar for every epoch on the terminal w, after the
// given name.
func NewBar(w io.Writer, name string) Reporter { return &barReporter{w: w, name: name} }

type barReporter struct {
	w    io.Writer
	name string
	bar  *progressbar.ProgressBar
}

func (b *barReporter) Step(m Metrics) {
	b.draw(fmt.Sprintf("%s epoch %d/%d loss %.3f, %.0f images/s", b.name, m.Epoch, m.Epochs, m.Loss, m.ImagesPerSecond),
		m.StepInEpoch, m.StepsPerEpoch)
	if m.StepInEpoch == m.StepsPerEpoch {
		b.clear() // the next bar is that of the evaluation
	}
}

func (b *barReporter) Evaluating(done, total int) {
	b.draw(b.name+" test images", done, total)
}

func (b *barReporter) draw(text string, done, total int) {
	if b.bar == nil {
		b.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(b.w),
			progressbar.OptionSetWidth(24), progressbar.OptionShowCount(), progressbar.OptionClearOnFinish(),
			progressbar.OptionSetPredictTime(true), progressbar.OptionSetElapsedTime(false))
	}
	b.bar.Describe(text)
	// An error would be one of the terminal; training continues without a progress bar.
	_ = b.bar.Set(done)
}

func (b *barReporter) Line(Metrics) {}

func (b *barReporter) Epoch(m Metrics) {
	b.clear()
	fmt.Fprintln(b.w, epochSummary(m))
}

func (b *barReporter) Note(text string) {
	b.clear()
	fmt.Fprintln(b.w, text)
}

func (b *barReporter) clear() {
	if b.bar != nil {
		_ = b.bar.Clear()
		b.bar = nil
	}
}
