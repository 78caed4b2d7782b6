package run

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/checkpoint"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/optim"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/weights"
)

// oldFormat has a run written before recipe.json got its current keys. The run was interrupted
// in the middle of its second epoch. final.* is how the old version finished it, and
// exported.safetensors what it exported from that.
var oldFormat = filepath.Join("testdata", "oldformat")

func TestOldRecipesAreRead(t *testing.T) {
	r, err := ReadRecipe(filepath.Join(oldFormat, "run"))
	if err != nil {
		t.Fatal(err)
	}
	checkOldRecipe(t, r)
	state, _, err := Latest(filepath.Join(oldFormat, "run"), func(note string) { t.Error(note) })
	if err != nil {
		t.Fatal(err)
	}
	checkOldRecipe(t, state.Recipe)
	if state.Step != 10 || state.Epoch.Steps != 3 || state.Epoch.Images != 30 {
		t.Errorf("the checkpoint is of step %d, with %+v of the epoch, want step 10 with 3 steps and 30 images", state.Step, state.Epoch)
	}
}

func checkOldRecipe(t *testing.T, r recipe.Recipe) {
	t.Helper()
	if r.BatchSize != 10 || r.HeadLearningRateMultiplier != 4 || r.Normalization != (dataset.Normalization{Mean: [3]float32{0.5, 0.45, 0.4}, Std: [3]float32{0.25, 0.2, 0.3}}) {
		t.Errorf("batch %d, head rate %g, normalization %v", r.BatchSize, r.HeadLearningRateMultiplier, r.Normalization)
	}
	if m := r.Model; m.Stem != resnet.CIFARStem || m.Block != resnet.Bottleneck || m.Shortcut != resnet.ShortcutC {
		t.Errorf("the model is %+v", m)
	}
	if r.Schedule.Kind != optim.OneCycle || r.Augment != (dataset.Augment{Crop: 1, Flip: true, Cutout: 2}) || r.Start != "weights of a test" || r.Freeze != "stem" {
		t.Errorf("the recipe is %+v", r)
	}
}

// The last digits depend on the CPU that the old version ran on.
func TestOldRunsAreResumed(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(oldFormat, "run"))); err != nil {
		t.Fatal(err)
	}
	var log noteLog
	options := testOptions()
	options.Report = &log
	if _, err := Resume(context.Background(), dir, options); err != nil {
		t.Fatal(err)
	}
	if want := "has no fingerprint of the images"; !strings.Contains(log.text, want) {
		t.Errorf("no note with %q about the old checkpoint in:\n%s", want, log.text)
	}
	got, gotLines := finished(t, dir)
	want, err := checkpoint.Load(filepath.Join(oldFormat, "final.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	if got.Step != want.Step {
		t.Errorf("the run ended at step %d, want %d", got.Step, want.Step)
	}
	if d := difference(t, got, want); d > 1e-5 {
		t.Errorf("the weights differ by %g from those of the old version", d)
	}
	whole := t.TempDir()
	content, err := os.ReadFile(filepath.Join(oldFormat, "final.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(whole, metricsFile), content, 0o644); err != nil {
		t.Fatal(err)
	}
	wantLines, err := ReadMetrics(whole)
	if err != nil {
		t.Fatal(err)
	}
	closeLines(t, "resumed", gotLines, wantLines, 1e-5)
}

func TestOldExportsAreRead(t *testing.T) {
	m, err := weights.Open(context.Background(), filepath.Join(oldFormat, "exported.safetensors"), weights.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := (dataset.Normalization{Mean: [3]float32{0.5, 0.45, 0.4}, Std: [3]float32{0.25, 0.2, 0.3}}); m.Normalization != want {
		t.Errorf("normalization %v, want %v", m.Normalization, want)
	}
	if m.Config.Stem != resnet.CIFARStem || m.Config.Block != resnet.Bottleneck || m.Config.Shortcut != resnet.ShortcutC ||
		m.Recipe != "finetune" || len(m.Classes) != 3 || m.Accuracy == nil || *m.Accuracy != 0.7 {
		t.Errorf("the model is %+v, %+v", m.Config, m.Description)
	}
}

// The runs beside the test data are of the old format too.
func TestOldRunsOnCIFAR10AreRead(t *testing.T) {
	data := os.Getenv("RESIDUAL_TEST_DATA")
	if data == "" {
		t.Skip("RESIDUAL_TEST_DATA is not set")
	}
	dirs, err := filepath.Glob(filepath.Join(data, "..", "runs", "*", "*", recipeFile))
	if err != nil {
		t.Fatal(err)
	}
	if len(dirs) == 0 {
		t.Skipf("there are no runs in %s", filepath.Join(data, "..", "runs"))
	}
	for _, path := range dirs {
		dir := filepath.Dir(path)
		r, err := ReadRecipe(dir)
		if err != nil {
			t.Error(err)
			continue
		}
		if r.BatchSize != 128 || r.Normalization != dataset.CIFAR10Normalization() || r.Model.Stem != resnet.CIFARStem || r.Model.Shortcut != resnet.ShortcutA {
			t.Errorf("%s: the recipe is %+v", dir, r)
		}
		lines, err := ReadMetrics(dir)
		if err != nil || len(lines) == 0 || lines[len(lines)-1].TestTop1 == nil {
			t.Errorf("%s: %d lines of metrics, %v", dir, len(lines), err)
		}
		m, err := weights.Open(context.Background(), filepath.Join(dir, r.Model.Name+".safetensors"), weights.Options{})
		if err != nil {
			t.Error(err)
		} else if m.Normalization != dataset.CIFAR10Normalization() || !reflect.DeepEqual(m.Config, r.Model) {
			t.Errorf("%s: the weights are of %+v, normalised by %v", dir, m.Config, m.Normalization)
		}
	}
}

// noteLog is a Reporter that keeps the notes.
type noteLog struct {
	silent
	text string
}

func (l *noteLog) Note(text string) { l.text += text + "\n" }
