package notebook

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html"
	"path/filepath"
	"strings"
	"time"

	"github.com/janpfeifer/gonb/gonbui"

	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/run"
)

// refresh is how often a live display is drawn anew: drawing takes part of the cores from
// the training.
const refresh = 2 * time.Second

// Live is a display that changes while networks train: a bar for each and the curves of
// their training losses.
type Live struct {
	title string
	id    string
	drawn time.Time
	lines []*line
	// training is the network that reported last, and at when.
	training *line
	at       time.Time
}

// line is one network of a display.
type line struct {
	name string
	// last is the newest metrics, and steps the training loss by epoch.
	last  run.Metrics
	steps figure.Curve
	note  string
	// duration is how long it has trained, without the times in which others did.
	duration   time.Duration
	evaluating bool
}

// NewLive returns a display that appears when the first network reports.
func NewLive(title string) *Live {
	return &Live{title: title, id: "live_" + gonbui.UniqueId()}
}

// Reporter returns the reporter for the next network that trains.
func (l *Live) Reporter(network string) run.Reporter {
	added := &line{name: network, steps: figure.Curve{Name: network}}
	l.lines = append(l.lines, added)
	l.clock(added)
	return &liveReporter{l, added}
}

// clock gives the time since the last report to the network that has just reported, if
// that one was its own too.
func (l *Live) clock(reporting *line) {
	now := time.Now()
	if l.training == reporting {
		reporting.duration += now.Sub(l.at)
	}
	l.training, l.at = reporting, now
}

// Close draws the display a last time, whole.
func (l *Live) Close() {
	l.draw(true)
}

// liveReporter is a network's run.Reporter. A training calls it on one goroutine.
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
		fmt.Printf("%s, epoch %d of %d: %s\n", r.line.name, m.Epoch, m.Epochs, measures(m))
	}
	r.live.draw(false)
}

// Note keeps the text, with paths as they are in the checkout: outputs are for everybody.
func (r *liveReporter) Note(text string) {
	r.line.note = strings.ReplaceAll(text, Root()+string(filepath.Separator), "")
}

// measures are the losses and accuracies of a line of metrics.
func measures(m run.Metrics) string {
	text := fmt.Sprintf("loss %.3f, accuracy %.1f%%", m.Loss, 100*m.Accuracy)
	if m.TestTop1 != nil {
		text += fmt.Sprintf(", on test images %.1f%%", 100**m.TestTop1)
	}
	return text
}

// draw shows the state, unless that was done just now.
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

// begun reports whether there is anything to show. A run that had ended before takes no
// steps.
func (l *Live) begun() bool {
	for _, line := range l.lines {
		if line.last.Step > 0 {
			return true
		}
	}
	return false
}

func (l *Live) html() string {
	var b strings.Builder
	b.WriteString(`<div style="max-width:900px">`)
	for _, line := range l.lines {
		if line.last.Step > 0 {
			b.WriteString(line.html())
		}
	}
	if picture := l.picture(); picture != "" {
		fmt.Fprintf(&b, `<img alt="%s: training loss by epoch" style="width:100%%" src="data:image/png;base64,%s">`,
			html.EscapeString(l.title), picture)
	}
	b.WriteString("</div>")
	return b.String()
}

func (l *line) html() string {
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
	text := fmt.Sprintf("%s · %s · %.0f images/s", state, measures(m), m.ImagesPerSecond)
	if l.note != "" {
		text += " · " + l.note
	}
	// Two boxes and not a progress element: pages that show notebooks take those out.
	return fmt.Sprintf(`<div style="margin:4px 0"><b>%s</b> <span style="color:#555">%s</span>`+
		`<div style="background:#e6e6e6;height:8px"><div style="background:#0072b2;height:8px;width:%.1f%%"></div></div></div>`,
		html.EscapeString(l.name), html.EscapeString(text), 100*share)
}

// picture returns the curves as a PNG in base64, nothing if there is too little to draw.
func (l *Live) picture() string {
	var curves []figure.Curve
	for i, line := range l.lines {
		if len(line.steps.X) < 2 {
			continue
		}
		curve := line.steps
		curve.Style = figure.Style{Color: i + 1, Dash: figure.Dash(i % 4)}
		curve.Smooth = len(curve.X) / 20
		curves = append(curves, curve)
	}
	if len(curves) == 0 {
		return ""
	}
	drawn, err := figure.Curves(l.title+": training loss", "epoch", "loss", curves)
	if err != nil {
		return "" // a loss that is no number yet: the bar says so
	}
	var png bytes.Buffer
	if err := drawn.Encode(&png, "png"); err != nil {
		return ""
	}
	return base64.StdEncoding.EncodeToString(png.Bytes())
}
