package notebook

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"

	"github.com/residual-go/residual/pkg/datasource"
	"github.com/residual-go/residual/pkg/plots"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/run"
)

// Runs is the folder where the notebooks' trainings are kept.
func Runs() string { return filepath.Join(output(), "runs", "course") }

// Train trains a network by the recipe, from the start, with a bar and a curve to watch,
// and keeps the run under name.
func Train(name string, r recipe.Recipe, set *datasource.Set) *run.Outcome {
	dir, live := filepath.Join(Runs(), name), NewLive(name)
	Check(os.RemoveAll(dir))
	outcome, err := run.Train(Context(), dir, complete(r, set), options(set, live.Reporter(r.Model.Name)))
	live.Close()
	if errors.Is(err, run.ErrInterrupted) {
		err = errors.New("interrupted; run the cell again to train from the start")
	}
	return Must(outcome, err)
}

// Trained returns the run of that name if it was trained by the same recipe on the same
// images; it says so once in a notebook. Otherwise it trains it, from where an earlier
// training was interrupted if that is why.
func Trained(name string, r recipe.Recipe, set *datasource.Set) *run.Outcome {
	dir := filepath.Join(Runs(), name)
	if before, err := run.ReadRecipe(dir); err == nil && reflect.DeepEqual(before, complete(r, set)) {
		if text := fmt.Sprintf("%s is trained already; its run is in runs/course/%s.", name, name); first(text) {
			fmt.Println(text)
		}
		live := NewLive(name)
		outcome, err := run.Resume(Context(), dir, options(set, live.Reporter(r.Model.Name)))
		live.Close()
		return Must(outcome, err)
	}
	return Train(name, r, set)
}

// History returns the metrics of the run of that name.
func History(name string) *plots.History {
	return Must(plots.Read(filepath.Join(Runs(), name)))
}

// complete writes down in the recipe which images it is for.
func complete(r recipe.Recipe, set *datasource.Set) recipe.Recipe {
	r.Data, r.Model.Classes = set.Training.Name, len(set.Training.Classes)
	r.Subset = fmt.Sprintf("%d,%d", set.Training.Len(), set.Test.Len())
	return r
}

func options(set *datasource.Set, report run.Reporter) run.Options {
	return run.Options{Backend: Backend(), Training: set.Training, Test: set.Test, Report: report, LogEvery: 20}
}
