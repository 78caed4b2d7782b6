package recorded

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/run"
)

// The recorded trainings by quick are those of today's recipe, took ten minutes at most, and reach 84% in the
// median; their README has their times and accuracies.
func TestRecordedQuick(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(root, "quick", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var accuracies []float64
	for seed := uint64(1); seed <= 3; seed++ {
		name := fmt.Sprintf("seed-%d", seed)
		dir := filepath.Join(root, "quick", name)
		r, err := run.ReadRecipe(dir)
		if err != nil {
			t.Fatal(err)
		}
		want, err := recipe.ByName("quick")
		if err != nil {
			t.Fatal(err)
		}
		want.Data, want.Seed = images, seed
		if differences := want.Differences(r); len(differences) > 0 {
			t.Errorf("%s differs from quick in %v", name, differences)
		}
		epochs, err := run.ReadMetrics(dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(epochs) != r.Epochs {
			t.Fatalf("%s: %d epochs, want %d", name, len(epochs), r.Epochs)
		}
		seconds := 0.0
		for _, m := range epochs {
			seconds += m.Seconds
			if m.TestSplit != dataset.Test || m.TestImages != 10000 {
				t.Errorf("%s, epoch %d: evaluated on %d %s images", name, m.Epoch, m.TestImages, m.TestSplit)
			}
		}
		took := time.Duration(seconds * float64(time.Second)).Round(time.Second)
		if took > 10*time.Minute {
			t.Errorf("%s took %v", name, took)
		}
		last := epochs[len(epochs)-1]
		accuracies = append(accuracies, *last.TestTop1)
		row := fmt.Sprintf("| `%s` | %d min %d s | %.2f%% | %.2f%% |", name, took/time.Minute, took%time.Minute/time.Second, 100*last.Accuracy, 100**last.TestTop1)
		if !strings.Contains(string(readme), row) {
			t.Errorf("the README lacks the row %s", row)
		}
	}
	slices.Sort(accuracies)
	median := accuracies[1]
	if text := fmt.Sprintf("The median is %.2f%%.", 100*median); !strings.Contains(string(readme), text) || median < 0.84 {
		t.Errorf("the median is %.2f%%, want at least 84%%, and in the README", 100*median)
	}
}
