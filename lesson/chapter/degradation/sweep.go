package degradation

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/gomlx/compute"

	"github.com/residual-go/residual/lesson/chapter/internal/record"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/plots"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/run"
)

// Sweep trains the four networks of an experiment at several learning rates, with several seeds, to
// find out whether the result depends on the rate. It looks at training losses only: a rate is not to
// be chosen on test images.
type Sweep struct {
	// Experiment has everything but the learning rate, the warm-up and the seed.
	Experiment Experiment
	Groups     []Group
}

// Group is a part of a sweep: some networks at each of some rates with each of some seeds.
type Group struct {
	Rates []float64
	// WarmUp is the share of the run in which the rate rises; 0 means that of the experiment.
	WarmUp float64
	Seeds  []uint64
	// PlainOnly leaves the residual networks out.
	PlainOnly bool
}

// DefaultSweep returns the sweep that is recorded in lesson/recorded/rates: the experiment of
// [Default] with fewer images and epochs, at its rate and at a quarter and a sixteenth of it, with three
// seeds; at four times the rate, with two; and what might help the plain networks: a sixtieth of the
// rate, and a warm-up over half of the run.
func DefaultSweep() Sweep {
	e := Default()
	e.Recipe.Name, e.Recipe.Subset, e.Recipe.Epochs = "rates", "4000", 6
	return Sweep{e, []Group{
		{Rates: []float64{0.05, 0.0125, 0.003125}, Seeds: []uint64{1, 2, 3}},
		{Rates: []float64{0.2}, Seeds: []uint64{1, 2}},
		{Rates: []float64{0.0008}, Seeds: []uint64{1, 2}, PlainOnly: true},
		{Rates: []float64{0.05}, WarmUp: 0.5, Seeds: []uint64{1, 2, 3}, PlainOnly: true},
	}}
}

// Trial is one training of a sweep.
type Trial struct {
	Recipe recipe.Recipe `json:"recipe"`
	// Losses and Accuracies are those of the training images in each epoch, which are augmented
	// and seen while the weights change. A training that ended with a loss of NaN has fewer
	// epochs, and Diverged says so.
	Losses     []float64 `json:"losses"`
	Accuracies []float64 `json:"accuracies"`
	Diverged   string    `json:"diverged,omitempty"`
}

// Recipes returns the recipes of all trials, for images of the given name and number of classes,
// in the order in which they are trained.
func (s Sweep) Recipes(data string, classes int) ([]recipe.Recipe, error) {
	configs, _, err := s.Experiment.configs(classes)
	if err != nil {
		return nil, err
	}
	var recipes []recipe.Recipe
	for _, group := range s.Groups {
		for _, seed := range group.Seeds {
			for _, rate := range group.Rates {
				for _, config := range configs {
					if group.PlainOnly && !config.Plain {
						continue
					}
					r := s.Experiment.Recipe
					r.Data, r.Model, r.LearningRate, r.Seed = data, config, rate, seed
					if group.WarmUp > 0 {
						r.Schedule.WarmUp = group.WarmUp
					}
					recipes = append(recipes, r)
				}
			}
		}
	}
	return recipes, nil
}

// Run trains every trial that the file at path does not have yet, and adds it to the file when it is
// finished. In the end, the file has the sweep's trials, in their order, and no others. report is called
// with the number of trials done, the number of all, and each trial.
func (s Sweep) Run(ctx context.Context, path string, backend compute.Backend, training *dataset.Images,
	report func(done, all int, t Trial)) error {
	if err := s.Experiment.Validate(); err != nil {
		return err
	}
	recipes, err := s.Recipes(training.Name, len(training.Classes))
	if err != nil {
		return err
	}
	before, err := ReadTrials(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var trials []Trial
	for _, r := range recipes {
		if i := slices.IndexFunc(before, func(t Trial) bool { return len(t.Recipe.Differences(r)) == 0 }); i >= 0 {
			trials = append(trials, before[i])
			before = slices.Delete(before, i, i+1)
		} else {
			t, err := try(ctx, r, backend, training)
			if err != nil {
				return fmt.Errorf("%s at rate %g, seed %d: %w", r.Model.Name, r.LearningRate, r.Seed, err)
			}
			trials = append(trials, *t)
			if err := record.Write(path, slices.Concat(trials, before)); err != nil { // those to come stay
				return err
			}
		}
		report(len(trials), len(recipes), trials[len(trials)-1])
	}
	return record.Write(path, trials)
}

// try trains one network in a temporary folder.
func try(ctx context.Context, r recipe.Recipe, backend compute.Backend, training *dataset.Images) (*Trial, error) {
	temporary, err := os.MkdirTemp("", "rates-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temporary)
	dir := filepath.Join(temporary, r.Model.Name)
	outcome, trainErr := run.Train(ctx, dir, r, run.Options{Backend: backend, Training: training})
	if outcome != nil {
		outcome.Store.Finalize()
	}
	t := &Trial{Recipe: r}
	if errors.Is(trainErr, run.ErrDiverged) {
		t.Diverged = trainErr.Error()
	} else if trainErr != nil {
		return nil, trainErr
	}
	lines, err := run.ReadMetrics(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, line := range lines {
		if line.Kind == run.EpochLine {
			t.Losses, t.Accuracies = append(t.Losses, line.Loss), append(t.Accuracies, line.Accuracy)
		}
	}
	return t, nil
}

// ReadTrials reads the trials of a sweep from the file at path, which has a JSON line for each.
func ReadTrials(path string) ([]Trial, error) { return record.Read[Trial](path) }

// Loss returns the training loss of the trial's last epoch, or NaN if it diverged.
func (t Trial) Loss() float64 {
	if t.Diverged != "" || len(t.Losses) == 0 {
		return math.NaN()
	}
	return t.Losses[len(t.Losses)-1]
}

// Setting is what the trials of one network have in common that differ only in their seed.
type Setting struct {
	Network      string
	Rate, WarmUp float64
}

func (t Trial) setting() Setting {
	return Setting{t.Recipe.Model.Name, t.Recipe.LearningRate, t.Recipe.Schedule.WarmUp}
}

// Losses returns the losses of the trials with a setting, in their order.
func Losses(trials []Trial, s Setting) []float64 {
	var losses []float64
	for _, t := range trials {
		if t.setting() == s {
			losses = append(losses, t.Loss())
		}
	}
	return losses
}

// networks returns the names of the networks in the trials, in the order of [Result.Arms].
func networks(trials []Trial) []string {
	var names []string
	for _, t := range trials {
		if !slices.Contains(names, t.Recipe.Model.Name) {
			names = append(names, t.Recipe.Model.Name)
		}
	}
	return names
}

// axis returns the rates of the trials with the shortest warm-up, from low to high, and the
// shortest and the longest warm-up.
func axis(trials []Trial) (rates []float64, short, long float64) {
	short, long = 1, 0
	for _, t := range trials {
		short, long = min(short, t.Recipe.Schedule.WarmUp), max(long, t.Recipe.Schedule.WarmUp)
	}
	for _, t := range trials {
		if rate := t.Recipe.LearningRate; t.Recipe.Schedule.WarmUp == short && !slices.Contains(rates, rate) {
			rates = append(rates, rate)
		}
	}
	slices.Sort(rates)
	return rates, short, long
}

// RateTable returns the training losses of a sweep: a row for each network, with the lowest and the
// highest loss of its seeds at each rate and, last, with the long warm-up.
func RateTable(trials []Trial) (header []string, rows [][]string) {
	rates, short, long := axis(trials)
	header = []string{"network"}
	for _, rate := range rates {
		header = append(header, fmt.Sprintf("rate %g", rate))
	}
	var warmed []float64 // rates with the long warm-up
	for _, t := range trials {
		if rate := t.Recipe.LearningRate; long > short && t.Recipe.Schedule.WarmUp == long && !slices.Contains(warmed, rate) {
			warmed = append(warmed, rate)
			header = append(header, fmt.Sprintf("%g, warm-up over %g%% of the run", rate, 100*long))
		}
	}
	for _, network := range networks(trials) {
		row := []string{network}
		for _, rate := range rates {
			row = append(row, span(Losses(trials, Setting{network, rate, short})))
		}
		for _, rate := range warmed {
			row = append(row, span(Losses(trials, Setting{network, rate, long})))
		}
		rows = append(rows, row)
	}
	return header, rows
}

// span writes the range of some losses, such as "1.85 to 1.87".
func span(losses []float64) string {
	if len(losses) == 0 {
		return "–"
	}
	low, high := fmt.Sprintf("%.2f", slices.Min(losses)), fmt.Sprintf("%.2f", slices.Max(losses)) // NaN if there is one
	if low == high {
		return low
	}
	return low + " to " + high
}

// RateFigure draws the training loss of the last epoch by learning rate, with a line for each network and
// seed, and without the trials with the long warm-up.
func RateFigure(trials []Trial, caption string) (*figure.Figure, error) {
	rates, short, _ := axis(trials)
	var seeds []uint64
	for _, t := range trials {
		if !slices.Contains(seeds, t.Recipe.Seed) {
			seeds = append(seeds, t.Recipe.Seed)
		}
	}
	var curves []figure.Curve
	for _, network := range networks(trials) {
		first := slices.IndexFunc(trials, func(t Trial) bool { return t.Recipe.Model.Name == network })
		style := plots.Styles(trials[first].Recipe.Model)[0].Training()
		for i, seed := range seeds {
			curve := figure.Curve{X: rates, Style: style}
			for _, rate := range rates {
				loss := math.NaN() // a gap
				for _, t := range trials {
					if t.setting() == (Setting{network, rate, short}) && t.Recipe.Seed == seed {
						loss = t.Loss()
					}
				}
				curve.Y = append(curve.Y, loss)
			}
			if i == 0 {
				curve.Name = network
			}
			curves = append(curves, curve)
		}
	}
	return figure.Curves("Training loss of the last epoch, by learning rate", "learning rate (highest of the run)", "loss",
		curves, figure.LogX(), figure.Caption(caption))
}
