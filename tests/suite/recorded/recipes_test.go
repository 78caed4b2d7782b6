package recorded

import (
	"fmt"
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
	readme := readReadme(t, "quick")
	var accuracies []float64
	for seed := uint64(1); seed <= 3; seed++ {
		took, accuracy := checkTraining(t, "quick", seed, readme)
		if took > 10*time.Minute {
			t.Errorf("seed %d took %v", seed, took)
		}
		accuracies = append(accuracies, accuracy)
	}
	slices.Sort(accuracies)
	median := accuracies[1]
	if text := fmt.Sprintf("The median is %.2f%%.", 100*median); !strings.Contains(readme, text) || median < 0.84 {
		t.Errorf("the median is %.2f%%, want at least 84%%, and in the README", 100*median)
	}
}

// The recorded training by best is that of today's recipe, and its README has its time and accuracies.
func TestRecordedBest(t *testing.T) {
	checkTraining(t, "best", 42, readReadme(t, "best"))
}

// checkTraining checks that a run followed the recipe after which its set is named, to the end, and that the
// README has its row. It returns the time of training and the test accuracy of the last epoch.
func checkTraining(t *testing.T, set string, seed uint64, readme string) (took time.Duration, accuracy float64) {
	t.Helper()
	name := fmt.Sprintf("seed-%d", seed)
	dir := filepath.Join(root, set, name)
	r, err := run.ReadRecipe(dir)
	if err != nil {
		t.Fatal(err)
	}
	want, err := recipe.ByName(set)
	if err != nil {
		t.Fatal(err)
	}
	want.Data, want.Seed = images, seed
	if differences := want.Differences(r); len(differences) > 0 {
		t.Errorf("%s differs from the recipe in %v", dir, differences)
	}
	epochs, err := run.ReadMetrics(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(epochs) != r.Epochs {
		t.Fatalf("%s: %d epochs, want %d", dir, len(epochs), r.Epochs)
	}
	seconds := 0.0
	for _, m := range epochs {
		seconds += m.Seconds
		if m.TestSplit != dataset.Test || m.TestImages != 10000 {
			t.Errorf("%s, epoch %d: evaluated on %d %s images", dir, m.Epoch, m.TestImages, m.TestSplit)
		}
	}
	took = time.Duration(seconds * float64(time.Second)).Round(time.Second)
	last := epochs[len(epochs)-1]
	row := fmt.Sprintf("| `%s` | %s | %.2f%% | %.2f%% |", name, inWords(took), 100*last.Accuracy, 100**last.TestTop1)
	if !strings.Contains(readme, row) {
		t.Errorf("the README of %s lacks the row %s", set, row)
	}
	return took, *last.TestTop1
}

// inWords returns a time as the READMEs write it: "7 min 35 s", or "1 h 36 min".
func inWords(d time.Duration) string {
	if d >= time.Hour {
		d = d.Round(time.Minute)
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
}
