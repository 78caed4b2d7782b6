package run

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/recipe"
)

// quickRecipe returns a recipe with images of three sizes, which change after steps 6 and 13 of 21, and
// with Muon.
func quickRecipe() recipe.Recipe {
	r := testRecipe()
	r.Sizes = dataset.Sizes{{Until: 0.3, Pixels: 4}, {Until: 0.6, Pixels: 6}}
	r.Muon = 0.2
	return r
}

func TestQuickResumesToTheSameBits(t *testing.T) {
	whole := t.TempDir()
	if _, err := Train(context.Background(), whole, quickRecipe(), testOptions()); err != nil {
		t.Fatal(err)
	}
	want, wantLines := finalWeights(t, whole), epochLines(t, whole)
	if plain, _ := uninterrupted(t); maps.Equal(want, plain) {
		t.Error("sizes and Muon change nothing")
	}
	for _, step := range []int{5, 6, 7, 13, 21} {
		dir := t.TempDir()
		interruptRecipeAt(t, dir, quickRecipe(), step)
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

func TestQuickOnTheDevice(t *testing.T) {
	want, lines := trained(t, quickRecipe(), testOptions())
	for _, readEvery := range []int{1, 5, 99} {
		o := testOptions()
		o.Input, o.ReadEvery = InputDevice, readEvery
		got, gotLines := trained(t, quickRecipe(), o)
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

func TestQuickOnSeveralDevices(t *testing.T) {
	want, _ := trained(t, quickRecipe(), testOptions())
	two := quickRecipe()
	two.Devices = 2
	got, _ := trained(t, two, manyDevices(t, "cpu:devices=2"))
	if d := difference(t, got, want); d > 1e-3 {
		t.Errorf("the weights differ by %g", d)
	}
}
