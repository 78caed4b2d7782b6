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
	"github.com/residual-go/residual/pkg/recorded"
	"github.com/residual-go/residual/pkg/run"
	"github.com/residual-go/residual/pkg/weights"
)

// Runs returns the folder with the notebooks' runs.
func Runs() string { return filepath.Join(output(), "runs", "course") }

// Train trains the recipe's network from the start, with a live display, and keeps the run
// under name. It replaces an existing run of that name. If the set has validation images, those are
// evaluated, and the test images are not.
func Train(name string, r recipe.Recipe, set *datasource.Set) *run.Outcome {
	live := NewLive(name)
	outcome := live.Train(name, r, set)
	live.Close()
	return outcome
}

// Trained returns the run of the given name if it was trained with the same recipe on the same
// images, and resumes it if it was interrupted. Otherwise it calls Train. The first time in a
// notebook, it prints that it uses an existing run.
func Trained(name string, r recipe.Recipe, set *datasource.Set) *run.Outcome {
	live := NewLive(name)
	outcome := live.Trained(name, r, set)
	live.Close()
	return outcome
}

// Train is the function of that name with this display, which can show several trainings.
func (l *Live) Train(name string, r recipe.Recipe, set *datasource.Set) *run.Outcome {
	dir := filepath.Join(Runs(), name)
	Check(os.RemoveAll(dir))
	outcome, err := run.Train(Context(), dir, complete(r, set), options(set, l.Reporter(r.Model.Name)))
	if err != nil {
		l.Close()
	}
	if errors.Is(err, run.ErrInterrupted) {
		err = errors.New("interrupted; run the cell again to train from the start")
	}
	return Must(outcome, err)
}

// Trained is the function of that name with this display, which can show several trainings.
func (l *Live) Trained(name string, r recipe.Recipe, set *datasource.Set) *run.Outcome {
	dir := filepath.Join(Runs(), name)
	before, err := run.ReadRecipe(dir)
	if err != nil || !reflect.DeepEqual(before, complete(r, set)) {
		return l.Train(name, r, set)
	}
	if text := fmt.Sprintf("%s is already trained; its run is in runs/course/%s.", name, name); first(text) {
		Say(text)
	}
	outcome, err := run.Resume(Context(), dir, options(set, l.Reporter(r.Model.Name)))
	if err != nil {
		l.Close()
	}
	return Must(outcome, err)
}

// History returns the metrics of the run of the given name.
func History(name string) *plots.History {
	return Must(plots.Read(filepath.Join(Runs(), name)))
}

// Recorded returns the metrics of a recorded run. Its name, such as "cifar10-jpeg-24-epochs/plain56",
// is the path of its folder in lesson/recorded.
func Recorded(name string) *plots.History {
	return Must(plots.Read(recordedDir(name)))
}

// RecordedWeights returns the network of a recorded run with its weights.
func RecordedWeights(name string) *weights.Model {
	return Must(weights.Open(Context(), Must(recorded.Weights(recordedDir(name))), weights.Options{}))
}

// recordedDir returns the folder of a recorded run. Unlike the runs of the notebooks themselves, it is
// always in the checkout.
func recordedDir(name string) string {
	return filepath.Join(Root(), "lesson", "recorded", filepath.FromSlash(name))
}

// complete returns the recipe with the fields that name its images filled in.
func complete(r recipe.Recipe, set *datasource.Set) recipe.Recipe {
	r.Data, r.Model.Classes = set.Training.Name, len(set.Training.Classes)
	if set.Validation != nil {
		r.Validation = set.Validation.Len()
	}
	r.Subset = fmt.Sprintf("%d,%d", set.Training.Len()+r.Validation, set.Test.Len())
	return r
}

func options(set *datasource.Set, report run.Reporter) run.Options {
	// On another backend an interrupted run resumes with a note: a notebook has no flag that asks for that.
	return run.Options{Backend: Backend(), AnyBackend: true, Training: set.Training, Test: set.InTraining(), Report: report, LogEvery: 20}
}
