package run

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/residual-go/residual/pkg/checkpoint"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/optim"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/resnet"
)

// oldFormat has a run written before recipe.json got its present keys. The run was interrupted
// in the middle of its second epoch; final.* is what the program of that time made of it.
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
	if r.Batch != 10 || r.HeadRate != 4 || r.Normalization != (dataset.Normalization{Mean: [3]float32{0.5, 0.45, 0.4}, Std: [3]float32{0.25, 0.2, 0.3}}) {
		t.Errorf("batch %d, head rate %g, normalization %v", r.Batch, r.HeadRate, r.Normalization)
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
	if _, err := Resume(context.Background(), dir, testOptions()); err != nil {
		t.Fatal(err)
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
	if err := os.WriteFile(filepath.Join(whole, metricsName), content, 0o644); err != nil {
		t.Fatal(err)
	}
	wantLines, err := ReadMetrics(whole)
	if err != nil {
		t.Fatal(err)
	}
	closeLines(t, "resumed", gotLines, wantLines, 1e-5)
}
