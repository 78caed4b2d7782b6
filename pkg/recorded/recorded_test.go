package recorded_test

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/recorded"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/run"
	"github.com/residual-go/residual/pkg/shapes10"
	"github.com/residual-go/residual/pkg/weights"
)

// trained returns the folder of a short finished run.
func trained(t *testing.T) string {
	t.Helper()
	engine, err := backend.New("cpu")
	if err != nil {
		t.Fatal(err)
	}
	r, err := recipe.ByName("fast")
	if err != nil {
		t.Fatal(err)
	}
	if r.Model, err = resnet.CIFAR(8, 4); err != nil {
		t.Fatal(err)
	}
	r.Epochs, r.BatchSize, r.Data = 2, 20, "/home/somebody/pictures"
	dir := filepath.Join(t.TempDir(), "run")
	if _, err := run.Train(t.Context(), dir, r, run.Options{
		Backend: engine, Training: shapes10.Train(100, 1), Test: shapes10.Test(50, 2), LogEvery: 1,
	}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestWrite(t *testing.T) {
	dir := trained(t)
	to := filepath.Join(t.TempDir(), "set", "small")
	if recorded.Is(dir) {
		t.Error("a run with checkpoints is not a recorded run")
	}
	if err := recorded.Write(t.Context(), dir, to, recorded.Options{}); err != nil {
		t.Fatal(err)
	}
	if !recorded.Is(to) {
		t.Error("what Write wrote is not a recorded run")
	}
	state, _, err := run.Latest(dir, func(note string) { t.Log(note) })
	if err != nil {
		t.Fatal(err)
	}
	want := state.Recipe
	want.Data = shapes10.Train(1, 1).Name
	if got, err := run.ReadRecipe(to); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("the recipe is %+v, %v; want %+v", got, err, want)
	}
	lines, err := run.ReadMetrics(to)
	if err != nil || len(lines) != 2 || lines[1].Kind != run.EpochLine || lines[1].Step != 10 {
		t.Fatalf("the metrics are %+v, %v; want two epochs", lines, err)
	}

	path, err := recorded.Weights(to)
	if err != nil {
		t.Fatal(err)
	}
	m, err := weights.Open(t.Context(), path, weights.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if m.Spec != "" || m.Data != want.Data || m.Accuracy == nil || *m.Accuracy != *lines[1].TestTop1 {
		t.Errorf("the weights are described as %+v", m.Description)
	}
	for name, tensor := range state.Weights {
		kept := m.Tensors[name]
		if !reflect.DeepEqual(kept.Shape, tensor.Shape) {
			t.Fatalf("%s has shape %v, want %v", name, kept.Shape, tensor.Shape)
		}
		tolerance := 0.0 // relative; float16 has 11 bits, and a smallest value of 6e-8
		if len(tensor.Shape) > 1 {
			tolerance = 1.0 / (1 << 11)
		}
		for i, x := range tensor.Data {
			if math.Abs(float64(x-kept.Data[i])) > tolerance*math.Abs(float64(x))+tolerance*1e-4 {
				t.Fatalf("%s has %g at %d, want %g", name, kept.Data[i], i, x)
			}
		}
	}
	if runs, err := recorded.Runs(filepath.Dir(filepath.Dir(to))); err != nil || !reflect.DeepEqual(runs, []string{to}) {
		t.Errorf("the recorded runs are %v, %v; want %s", runs, err, to)
	}

	// Writing again without weights removes them.
	if err := recorded.Write(t.Context(), dir, to, recorded.Options{WithoutWeights: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := recorded.Weights(to); !errors.Is(err, fs.ErrNotExist) || !recorded.Is(to) {
		t.Errorf("without weights: %v", err)
	}
}

func TestWriteNeedsACheckpoint(t *testing.T) {
	dir := trained(t)
	if err := os.RemoveAll(filepath.Join(dir, "checkpoints")); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "to")
	if err := recorded.Write(context.Background(), dir, to, recorded.Options{}); err == nil {
		t.Error("a run without checkpoints was recorded")
	}
	if _, err := os.Stat(to); err == nil {
		t.Error("Write failed but left a folder")
	}
}

// A bad recipe is an error even though the weights describe the network.
func TestWeightsRecipe(t *testing.T) {
	for content, want := range map[string]string{
		`{"epohcs": 3}`: "unknown key epohcs",
		`{"model": {"name": "x", "stem": "cifar", "block": "basic", "blocks": [9999999], "width": 16, "shortcut": "A", "classes": 10}}`: "9999999 blocks",
	} {
		dir := t.TempDir()
		for name, content := range map[string]string{"recipe.json": content, "metrics.jsonl": "", "weights.safetensors": ""} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if path, err := recorded.Weights(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %s, %v, want %s", content, path, err, want)
		}
	}
}
