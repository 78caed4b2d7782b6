package pipeline

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/residual-go/residual/lesson/chapter/internal/noise"
	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/datasource"
	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/run"
)

func quick(t *testing.T) recipe.Recipe {
	t.Helper()
	r, err := recipe.ByName("quick")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Each variant lacks its part and nothing else, and costs as much as the whole recipe.
func TestVariants(t *testing.T) {
	whole := quick(t)
	want := map[string][]string{
		"whole":                nil,
		"without-muon":         {"muon"},
		"without-sizes":        {"epochs", "sizes"},
		"without-augmentation": {"augment.crop", "augment.flip"},
		"without-schedule":     {"learning_rate", "schedule.kind", "schedule.warm_up", "schedule.initial", "schedule.final"},
		"without-weight-decay": {"weight_decay"},
		"without-nesterov":     {"nesterov"},
	}
	variants := Variants(whole, 32)
	for _, v := range variants {
		if err := v.Recipe.Validate(); err != nil {
			t.Error(err)
		}
		var keys []string
		for _, d := range v.Recipe.Differences(whole) {
			keys = append(keys, d.Key)
		}
		if !slices.Equal(keys, want[v.Name]) {
			t.Errorf("%s differs in %q, want %q", v.Name, keys, want[v.Name])
		}
		delete(want, v.Name)
		if cost := Cost(v.Recipe, 32); cost < 5.8 || cost > 6 {
			t.Errorf("%s costs as much as %g epochs of whole images, want 5.8 to 6", v.Name, cost)
		}
	}
	if len(want) != 0 || variants[0].Name != "whole" {
		t.Errorf("the first is %s, and these are missing: %v", variants[0].Name, want)
	}
}

func TestCost(t *testing.T) {
	r := recipe.Recipe{Epochs: 10, Sizes: dataset.Sizes{{Until: 0.4, Pixels: 16}, {Until: 0.5, Pixels: 24}}}
	if got, want := Cost(r, 32), 10*(0.4/4+0.1*9/16+0.5); math.Abs(got-want) > 1e-12 {
		t.Errorf("the cost is %g, want %g", got, want)
	}
	for share, want := range map[float64]float64{0: 0, 0.2: 0.5, 0.45: 1 + 0.5*9/16, 1: 10*(0.4/4+0.1*9/16) + 5} {
		if got := spent(r, 32, share); math.Abs(got-want) > 1e-12 {
			t.Errorf("after %g of the run the cost is %g, want %g", share, got, want)
		}
	}
	r.Sizes = nil
	if got := Cost(r, 32); got != 10 {
		t.Errorf("without smaller images the cost is %g, want 10", got)
	}
}

// tiny returns a recipe and images small enough for a test.
func tiny(t *testing.T) (recipe.Recipe, *datasource.Set) {
	t.Helper()
	r := quick(t)
	config, err := resnet.CIFAR(8, 2)
	if err != nil {
		t.Fatal(err)
	}
	r.Model, r.Epochs, r.BatchSize, r.Augment.Crop = config, 2, 8, 1
	r.Sizes = dataset.Sizes{{Until: 0.5, Pixels: 4}}
	training, validation, err := noise.Images(36, 8).HoldOut(12, 1)
	if err != nil {
		t.Fatal(err)
	}
	return r, &datasource.Set{Training: training, Validation: validation}
}

// counter is a reporter that counts epochs, and stops the run after some steps.
type counter struct {
	epochs, steps *int
	stopAfter     int
	stop          func()
}

func (c counter) Step(run.Metrics) {
	if *c.steps++; *c.steps == c.stopAfter {
		c.stop()
	}
}
func (counter) Line(run.Metrics)    {}
func (counter) Evaluating(int, int) {}
func (c counter) Epoch(run.Metrics) { *c.epochs++ }
func (counter) Note(string)         {}

func TestRecordResumes(t *testing.T) {
	whole, set := tiny(t)
	b, err := backend.New("cpu")
	if err != nil {
		t.Fatal(err)
	}
	runs, out := t.TempDir(), t.TempDir()
	record := func(out, runs string, stopAfter int) (trained []string, epochs int, err error) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		steps := 0
		err = Record(ctx, whole, runs, out, b, set, func(v Variant, done bool) run.Reporter {
			if !done {
				trained = append(trained, v.Name)
			}
			return counter{&epochs, &steps, stopAfter, cancel}
		})
		return trained, epochs, err
	}
	all := []string{"whole", "without-muon", "without-sizes", "without-augmentation", "without-schedule", "without-weight-decay", "without-nesterov"}

	// Interrupted in the third training, which has three steps an epoch, it resumes in the middle of it.
	if trained, _, err := record(out, runs, 2*6+4); !errors.Is(err, run.ErrInterrupted) || !slices.Equal(trained, all[:3]) {
		t.Fatalf("trained %q, and the error is %v", trained, err)
	}
	left := 1 + 2*len(all[3:]) // epochs
	if trained, epochs, err := record(out, runs, 0); err != nil || !slices.Equal(trained, all[2:]) || epochs != left {
		t.Fatalf("trained %q, %d epochs, %v; want %q and %d", trained, epochs, err, all[2:], left)
	}
	if trained, _, err := record(out, runs, 0); err != nil || len(trained) != 0 {
		t.Errorf("trained %q again, %v", trained, err)
	}

	results, err := Read(out, 8)
	if err != nil || len(results) != len(all) {
		t.Fatalf("%d results, %v; want %d", len(results), err, len(all))
	}
	for i, r := range results {
		last := r.Epochs[len(r.Epochs)-1]
		if r.Name != all[i] || len(r.Epochs) != 2 || last.TestImages != 12 || last.TestSplit != dataset.Validation || r.Recipe.Validation != 12 || r.Recipe.Data != "noise" {
			t.Errorf("the result is %+v", r)
		}
	}
	if results[0].Spent[0] != 0.25 || results[0].Spent[1] != 1.25 || results[2].Spent[1] != 2 {
		t.Errorf("the costs are %v and %v, want [0.25 1.25] and [1 2]", results[0].Spent, results[2].Spent)
	}

	// A folder with runs of another recipe is refused, and what is recorded stays.
	whole.WeightDecay *= 2
	if _, _, err := record(out, runs, 0); err == nil || !strings.Contains(err.Error(), "weight_decay is 0.0005 there, not 0.001") {
		t.Errorf("error %v, want one that names the weight decay", err)
	}
	if again, err := Read(out, 8); err != nil || again[0].Accuracy() != results[0].Accuracy() {
		t.Errorf("after that, %v", err)
	}
	set.Validation = nil
	if _, _, err := record(t.TempDir(), t.TempDir(), 0); err == nil || !strings.Contains(err.Error(), "no validation images") {
		t.Errorf("error %v from a set without validation images", err)
	}
}

func TestReadRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := Read(dir, 32); err == nil {
		t.Error("no error from an empty folder")
	}
	whole := filepath.Join(dir, "whole")
	if err := os.Mkdir(whole, 0o755); err != nil {
		t.Fatal(err)
	}
	content := `{"name":"quick","model":{"name":"resnet20","stem":"cifar","block":"basic","blocks":[3,3,3],"width":16,"shortcut":"A","classes":10},"epochs":1,"batch_size":128,"learning_rate":0.4,"schedule":{"kind":"onecycle"},"augment":{},"normalization":{"mean":[0.5,0.5,0.5],"std":[0.5,0.5,0.5]},"seed":1}`
	for name, text := range map[string]string{"recipe.json": content, "metrics.jsonl": `{"kind":"epoch","epoch":1,"loss":1}` + "\n"} {
		if err := os.WriteFile(filepath.Join(whole, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Read(dir, 32); err == nil || !strings.Contains(err.Error(), "was not evaluated") {
		t.Errorf("error %v, want one that says that nothing was evaluated", err)
	}
}

func TestTableAndFigures(t *testing.T) {
	var results []Result
	for i, v := range Variants(quick(t), 32) {
		top := 0.85 - 0.01*float64(i)
		results = append(results, Result{v, []run.Metrics{{Accuracy: 0.5, TestTop1: &top}, {Accuracy: 0.9, TestTop1: &top}}, []float64{1, 5.84}})
	}
	_, rows := Table(results)
	if want := []string{"nothing", "–", "2", "5.8", "90.0%", "85.0%", "–"}; !slices.Equal(rows[0], want) {
		t.Errorf("the first row is %q, want %q", rows[0], want)
	}
	if want := []string{"Muon", "SGD for the kernels too", "2", "5.8", "90.0%", "84.0%", "−1.0 points"}; !slices.Equal(rows[1], want) {
		t.Errorf("the second row is %q, want %q", rows[1], want)
	}
	for name, draw := range map[string]func([]Result, string) (*figure.Figure, error){"loss": LossFigure, "curves": CurvesFigure} {
		drawn, err := draw(results, "data: none")
		if err != nil {
			t.Fatal(err)
		}
		var svg bytes.Buffer
		if err := drawn.Encode(&svg, "svg"); err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{"Muon", "weight decay", "data: none"} {
			if !strings.Contains(svg.String(), part) {
				t.Errorf("the figure of %s does not have %q", name, part)
			}
		}
	}
}
