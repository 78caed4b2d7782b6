package transfer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/run"
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
	// Steps and BatchSize apply to every training. With fewer images than BatchSize, a batch
	// holds all of them.
	Steps, BatchSize int
	// LearningRates has the learning rate of each Way.
	LearningRates [3]float64
}

// Default returns the experiment of the course. Each learning rate, from the range 0.001 to
// 0.1, works well for its way at all numbers of images, on Shapes-10.
func Default() Experiment {
	return Experiment{
		PerClass: []int{5, 10, 20, 50, 100, 500}, Seeds: 3, Steps: 200, BatchSize: 64,
		LearningRates: [3]float64{Scratch: 0.05, Frozen: 0.05, FineTuned: 0.01},
	}
}

// Result is the outcome of an experiment.
type Result struct {
	PerClass []int
	// Accuracy is the accuracy on the test images. Accuracy[way][i] has a value for every
	// seed, for PerClass[i] training images per class.
	Accuracy [3][][]float64
}

// Run trains networks to classify the images of training, each on a few of them, and tests
// them on test. The trained body is that of pretrained, which Run does not change. report
// returns the reporter for a way; it sees each training as an epoch.
func (e Experiment) Run(ctx context.Context, pretrained *Network, training, test *dataset.Images,
	report func(Way) run.Reporter) (*Result, error) {
	result := &Result{PerClass: e.PerClass}
	var progress [3]*progress
	for _, way := range Ways {
		progress[way] = newProgress(report(way), len(e.PerClass)*e.Seeds)
		result.Accuracy[way] = make([][]float64, len(e.PerClass))
	}
	for i, perClass := range e.PerClass {
		for seed := range uint64(e.Seeds) {
			few := Sample(training, perClass, seed)
			for _, way := range Ways {
				accuracy, err := e.learn(ctx, way, pretrained, few, test, seed, progress[way])
				if err != nil {
					return nil, fmt.Errorf("%s, %d images per class: %w", way, perClass, err)
				}
				result.Accuracy[way][i] = append(result.Accuracy[way][i], accuracy)
			}
		}
	}
	return result, nil
}

// learn trains one network and returns its accuracy on test.
func (e Experiment) learn(ctx context.Context, way Way, pretrained *Network, few, test *dataset.Images,
	seed uint64, progress *progress) (float64, error) {
	network, err := start(way, pretrained, len(few.Classes), seed)
	if err != nil {
		return 0, err
	}
	defer network.Close()
	t := Training{Steps: e.Steps, BatchSize: min(e.BatchSize, few.Len()), LearningRate: e.LearningRates[way], Seed: seed, Report: progress}
	if way == Frozen {
		var features *Features
		if features, err = network.Features(few); err != nil {
			return 0, err
		}
		_, err = network.TrainHead(ctx, features, t)
	} else {
		_, err = network.Train(ctx, few, t)
	}
	if err != nil {
		return 0, err
	}
	tested, err := network.Evaluate(ctx, test)
	if err != nil {
		return 0, err
	}
	progress.tested(tested.Top1)
	return tested.Top1, nil
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
func (r *Result) Mean(way Way, i int) float64 {
	sum := 0.0
	for _, accuracy := range r.Accuracy[way][i] {
		sum += accuracy
	}
	return sum / float64(len(r.Accuracy[way][i]))
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

// tested reports the end of a training and its accuracy.
func (p *progress) tested(accuracy float64) {
	p.done++
	p.last.Kind, p.last.TestTop1 = run.EpochLine, &accuracy
	p.Reporter.Epoch(p.last)
}
