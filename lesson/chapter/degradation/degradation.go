// Package degradation is the code of notebook 2, The degradation problem, and of the command
// that make lesson runs: the experiment that motivated residual networks (He et al. 2015,
// figures 1 and 6). A deeper plain network trains worse than a shallower one, although it
// could copy the shallower one's layers and make the others the identity. With shortcuts it
// does not.
//
// The experiment trains four networks, plain and residual, shallow and deep, with the same
// recipe, the same seed and the same batches. They differ only in depth and shortcuts.
//
// degradation.go is the experiment, signal.go measures signals and gradients before and after it,
// start.go gradients with and without batch norms and shortcuts, and sweep.go trains the four
// networks at several learning rates.
package degradation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path/filepath"

	"github.com/gomlx/compute"

	"github.com/residual-go/residual/lesson/aligned"
	"github.com/residual-go/residual/lesson/words"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/optim"
	"github.com/residual-go/residual/pkg/plots"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/run"
)

// Experiment describes the networks to compare and how they are trained.
type Experiment struct {
	// Shallow and Deep are the two depths. Each must be 6n+2 for some n.
	Shallow, Deep int
	// Width is the number of channels in the first stage, and Stem the layers before it.
	Width int
	Stem  resnet.Stem
	// Recipe trains all four networks, each in place of its Model. The caller opens the images
	// and applies Subset.
	Recipe recipe.Recipe
	// AnyBackend lets [Experiment.Run] resume runs that were trained on another backend; see
	// [run.Options].
	AnyBackend bool
}

// Default returns the experiment with the paper's depths and width: 20 and 56 layers, and 16
// channels. It is sized for ten minutes on two cores: 10,000 images, and the ImageNet stem,
// which shrinks 32×32 images to 8×8 maps. The paper's stem keeps the size and needs 15 times
// the multiply-adds, so in the same time the networks would see the images too few times.
// [Quick] takes half the time.
func Default() Experiment {
	return Experiment{
		Shallow: 20, Deep: 56, Width: 16, Stem: resnet.ImageNetStem,
		Recipe: recipe.Recipe{
			Name: "degradation", Subset: "10000,2000", Epochs: 18, BatchSize: 32, DropLast: true,
			LearningRate: 0.05, Schedule: optim.Schedule{Kind: optim.Cosine, WarmUp: 0.05},
			Momentum: 0.9, WeightDecay: 1e-4, DecayNormsAndBiases: true,
			Augment:       dataset.Augment{Crop: 4, Flip: true},
			Normalization: dataset.CIFAR10Normalization(), Seed: 42,
		},
	}
}

// Quick returns the experiment of Default in half the time: half the epochs, and images that are
// mirrored but not shifted, which takes fewer epochs to learn.
func Quick() Experiment {
	e := Default()
	e.Recipe.Epochs, e.Recipe.Augment, e.Recipe.Schedule.WarmUp = 9, dataset.Augment{Flip: true}, 0.1
	return e
}

// Arm is one of the four networks and its results.
type Arm struct {
	Network    string  `json:"network"`
	Depth      int     `json:"depth"`
	Plain      bool    `json:"plain"`
	Parameters int64   `json:"parameters"`
	TrainLoss  float64 `json:"train_loss"`
	TrainTop1  float64 `json:"train_top1"`
	TestTop1   float64 `json:"test_top1"` // of the images that Result.TestSplit says
	Weights    string  `json:"weights"`
	Dir        string  `json:"dir"`
}

// Result is the outcome of the experiment.
type Result struct {
	Data string `json:"data"`
	// TestSplit is the part of the data that the networks were tested on.
	TestSplit dataset.Split `json:"test_split"`
	// Arms are plain shallow, plain deep, residual shallow and residual deep, in this order.
	Arms []Arm `json:"arms"`
	// PlainGap and ResidualGap are the training loss of the deep network minus that of the
	// shallow one. Above 0, depth did harm.
	PlainGap    float64 `json:"plain_gap"`
	ResidualGap float64 `json:"residual_gap"`

	// The figures of signal and gradient measure with these.
	backend  compute.Backend
	training *dataset.Images
}

// configs returns the networks and their depths, in the order of [Result.Arms].
func (e Experiment) configs(classes int) ([]resnet.Config, []int, error) {
	var configs []resnet.Config
	var depths []int
	for _, plain := range []bool{true, false} {
		for _, depth := range []int{e.Shallow, e.Deep} {
			config, err := resnet.CIFAR(depth, e.Width)
			if err != nil {
				return nil, nil, err
			}
			config.Name, config.Stem, config.Classes = fmt.Sprintf("resnet%d", depth), e.Stem, classes
			if plain {
				config = config.PlainTwin()
			}
			configs, depths = append(configs, config), append(depths, depth)
		}
	}
	return configs, depths, nil
}

// Validate returns an error if the experiment cannot be run.
func (e Experiment) Validate() error {
	if e.Shallow >= e.Deep {
		return fmt.Errorf("depths %d and %d: the first must be less than the second", e.Shallow, e.Deep)
	}
	configs, _, err := e.configs(1)
	if err != nil {
		return err
	}
	for _, config := range configs {
		r := e.Recipe
		r.Model = config
		if err := r.Validate(); err != nil {
			return err
		}
	}
	return nil
}

// Run trains the four networks one after the other, each in the folder of its name under
// dir. Existing runs of the same recipe are resumed, or used as they are if they are
// complete; a run of a different recipe is a [run.ErrOtherRecipe]. report returns the reporter for the
// network of the given name.
func (e Experiment) Run(ctx context.Context, dir string, backend compute.Backend, training, test *dataset.Images,
	report func(network string) run.Reporter) (*Result, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	configs, depths, err := e.configs(len(training.Classes))
	if err != nil {
		return nil, err
	}
	result := &Result{Data: training.Name, TestSplit: test.TestSplit(), backend: backend, training: training}
	for i, config := range configs {
		r := e.Recipe
		r.Model = config
		arm, err := train(ctx, filepath.Join(dir, config.Name), r, run.Options{
			Backend: backend, AnyBackend: e.AnyBackend, Training: training, Test: test, Report: report(config.Name),
			// At least one line an epoch, so that the curves have points.
			LogEvery: max(1, min(20, training.Len()/r.BatchSize)),
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", config.Name, err)
		}
		arm.Depth = depths[i]
		result.Arms = append(result.Arms, *arm)
	}
	result.PlainGap = result.Arms[1].TrainLoss - result.Arms[0].TrainLoss
	result.ResidualGap = result.Arms[3].TrainLoss - result.Arms[2].TrainLoss
	return result, nil
}

func train(ctx context.Context, dir string, r recipe.Recipe, options run.Options) (*Arm, error) {
	outcome, err := run.TrainOrResume(ctx, dir, r, options)
	if err != nil {
		return nil, err
	}
	defer outcome.Store.Finalize()
	lines, err := run.ReadMetrics(dir)
	if err != nil {
		return nil, err
	}
	arm := &Arm{Network: r.Model.Name, Plain: r.Model.Plain, Weights: outcome.Weights, Dir: dir, TestTop1: outcome.Test.Top1}
	for _, line := range lines {
		if line.Kind == run.EpochLine {
			arm.TrainLoss, arm.TrainTop1 = line.Loss, line.Accuracy
		}
	}
	summary, err := r.Model.Summary(options.Training.Height, options.Training.Width)
	if err != nil {
		return nil, err
	}
	arm.Parameters = summary.Parameters
	return arm, nil
}

// WriteTable writes the results as a table with a row for each network.
func (r *Result) WriteTable(w io.Writer) error { return r.WriteTableIn(words.English, w) }

// WriteTableIn writes the table with headings in a language.
func (r *Result) WriteTableIn(l words.Language, w io.Writer) error {
	table := aligned.Right(w, 2)
	fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t\n", l.Text("network"), l.Text("depth"), l.Text("parameters"),
		l.Text("train loss"), l.Text("train accuracy"), l.Sprintf("%s accuracy", l.Text(string(r.TestSplit))))
	for _, arm := range r.Arms {
		fmt.Fprintf(table, "%s\t%d\t%d\t%.4f\t%.2f%%\t%.2f%%\t\n",
			arm.Network, arm.Depth, arm.Parameters, arm.TrainLoss, 100*arm.TrainTop1, 100*arm.TestTop1)
	}
	return table.Flush()
}

// Verdict states in a few sentences what the results show, and no more than that.
func (r *Result) Verdict() string { return r.VerdictIn(words.English) }

// VerdictIn returns the verdict in a language.
func (r *Result) VerdictIn(l words.Language) string {
	say := func(kind string, shallow, deep Arm, gap float64) string {
		if gap > 0 {
			return l.Sprintf("%s: the training loss at depth %d is %.3f higher than at depth %d.", kind, deep.Depth, gap, shallow.Depth)
		}
		return l.Sprintf("%s: the training loss at depth %d is %.3f lower than at depth %d.", kind, deep.Depth, -gap, shallow.Depth)
	}
	verdict := say(l.Text("Plain"), r.Arms[0], r.Arms[1], r.PlainGap) + "\n" + say(l.Text("Residual"), r.Arms[2], r.Arms[3], r.ResidualGap)
	const noticeable = 0.02 // with one seed, a smaller gap may be chance
	if r.PlainGap < noticeable {
		verdict += "\n" + l.Text("At this size the plain network does not degrade with depth: try deeper networks or more epochs.")
	} else if r.ResidualGap > r.PlainGap/2 {
		verdict += "\n" + l.Text("At this size the shortcuts do not undo the damage of depth: try more epochs or more channels.")
	}
	return verdict
}

// ErrorFigureName is the name of the files with the figure of the errors.
const ErrorFigureName = "degradation"

// Drawings returns three figures to be drawn:
// degradation, the training and test errors; degradation-loss, the training losses; and
// gradient-norms, the norm of each layer's gradient before training.
func (r *Result) Drawings(caption string) []plots.Drawing {
	return []plots.Drawing{
		{Name: ErrorFigureName, Draw: func() (*figure.Figure, error) { return r.ErrorFigure(caption) }},
		{Name: "degradation-loss", Draw: func() (*figure.Figure, error) { return r.lossFigure(caption) }},
		{Name: "gradient-norms", Draw: func() (*figure.Figure, error) { return r.GradientFigure(BeforeTraining, caption) }},
	}
}

// ErrorFigure draws the training and test errors of the four runs by epoch, with the plain
// networks on the left and the residual ones on the right.
func (r *Result) ErrorFigure(caption string) (*figure.Figure, error) {
	var runs []figure.Run
	for _, arm := range r.Arms {
		line, err := errorsByEpoch(arm.Network, arm.Dir)
		if err != nil {
			return nil, err
		}
		runs = append(runs, line)
	}
	return errorFigure(runs, r.TestSplit, figure.Caption(caption))
}

// ErrorFigureSoFar draws the same while [Experiment.Run] is under way: the epochs that the runs in dir
// have behind them, tested on the given split. The legends name all four networks.
func (e Experiment) ErrorFigureSoFar(dir string, split dataset.Split, caption string) (*figure.Figure, error) {
	configs, _, err := e.configs(1)
	if err != nil {
		return nil, err
	}
	var runs []figure.Run
	for _, config := range configs {
		line := figure.Run{Name: config.Name}
		if of := filepath.Join(dir, config.Name); run.Exists(of) {
			if line, err = errorsByEpoch(config.Name, of); err != nil {
				return nil, err
			}
		}
		for epoch := len(line.X) + 1; epoch <= e.Recipe.Epochs; epoch++ {
			line.X = append(line.X, float64(epoch))
			line.Train, line.Test = append(line.Train, math.NaN()), append(line.Test, math.NaN()) // gaps
		}
		runs = append(runs, line)
	}
	return errorFigure(runs, split, figure.Caption(caption), figure.YRange(0, 1)) // one axis for all these pictures
}

// errorsByEpoch reads the errors of a network from its run in dir.
func errorsByEpoch(network, dir string) (figure.Run, error) {
	line := figure.Run{Name: network}
	lines, err := run.ReadMetrics(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a run without steps has no metrics
		return line, err
	}
	for _, epoch := range lines {
		if epoch.Kind != run.EpochLine {
			continue
		}
		if epoch.TestTop1 == nil {
			return line, fmt.Errorf("the run of %s has epochs without a test", network)
		}
		line.X = append(line.X, float64(epoch.Epoch))
		line.Train = append(line.Train, 1-epoch.Accuracy)
		line.Test = append(line.Test, 1-*epoch.TestTop1)
	}
	return line, nil
}

// errorFigure draws the errors of the four networks, in the order of [Result.Arms].
func errorFigure(runs []figure.Run, split dataset.Split, options ...figure.Option) (*figure.Figure, error) {
	for i := range runs {
		runs[i].Tested = string(split)
	}
	return figure.PlainVsResidual("Plain and residual networks, shallow and deep", "epoch", "error",
		runs[:2], runs[2:], append(options, figure.Percent())...)
}

// style returns the style of an arm, by its place in [Result.Arms].
func style(arm int) figure.Style {
	return figure.NetworkStyle(figure.Family(arm/2), figure.Depth(arm%2))
}

// lossFigure draws the training losses by step. Degradation is about these.
func (r *Result) lossFigure(caption string) (*figure.Figure, error) {
	var curves []figure.Curve
	for i, arm := range r.Arms {
		history, err := plots.Read(arm.Dir)
		if err != nil {
			return nil, err
		}
		curve := figure.Curve{Name: arm.Network, Style: style(i).Training(), Smooth: min(5, len(history.Steps)/5)}
		for _, line := range history.Steps {
			curve.X, curve.Y = append(curve.X, float64(line.Step)), append(curve.Y, line.Loss)
		}
		curves = append(curves, curve)
	}
	return figure.Curves("Training loss", "step", "loss", curves, figure.Caption(caption))
}
