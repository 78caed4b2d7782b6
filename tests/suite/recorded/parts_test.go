package recorded

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/residual-go/residual/lesson/chapter/pipeline"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/recipe"
)

// The recorded trainings of quick and its variants are among those that their program makes today, and their
// README has their accuracies.
func TestRecordedPartsAreWhole(t *testing.T) {
	const held = 2500
	results, err := pipeline.Read(filepath.Join(root, "quick-parts"), 32)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := recipe.ByName("quick")
	if err != nil {
		t.Fatal(err)
	}
	whole.Data, whole.Validation = images+", first 15000, without 2500 for validation", held
	variants := pipeline.Variants(whole, 32)
	recorded := map[string]bool{}
	for _, r := range results {
		recorded[r.Name] = true
		i := slices.IndexFunc(variants, func(v pipeline.Variant) bool { return v.Name == r.Name })
		if differences := r.Recipe.Differences(variants[i].Recipe); len(differences) > 0 {
			t.Errorf("%s: the recipes differ: %v", r.Name, differences)
		}
		if len(r.Epochs) != r.Recipe.Epochs {
			t.Errorf("%s: %d epochs, want %d", r.Name, len(r.Epochs), r.Recipe.Epochs)
		}
		for _, epoch := range r.Epochs {
			if epoch.TestSplit != dataset.Validation || epoch.TestImages != held || !(epoch.Seconds > 0) {
				t.Errorf("%s, epoch %d: evaluated on %d %s images after %g s", r.Name, epoch.Epoch, epoch.TestImages, epoch.TestSplit, epoch.Seconds)
			}
		}
	}
	for _, v := range variants {
		if !recorded[v.Name] {
			t.Errorf("%s is not recorded", v.Name)
		}
	}
	readme := readReadme(t, "quick-parts")
	_, rows := pipeline.Table(results)
	for i, cells := range rows {
		if row := "| `" + results[i].Name + "` | " + strings.Join(cells, " | ") + " |"; !strings.Contains(readme, row) {
			t.Errorf("the README lacks the row %s", row)
		}
	}
}
