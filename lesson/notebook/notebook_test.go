package notebook

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/residual-go/residual/lesson/words"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/run"
)

func TestRootIsTheCheckout(t *testing.T) {
	if _, err := os.Stat(filepath.Join(Root(), "lesson", "notebook", "notebook.go")); err != nil {
		t.Errorf("Root is %s, which is not the root of the checkout", Root())
	}
}

func TestShowSavesTheFigure(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(OutputVariable, dir)
	drawn, err := figure.Curves("a curve", "x", "y", []figure.Curve{{Y: []float64{1, 2, 3}}})
	if err != nil {
		t.Fatal(err)
	}
	Show("9-curve", drawn)
	file, err := os.Open(filepath.Join(dir, "figures", "9-curve.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	saved, err := png.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	width, height := drawn.Size()
	if size := saved.Bounds().Size(); size.X != 2*width || size.Y != 2*height {
		t.Errorf("the PNG has a size of %v, want %d×%d", size, 2*width, 2*height)
	}
}

func TestRecorded(t *testing.T) {
	t.Setenv(OutputVariable, t.TempDir()) // recorded runs are in the checkout all the same
	const name = "cifar10-jpeg-24-epochs/resnet20"
	if h := Recorded(name); h.Name != "resnet20" || len(h.Epochs) != 24 {
		t.Errorf("%s has %d epochs of %s", name, len(h.Epochs), h.Name)
	}
	if m := RecordedWeights(name); m.Config.Name != "resnet20" || m.Accuracy == nil || *m.Accuracy != 0.8401 {
		t.Errorf("the network is %s, described as %+v", m.Config.Name, m.Description)
	}
}

func TestTables(t *testing.T) {
	header, rows := []string{"network", "loss"}, [][]string{{"résnet20", "0.5"}, {"<b>", "12.25"}}
	var text bytes.Buffer
	writeTable(&text, header, rows)
	want := "  network    loss\n  résnet20    0.5\n  <b>       12.25\n"
	if text.String() != want {
		t.Errorf("the table is\n%swant\n%s", text.String(), want)
	}
	html := tableHTML(header, rows)
	if !strings.Contains(html, ">&lt;b&gt;<") || strings.Contains(html, "<b>") {
		t.Errorf("the cell <b> is not escaped in %s", html)
	}
	if got := strings.Count(html, "<tr>"); got != 3 {
		t.Errorf("%d rows, want 3", got)
	}
}

func TestTablesOfWords(t *testing.T) {
	header, rows := []string{"change", "what changes", "gain"}, [][]string{{"rate", "weight decay 0.0005", ""}, {"frog", "", "−1.7 points, not kept"}}
	html := tableHTML(header, rows)
	for text, side := range map[string]string{"what changes": "left", "weight decay 0.0005": "left", "gain": "right", "−1.7 points, not kept": "right"} {
		if !strings.Contains(html, `style="text-align:`+side+`">`+text+"<") {
			t.Errorf("%q is not aligned %s in %s", text, side, html)
		}
	}
	var b strings.Builder
	writeTable(&b, header, rows)
	if want := "  change  what changes                          gain\n" +
		"  rate    weight decay 0.0005                       \n" +
		"  frog                         −1.7 points, not kept\n"; b.String() != want {
		t.Errorf("the table is\n%s, want\n%s", b.String(), want)
	}
	header, rows = inLanguage(words.Chinese, header, rows)
	if want := []string{"改动", "改了什么", "增减"}; !slices.Equal(header, want) {
		t.Errorf("the Chinese header is %q, want %q", header, want)
	}
	if want := []string{"学习率", "权重衰减 0.0005", ""}; !slices.Equal(rows[0], want) {
		t.Errorf("a Chinese row is %q, want %q", rows[0], want)
	}
	if want := []string{"frog", "", "−1.7 百分点，没有保留"}; !slices.Equal(rows[1], want) {
		t.Errorf("a Chinese row is %q, want %q", rows[1], want)
	}
}

// tiny returns a recipe that trains a small network for one epoch.
func tiny(t *testing.T) recipe.Recipe {
	t.Helper()
	config, err := resnet.CIFAR(8, 4)
	if err != nil {
		t.Fatal(err)
	}
	config.Stem = resnet.ImageNetStem
	r, err := recipe.ByName("fast")
	if err != nil {
		t.Fatal(err)
	}
	r.Model, r.Epochs, r.BatchSize, r.Augment = config, 1, 16, dataset.Augment{}
	return r
}

// TestTrainedFindsTheRun: the same recipe reuses a run, another recipe replaces it.
func TestTrainedFindsTheRun(t *testing.T) {
	t.Setenv(OutputVariable, t.TempDir())
	set := Images(64, 32)
	r := tiny(t)
	written := func(outcome *run.Outcome) int64 {
		outcome.Store.Finalize()
		info, err := os.Stat(outcome.Weights)
		if err != nil {
			t.Fatal(err)
		}
		return info.ModTime().UnixNano()
	}
	first := written(Train("mine", r, set))
	if again := written(Trained("mine", r, set)); again != first {
		t.Error("Trained did not reuse the run")
	}
	r.LearningRate /= 2
	if other := written(Trained("mine", r, set)); other == first {
		t.Error("Trained reused a run of another recipe")
	}
	if epochs := History("mine").Epochs; len(epochs) != 1 || epochs[0].TestTop1 == nil {
		t.Errorf("the history has epochs %v, want one with a test", epochs)
	}
}

// TestTrainValidates: with validation images, the test images are left alone.
func TestTrainValidates(t *testing.T) {
	t.Setenv(OutputVariable, t.TempDir())
	set := Images(80, 32)
	var err error
	if set.Training, set.Validation, err = set.Training.HoldOut(16, 1); err != nil {
		t.Fatal(err)
	}
	r := tiny(t)
	live := NewLive("display")
	outcome := live.Train("validated", r, set)
	outcome.Store.Finalize()
	live.Trained("validated", r, set).Store.Finalize()
	if len(live.lines) != 2 || live.lines[0].last.Step != 4 || live.lines[1].last.Step != 0 {
		t.Errorf("the display does not show one training of four steps and one that was there")
	}
	if outcome.Test.Total != 16 || outcome.Test.Split != dataset.Validation {
		t.Errorf("evaluated on %d %s images, want 16 for validation", outcome.Test.Total, outcome.Test.Split)
	}
	if line := History("validated").Epochs[0]; line.TestImages != 16 || line.TestSplit != dataset.Validation {
		t.Errorf("the metrics are %+v", line)
	}
	kept, err := run.ReadRecipe(filepath.Join(Runs(), "validated"))
	if err != nil || kept.Validation != 16 || kept.Subset != "80,32" {
		t.Errorf("the recipe has %d validation images of the subset %q, %v", kept.Validation, kept.Subset, err)
	}
}

func TestLiveShowsBarsAndCurves(t *testing.T) {
	live := NewLive("two networks")
	if live.begun() {
		t.Error("a display has begun before any network trains")
	}
	first := live.Reporter("one")
	live.Reporter("<two>")
	metrics := run.Metrics{Epoch: 1, Epochs: 2, StepsPerEpoch: 10, Loss: 2, Accuracy: 0.25, ImagesPerSecond: 100}
	for step := 1; step <= 5; step++ {
		metrics.Step, metrics.StepInEpoch = step, step
		first.Step(metrics)
		first.Line(metrics)
	}
	html := live.html()
	for _, want := range []string{"<b>one</b>", "epoch 1 of 2", "width:25.0%", "accuracy 25.0%", "data:image/png;base64,"} {
		if !strings.Contains(html, want) {
			t.Errorf("the display does not contain %q: %.400s", want, html)
		}
	}
	if strings.Contains(html, "two&gt;") {
		t.Error("the display shows a network that has not begun")
	}
	// A network's clock stops while another network trains.
	other := live.Reporter("three").(*liveReporter)
	before := live.lines[0].duration
	time.Sleep(20 * time.Millisecond)
	other.Step(metrics)
	first.Step(metrics)
	if live.lines[0].duration != before || other.line.duration < 20*time.Millisecond {
		t.Errorf("while the other network trained for %[3]v, the duration of the first went from %[1]v to %[2]v", before, live.lines[0].duration, other.line.duration)
	}
	first.Note("resuming from " + filepath.Join(Root(), "runs", "x"))
	if html := live.html(); !strings.Contains(html, "resuming from runs") || strings.Contains(html, Root()) {
		t.Errorf("the path in a note is not relative to the checkout: %.600s", html)
	}
}
