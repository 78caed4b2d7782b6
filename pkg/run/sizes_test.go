package run

import (
	"context"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/residual-go/residual/pkg/checkpoint"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/optim"
	"github.com/residual-go/residual/pkg/recipe"
)

// sizesAndAverages returns a recipe with images of three sizes, which change after steps 6 and 13 of
// 21, averages of the weights, and Muon.
func sizesAndAverages() recipe.Recipe {
	r := testRecipe()
	r.Sizes = dataset.Sizes{{Until: 0.3, Pixels: 4}, {Until: 0.6, Pixels: 6}}
	r.AverageDecay, r.Muon = 0.8, 0.2
	return r
}

func TestSizesAndAveragesResumeToTheSameBits(t *testing.T) {
	whole := t.TempDir()
	if _, err := Train(context.Background(), whole, sizesAndAverages(), testOptions()); err != nil {
		t.Fatal(err)
	}
	want, wantLines := finalWeights(t, whole), epochLines(t, whole)
	if plain, _ := uninterrupted(t); len(want) <= len(plain) {
		t.Errorf("the checkpoint has %d tensors, without averages %d", len(want), len(plain))
	}
	for _, step := range []int{5, 6, 7, 13, 21} {
		dir := t.TempDir()
		interruptRecipeAt(t, dir, sizesAndAverages(), step)
		if _, err := Resume(context.Background(), dir, testOptions()); err != nil {
			t.Fatal(err)
		}
		if got := finalWeights(t, dir); !maps.Equal(got, want) {
			t.Errorf("interrupted after step %d and resumed, the run ended with different weights", step)
		}
		if got := epochLines(t, dir); !slices.Equal(got, wantLines) {
			t.Errorf("interrupted after step %d and resumed, the epochs' metrics are %v, want %v", step, got, wantLines)
		}
	}
}

func TestSizesAndAveragesOnTheDevice(t *testing.T) {
	want, lines := trained(t, sizesAndAverages(), testOptions())
	for _, readEvery := range []int{1, 5, 99} {
		o := testOptions()
		o.Input, o.ReadEvery = InputDevice, readEvery
		got, gotLines := trained(t, sizesAndAverages(), o)
		if d := difference(t, got, want); d != 0 {
			t.Errorf("reading every %d: the weights differ by %g", readEvery, d)
		}
		closeLines(t, "resident", gotLines, lines, 0)
	}
}

// Shrinking images with doubled pixels to half their size gives the images before doubling.
func TestSizesTrainOnSmallerImages(t *testing.T) {
	small, doubled := testImages(64, 1), testImages(64, 1)
	doubled.Height, doubled.Width, doubled.Pixels = 16, 16, nil
	for i := range small.Len() {
		image := small.Image(i)
		for y := range 16 {
			for x := range 16 {
				doubled.Pixels = append(doubled.Pixels, image[(y/2*8+x/2)*3:][:3]...)
			}
		}
	}
	r, o := testRecipe(), testOptions()
	r.Augment, o.Test = dataset.Augment{}, nil
	o.Training = small
	want, lines := trained(t, r, o)
	r.Sizes = dataset.Sizes{{Until: 0.999, Pixels: 8}} // rounded, that is the whole run
	o.Training = doubled
	got, gotLines := trained(t, r, o)
	if d := difference(t, got, want); d > 1e-4 {
		t.Errorf("the weights differ by %g", d)
	}
	closeLines(t, "doubled", gotLines, lines, 1e-4)
	r.Sizes = nil
	if other, _ := trained(t, r, o); difference(t, other, want) < 1e-2 {
		t.Error("training on whole images gave the same weights")
	}
}

func TestSizesThatDoNotFit(t *testing.T) {
	r := testRecipe()
	r.Sizes = dataset.Sizes{{Until: 0.5, Pixels: 8}}
	dir := filepath.Join(t.TempDir(), "run")
	if _, err := Train(context.Background(), dir, r, testOptions()); err == nil || Exists(dir) {
		t.Errorf("images of 8 pixels were shrunk to 8: %v", err)
	}
}

func TestAverages(t *testing.T) {
	plain, r := testRecipe(), testRecipe()
	r.AverageDecay = 0.8
	o := testOptions()
	o.CheckpointEvery, o.Keep = -1, 100
	dir := t.TempDir()
	outcome, err := Train(context.Background(), dir, r, o)
	if err != nil {
		t.Fatal(err)
	}
	// Training is what it is without averages.
	without, _ := trained(t, plain, testOptions())
	last, _ := finished(t, dir)
	for name, tensor := range last.Training {
		if !slices.Equal(tensor.Data, without.Weights[name].Data) {
			t.Errorf("averaging changed %s of the training", name)
		}
	}
	// The averages are those of the weights in all checkpoints.
	means := map[string][]float64{}
	for step := 1; step <= 21; step++ {
		state, err := checkpoint.Load(checkpointPath(dir, step))
		if err != nil {
			t.Fatal(err)
		}
		share := max(1-r.AverageDecay, 1/float64(step))
		for name, tensor := range state.Training {
			if means[name] == nil {
				means[name] = make([]float64, len(tensor.Data))
			}
			for i, w := range tensor.Data {
				means[name][i] += share * (float64(w) - means[name][i])
				if got := float64(state.Weights[name].Data[i]); math.Abs(got-means[name][i]) > 1e-5*(1+math.Abs(got)) {
					t.Fatalf("step %d: the average of %s[%d] is %g, want %g", step, name, i, got, means[name][i])
				}
			}
		}
	}
	// They are what was evaluated, what Outcome has, and what a reader of the checkpoint gets.
	store, err := declare(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := last.Restore(store, ModelPath); err != nil {
		t.Fatal(err)
	}
	for variable := range store.Scope(ModelPath).IterVariables() {
		got := tensors.MustCopyFlatData[float32](outcome.Store.GetVariable(variable.Path()).MustValue())
		if want := tensors.MustCopyFlatData[float32](variable.MustValue()); !slices.Equal(got, want) {
			t.Errorf("Outcome has other values of %s than the checkpoint", variable.Path())
		}
	}
	network, err := infer.New(o.Backend, store, ModelPath, r.Model, r.Normalization)
	if err != nil {
		t.Fatal(err)
	}
	defer network.Finalize()
	result, err := network.Evaluate(context.Background(), o.Test, 30, nil)
	if err != nil {
		t.Fatal(err)
	}
	if result.Loss != outcome.Test.Loss {
		t.Errorf("the averages have test loss %g, but the run ends with %g", result.Loss, outcome.Test.Loss)
	}
	for variable := range outcome.Store.IterVariables() {
		if strings.HasPrefix(variable.Path(), optim.AverageScope) {
			t.Errorf("%s is still in the store", variable.Path())
		}
	}
}

func TestAveragesOfSeveralDevices(t *testing.T) {
	one := sizesAndAverages()
	want, _ := trained(t, one, testOptions())
	two := sizesAndAverages()
	two.Devices = 2
	got, _ := trained(t, two, manyDevices(t, "cpu:devices=2"))
	if d := difference(t, got, want); d > 1e-4 {
		t.Errorf("the weights differ by %g", d)
	}
}
