package recorded

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/residual-go/residual/lesson/chapter/degradation"
)

// The recorded sweep has every training that its program makes, once, and its README has their losses.
func TestRecordedRatesAreWhole(t *testing.T) {
	trials, err := degradation.ReadTrials(filepath.Join(root, "rates", "trials.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	recipes, err := degradation.DefaultSweep().Recipes(images+", first 4000", 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(trials) != len(recipes) {
		t.Errorf("%d trainings, want %d", len(trials), len(recipes))
	}
	for _, r := range recipes {
		found := 0
		for _, trial := range trials {
			if len(trial.Recipe.Differences(r)) == 0 {
				found++
				if trial.Diverged == "" && len(trial.Losses) != r.Epochs {
					t.Errorf("%s at rate %g, seed %d: %d epochs, want %d", r.Model.Name, r.LearningRate, r.Seed, len(trial.Losses), r.Epochs)
				}
			}
		}
		if found != 1 {
			t.Errorf("%s at rate %g, warm-up %g, seed %d is there %d times, want once", r.Model.Name, r.LearningRate, r.Schedule.WarmUp, r.Seed, found)
		}
	}
	readme := readReadme(t, "rates")
	header, rows := degradation.RateTable(trials)
	for i, cells := range append([][]string{header}, rows...) {
		if i > 0 {
			cells[0] = "`" + cells[0] + "`"
		}
		if row := "| " + strings.Join(cells, " | ") + " |"; !strings.Contains(readme, row) {
			t.Errorf("the README lacks the row %s", row)
		}
	}
}
