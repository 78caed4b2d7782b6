package transfer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/run"
	"github.com/residual-go/residual/pkg/statedict"
)

// Way is a way to learn new classes.
type Way int

const (
	// Scratch starts from random weights and trains them all.
	Scratch Way = iota
	// Frozen trains a new head on a trained body, which does not change.
	Frozen
	// FineTuned trains a new head and the trained body together.
	FineTuned
)

// Ways lists all ways.
var Ways = []Way{Scratch, Frozen, FineTuned}

// String describes the way in words.
func (w Way) String() string {
	return [...]string{"from scratch", "frozen body", "fine-tuned"}[w]
}

// Experiment has the settings of an experiment that measures how much each way learns from
// how many images.
type Experiment struct {
	// PerClass lists the numbers of training images per class to try.
	PerClass []int
	// Seeds is the number of repetitions, each with other images and other random weights.
	Seeds int
	// BatchSize applies to every training. With fewer images than BatchSize, a batch holds all
	// of them.
	BatchSize int
	// Budgets has what each Way may try.
	Budgets [3]Budget
}

// Budget is what a way may try on each set of training images. Which of it is best, the
// validation images decide.
type Budget struct {
	LearningRates []float64
	// Steps lists when a training is measured on the validation images, in ascending order. It
	// ends after the last of them, or at one of them if its loss is then below [Learned].
	Steps []int
}

// Learned is a training loss below which a training has little left to learn from its images.
const Learned = 0.01

// Default returns the experiment of the course.
func Default() Experiment {
	whole := []int{50, 100, 200, 400, 800}
	return Experiment{
		PerClass: []int{5, 20, 100, 500}, Seeds: 2, BatchSize: 32,
		Budgets: [3]Budget{
			Scratch:   {LearningRates: []float64{0.1, 0.03}, Steps: whole},
			Frozen:    {LearningRates: []float64{0.1, 0.02, 0.004}, Steps: []int{100, 300, 1000, 3000}},
			FineTuned: {LearningRates: []float64{0.03, 0.01}, Steps: whole},
		},
	}
}

// Trial is one training, measured on the validation images.
type Trial struct {
	LearningRate float64
	// Steps has the numbers of steps after which the training was measured.
	Steps []int
	// Loss has the training loss then: the mean over the last 10 steps.
	Loss []float64
	// Validation has the accuracy on the validation images then.
	Validation []float64
}

// Best returns the index of the highest validation accuracy, of the first if there are several.
func (t Trial) Best() int { return slices.Index(t.Validation, slices.Max(t.Validation)) }

// Result is the outcome of an experiment.
type Result struct {
	PerClass []int
	// Accuracy is the accuracy on the test images. Accuracy[way][i] has a value for every
	// seed, for PerClass[i] training images per class.
	Accuracy [3][][]float64
	// Chosen has, in the same order, the trial that the validation images chose. What was
	// tested are its weights after Steps[Best()].
	Chosen [3][][]Trial
}

// Run trains networks to classify the images of training, each on a few of them. On each sample a
// way tries all its learning rates; the weights with the highest accuracy on validation are
// tested on test, once. The trained body is that of pretrained, which Run does not change. report
// returns the reporter for a way; it sees each training as an epoch.
func (e Experiment) Run(ctx context.Context, pretrained *Network, training, validation, test *dataset.Images,
	report func(Way) run.Reporter) (*Result, error) {
	for _, way := range Ways {
		if b := e.Budgets[way]; len(b.LearningRates) == 0 || len(b.Steps) == 0 {
			return nil, fmt.Errorf("%s: its budget has %d learning rates and %d numbers of steps, want at least one of each",
				way, len(b.LearningRates), len(b.Steps))
		}
	}
	validationFeatures, err := pretrained.features(validation)
	if err != nil {
		return nil, err
	}
	result := &Result{PerClass: e.PerClass}
	var progress [3]*progress
	for _, way := range Ways {
		progress[way] = newProgress(report(way), len(e.PerClass)*e.Seeds*len(e.Budgets[way].LearningRates))
		result.Accuracy[way] = make([][]float64, len(e.PerClass))
		result.Chosen[way] = make([][]Trial, len(e.PerClass))
	}
	for i, perClass := range e.PerClass {
		for seed := range uint64(e.Seeds) {
			few := Sample(training, perClass, seed)
			for _, way := range Ways {
				l := learner{e, way, pretrained, few, validation, validationFeatures, seed, progress[way]}
				chosen, accuracy, err := l.learn(ctx, test)
				if err != nil {
					return nil, fmt.Errorf("%s, %d images per class: %w", way, perClass, err)
				}
				result.Chosen[way][i] = append(result.Chosen[way][i], chosen)
				result.Accuracy[way][i] = append(result.Accuracy[way][i], accuracy)
			}
		}
	}
	return result, nil
}

// learner learns from one sample in one way.
type learner struct {
	Experiment
	way                Way
	pretrained         *Network
	few, validation    *dataset.Images
	validationFeatures *Features
	seed               uint64
	progress           *progress
}

// learn tries all learning rates, and tests the weights that the validation images choose.
func (l learner) learn(ctx context.Context, test *dataset.Images) (chosen Trial, accuracy float64, err error) {
	network, err := start(l.way, l.pretrained, len(l.few.Classes), l.seed)
	if err != nil {
		return Trial{}, 0, err
	}
	defer network.Close()
	initial, err := network.Weights()
	if err != nil {
		return Trial{}, 0, err
	}
	var best Weights
	highest := -1.0
	for _, learningRate := range l.Budgets[l.way].LearningRates {
		if err := statedict.ToScope(network.Scope(), initial); err != nil {
			return Trial{}, 0, err
		}
		trial, weights, err := l.try(ctx, network, learningRate)
		if err != nil {
			return Trial{}, 0, err
		}
		if top := trial.Validation[trial.Best()]; top > highest {
			chosen, best, highest = trial, weights, top
		}
	}
	if err := statedict.ToScope(network.Scope(), best); err != nil {
		return Trial{}, 0, err
	}
	tested, err := network.Evaluate(ctx, test)
	if err != nil {
		return Trial{}, 0, err
	}
	return chosen, tested.Top1, nil
}

// lossSteps is the number of steps that [Trial.Loss] is the mean of.
const lossSteps = 10

// errLearned ends a training that has little left to learn.
var errLearned = errors.New("the training loss is small")

// try trains the network once. It returns the weights with the highest validation accuracy.
func (l learner) try(ctx context.Context, network *Network, learningRate float64) (trial Trial, best Weights, err error) {
	budget := l.Budgets[l.way]
	trial = Trial{LearningRate: learningRate}
	t := Training{Steps: budget.Steps[len(budget.Steps)-1], BatchSize: min(l.BatchSize, l.few.Len()),
		LearningRate: learningRate, Seed: l.seed, Report: l.progress}
	t.After = func(losses []float64) error {
		step := len(losses)
		if !slices.Contains(budget.Steps, step) {
			return nil
		}
		accuracy, err := l.validate(ctx, network)
		if err != nil {
			return err
		}
		loss := mean(losses[max(0, step-lossSteps):])
		trial.Steps, trial.Loss = append(trial.Steps, step), append(trial.Loss, loss)
		trial.Validation = append(trial.Validation, accuracy)
		if trial.Best() == len(trial.Validation)-1 {
			if best, err = network.Weights(); err != nil {
				return err
			}
		}
		if loss < Learned {
			return errLearned
		}
		return nil
	}
	if l.way == Frozen {
		var few *Features
		if few, err = network.Features(l.few); err != nil {
			return trial, nil, err
		}
		_, err = network.TrainHead(ctx, few, t)
	} else {
		_, err = network.Train(ctx, l.few, t)
	}
	if err != nil && !errors.Is(err, errLearned) {
		return trial, nil, err
	}
	l.progress.measured(trial.Validation[trial.Best()])
	return trial, best, nil
}

// validate returns the network's accuracy on the validation images.
func (l learner) validate(ctx context.Context, network *Network) (float64, error) {
	if l.way == Frozen {
		return network.HeadAccuracy(l.validationFeatures)
	}
	result, err := network.Evaluate(ctx, l.validation)
	if err != nil {
		return 0, err
	}
	return result.Top1, nil
}

// start returns the untrained network of a way.
func start(way Way, pretrained *Network, classes int, seed uint64) (*Network, error) {
	if way != Scratch {
		return pretrained.WithNewHead(classes, seed)
	}
	r := pretrained.recipe
	r.Model.Classes = classes
	return New(pretrained.backend, r, seed)
}

// Sample returns a random sample with perClass images of each class, determined by the seed.
func Sample(images *dataset.Images, perClass int, seed uint64) *dataset.Images {
	return images.Pick(rand.New(rand.NewPCG(seed, 1)).Perm(images.Len())).FirstPerClass(perClass)
}

// Mean returns the mean accuracy over the seeds, for PerClass[i] images per class.
func (r *Result) Mean(way Way, i int) float64 { return mean(r.Accuracy[way][i]) }

func mean(values []float64) float64 {
	sum := 0.0
	for _, value := range values {
		sum += value
	}
	return sum / float64(len(values))
}

// Figure draws the accuracy by the number of images: the mean of each way as a line with
// markers, and the lowest and highest of its seeds as thin lines.
func (r *Result) Figure(caption string) (*figure.Figure, error) {
	var curves []figure.Curve
	for _, way := range Ways {
		mean := figure.Curve{Name: way.String(), Style: figure.Style{Color: int(way) + 1, Marker: true}}
		low := figure.Curve{Style: figure.Style{Color: int(way) + 1, Thin: true, Dash: figure.Dotted}}
		high := low
		for i, perClass := range r.PerClass {
			mean.X = append(mean.X, float64(perClass))
			mean.Y = append(mean.Y, r.Mean(way, i))
			low.Y = append(low.Y, slices.Min(r.Accuracy[way][i]))
			high.Y = append(high.Y, slices.Max(r.Accuracy[way][i]))
		}
		low.X, high.X = mean.X, mean.X
		curves = append(curves, mean, low, high)
	}
	return figure.Curves("Learning new classes from few images", "training images per class", "accuracy on test images",
		curves, figure.LogX(), figure.Percent(), figure.Caption(caption))
}

// TrialFigure draws the accuracy on the validation images by the step of the training, for the
// trials that were chosen with the first seed and PerClass[i] images per class.
func (r *Result) TrialFigure(i int, caption string) (*figure.Figure, error) {
	var curves []figure.Curve
	for _, way := range Ways {
		trial := r.Chosen[way][i][0]
		curve := figure.Curve{Name: fmt.Sprintf("%s, rate %g", way, trial.LearningRate), Y: trial.Validation,
			Style: figure.Style{Color: int(way) + 1, Marker: true}}
		for _, step := range trial.Steps {
			curve.X = append(curve.X, float64(step))
		}
		curves = append(curves, curve)
	}
	return figure.Curves(fmt.Sprintf("Each way with its best learning rate, %d images per class", r.PerClass[i]), "steps",
		"accuracy on validation images", curves, figure.LogX(), figure.Percent(), figure.Caption(caption))
}

// progress reports a series of trainings as if they were the epochs of one training.
type progress struct {
	run.Reporter
	trainings, done int
	last            run.Metrics
}

func newProgress(report run.Reporter, trainings int) *progress {
	return &progress{Reporter: report, trainings: trainings}
}

func (p *progress) Step(m run.Metrics) {
	m.Epoch, m.Epochs = p.done+1, p.trainings
	m.Step += p.done * m.StepsPerEpoch
	p.last = m
	p.Reporter.Step(m)
}

// Line does nothing: the losses of many short trainings make no useful curve.
func (p *progress) Line(run.Metrics) {}

// measured reports the end of a training and its accuracy on the validation images.
func (p *progress) measured(accuracy float64) {
	p.done++
	p.last.Step = p.done * p.last.StepsPerEpoch // a training may end early
	p.last.Kind, p.last.TestTop1, p.last.TestSplit = run.EpochLine, &accuracy, dataset.Validation
	p.Reporter.Epoch(p.last)
}
