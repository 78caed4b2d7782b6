package notebook

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/janpfeifer/gonb/gonbui"

	"github.com/residual-go/residual/lesson/words"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/plots"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/run"
)

// refresh is the shortest time between two redraws of a live display, because drawing takes
// time from the training.
const refresh = 2 * time.Second

// Live is a display of networks as they train: a progress bar for each network and the curves
// of their training losses.
type Live struct {
	title string
	id    string
	drawn time.Time
	lines []*line
	// training is the network that reported last, and at the time of that report.
	training *line
	at       time.Time
	// book has the Chinese words of the display.
	book func() *words.Phrasebook
}

// line is one network in a display.
type line struct {
	name string
	// last holds the latest metrics, and steps the training loss by epoch.
	last  run.Metrics
	steps figure.Curve
	note  string
	// duration is the time it has trained, without the time other networks trained.
	duration   time.Duration
	evaluating bool
}

// NewLive returns a display. It appears when the first network reports.
func NewLive(title string) *Live {
	return &Live{title: title, id: "live_" + gonbui.UniqueId(), book: sync.OnceValue(func() *words.Phrasebook { return book(title) })}
}

// Reporter adds a network to the display and returns its reporter.
func (l *Live) Reporter(network string) run.Reporter {
	added := &line{name: network, steps: figure.Curve{Name: network}}
	l.lines = append(l.lines, added)
	l.clock(added)
	return &liveReporter{l, added}
}

// clock adds the time since the last report to the reporting network's duration, if the last
// report also came from that network.
func (l *Live) clock(reporting *line) {
	now := time.Now()
	if l.training == reporting {
		reporting.duration += now.Sub(l.at)
	}
	l.training, l.at = reporting, now
}

// notInNames matches what names of files had better not contain.
var notInNames = regexp.MustCompile(`[^\pL\d.]+`)

// Close draws the display a last time.
func (l *Live) Close() {
	l.draw(true)
	if f := l.curves(); f != nil && os.Getenv(BothVariable) != "" && language() == words.English {
		saveChinese(notInNames.ReplaceAllString(l.title, "-")+"-live", f, encoded(f))
	}
}

// liveReporter is a network's run.Reporter. Training calls it from one goroutine.
type liveReporter struct {
	live *Live
	line *line
}

func (r *liveReporter) Step(m run.Metrics) {
	r.live.clock(r.line)
	r.line.last, r.line.evaluating = m, false
	r.live.draw(false)
}

func (r *liveReporter) Line(m run.Metrics) {
	r.line.steps.X = append(r.line.steps.X, float64(m.Step)/float64(m.StepsPerEpoch))
	r.line.steps.Y = append(r.line.steps.Y, m.Loss)
}

func (r *liveReporter) Evaluating(done, total int) {
	r.live.clock(r.line)
	r.line.evaluating = true
	r.live.draw(false)
}

func (r *liveReporter) Epoch(m run.Metrics) {
	r.live.clock(r.line)
	r.line.last, r.line.evaluating = m, false
	if !gonbui.IsNotebook {
		Say(fmt.Sprintf("%s, epoch %d of %d: %s", r.line.name, m.Epoch, m.Epochs, describe(m)))
	}
	r.live.draw(false)
}

// Note keeps the text, with paths relative to the checkout: notebooks are shared with their
// outputs.
func (r *liveReporter) Note(text string) {
	r.line.note = strings.ReplaceAll(text, Root()+string(filepath.Separator), "")
}

// describe returns the loss and the accuracies as text.
func describe(m run.Metrics) string {
	text := fmt.Sprintf("loss %.3f, accuracy %.1f%%", m.Loss, 100*m.Accuracy)
	if m.TestTop1 != nil {
		text += fmt.Sprintf(", %s accuracy %.1f%%", cmp.Or(m.TestSplit, dataset.Test), 100**m.TestTop1)
	}
	return text
}

// draw updates the display. It does nothing if the last update was less than refresh ago,
// unless always is set.
func (l *Live) draw(always bool) {
	if !gonbui.IsNotebook || !l.begun() || !always && time.Since(l.drawn) < refresh {
		return
	}
	gonbui.UpdateHTML(l.id, l.html())
	if always {
		gonbui.Sync()
	}
	l.drawn = time.Now()
}

// begun reports whether any network has taken a step. A run that was already complete takes
// none.
func (l *Live) begun() bool {
	for _, line := range l.lines {
		if line.last.Step > 0 {
			return true
		}
	}
	return false
}

// Display is how the HTML of every [Live] begins.
const Display = `<div style="max-width:900px">`

func (l *Live) html() string {
	var b strings.Builder
	b.WriteString(Display)
	for _, line := range l.lines {
		if line.last.Step > 0 {
			b.WriteString(line.html(l.translated))
		}
	}
	if curves := l.curves(); curves != nil {
		fmt.Fprintf(&b, `<img alt="%s" style="width:100%%" src="data:image/png;base64,%s">`,
			html.EscapeString(l.translated(l.title+": training loss by epoch")), base64.StdEncoding.EncodeToString(encoded(curves)))
	}
	b.WriteString("</div>")
	return b.String()
}

// html returns a network's part of the display, with its words translated by a function.
func (l *line) html(translated func(string) string) string {
	m := l.last
	steps := m.Epochs * m.StepsPerEpoch
	share := float64(m.Step) / float64(steps)
	state := fmt.Sprintf("epoch %d of %d", m.Epoch, m.Epochs)
	switch {
	case m.Step == steps && !l.evaluating:
		state = fmt.Sprintf("done in %s", l.duration.Round(time.Second))
	case l.evaluating:
		state += ", testing"
	default:
		left := time.Duration(float64(l.duration) * (1 - share) / share)
		state += fmt.Sprintf(", %s left", left.Round(time.Second))
	}
	text := fmt.Sprintf("%s · %s · %.0f images/s", state, describe(m), m.ImagesPerSecond)
	if l.note != "" {
		text += " · " + l.note
	}
	// Two boxes instead of a progress element, which websites that show notebooks remove.
	return fmt.Sprintf(`<div style="margin:4px 0"><b>%s</b> <span style="color:#555">%s</span>`+
		`<div style="background:#e6e6e6;height:8px"><div style="background:#0072b2;height:8px;width:%.1f%%"></div></div></div>`,
		html.EscapeString(l.name), html.EscapeString(translated(text)), 100*share)
}

// translated returns a text of the display in the language of the notebook.
func (l *Live) translated(text string) string {
	if language() == words.Chinese {
		return l.book().Translate(text)
	}
	return text
}

// curves returns a drawing of the losses, or nil if there is too little to draw.
func (l *Live) curves() *figure.Figure {
	var curves []figure.Curve
	styles := l.styles()
	for i, line := range l.lines {
		if len(line.steps.X) < 2 {
			continue
		}
		curve := line.steps
		curve.Style = styles[i].Training()
		curve.Smooth = len(curve.X) / 20
		curves = append(curves, curve)
	}
	if len(curves) == 0 {
		return nil
	}
	drawn, err := figure.Curves(l.title+": training loss", "epoch", "loss", curves)
	if err == nil && language() == words.Chinese {
		drawn, err = drawn.Translated(l.book().Translate)
	}
	if err != nil {
		return nil // the loss is NaN or infinite; the text above the bar shows it
	}
	return drawn
}

// styles returns a style for each line: those of the networks if all lines are named after one.
func (l *Live) styles() []figure.Style {
	networks := make([]resnet.Config, len(l.lines))
	for i, line := range l.lines {
		networks[i], _ = resnet.ByName(line.name) // another name leaves the zero Config
	}
	return plots.Styles(networks...)
}
