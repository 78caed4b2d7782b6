package architecture

import (
	"context"
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train"
	"github.com/gomlx/gomlx/ml/train/metric"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/nn"
	"github.com/residual-go/residual/pkg/optim"
)

// Network builds a network on images, [batch, height, width, 3], and returns its logits,
// [batch, classes]. Its weights are in scope.
type Network func(scope *model.Scope, images *graph.Node) *graph.Node

// Parameters returns the number of the network's weights that training changes. It builds the
// network for images of the given height and width, and runs nothing.
func (n Network) Parameters(backend compute.Backend, height, width int) (count int, err error) {
	store := model.NewStore()
	defer store.Finalize()
	forward, err := model.NewExec(backend, store, func(scope *model.Scope, images *graph.Node) *graph.Node { return n(scope, images) })
	if err != nil {
		return 0, fmt.Errorf("count parameters: %w", err)
	}
	defer forward.Finalize()
	if _, err := forward.Call1(tensors.FromScalarAndDimensions(float32(0), 1, height, width, 3)); err != nil {
		return 0, fmt.Errorf("count parameters: %w", err)
	}
	for variable := range store.IterVariables() {
		if variable.Trainable {
			count += variable.Shape().Size()
		}
	}
	return count, nil
}

// Epoch is the result of an epoch of [Train].
type Epoch struct {
	// Loss and Accuracy are means over the training images as they went through the network
	// during the epoch, and Test is the accuracy on the test images after it.
	Loss, Accuracy, Test float64
}

// The settings of [Train].
const (
	trainBatch   = 50
	testBatch    = 250
	trainRate    = 0.1
	trainSeed    = 1
	trainDecay   = 5e-4
	trainWarmUp  = 0.2
	trainInitial = 0.1 // of trainRate, at the first step
)

// Train trains a network from random weights, with crops and flips, SGD with momentum and a
// one-cycle schedule, and calls report after every epoch.
func Train(ctx context.Context, backend compute.Backend, network Network, training, test *dataset.Images, epochs int,
	report func(epoch int, result Epoch)) ([]Epoch, error) {
	results, err := trainNetwork(ctx, backend, network, training, test, epochs, report)
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	return results, nil
}

func trainNetwork(ctx context.Context, backend compute.Backend, network Network, training, test *dataset.Images, epochs int,
	report func(int, Epoch)) ([]Epoch, error) {
	batches, err := dataset.NewBatches(training, dataset.Options{
		BatchSize: trainBatch, Shuffle: true, DropLast: true, Augment: dataset.Augment{Crop: 4, Flip: true}, Seed: trainSeed, Epochs: epochs,
	})
	if err != nil {
		return nil, err
	}
	tests, err := dataset.NewBatches(test, dataset.Options{BatchSize: testBatch, Epochs: 1})
	if err != nil {
		return nil, err
	}
	store := model.NewStore()
	defer store.Finalize()
	if err := store.SetRNGStateFromSeed(trainSeed); err != nil {
		return nil, err
	}
	forward := func(_ *model.Scope, pixels *graph.Node) *graph.Node {
		return network(store.Scope("/model").ResetVisited(), dataset.CIFAR10Normalization().Apply(pixels))
	}
	sgd := optim.SGD().Momentum(0.9).WeightDecay(trainDecay).Done()
	accuracy := metric.NewSparseCategoricalAccuracy("accuracy", "accuracy")
	trainer := train.NewTrainer(backend, store, forward, nn.CrossEntropy(0), sgd, []metric.Interface{accuracy}, []metric.Interface{accuracy})
	rate := optimizer.LearningRateVar(store.RootScope(), dtypes.Float32, 0)
	schedule := optim.Schedule{Kind: optim.OneCycle, WarmUp: trainWarmUp, Initial: trainInitial}

	var results []Epoch
	perEpoch, step, sum := batches.StepsPerEpoch(), 0, 0.0
	for batch, err := range batches.Iter() {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = rate.SetValue(tensors.FromScalar(float32(schedule.Rate(trainRate, step, epochs*perEpoch))))
		}
		if err != nil {
			return nil, err
		}
		metrics, err := trainer.TrainStep(batch)
		if err != nil {
			return nil, err
		}
		sum += scalar(metrics[0])
		step++
		if step%perEpoch > 0 {
			continue
		}
		result := Epoch{Loss: sum / float64(perEpoch), Accuracy: scalar(metrics[len(metrics)-1])}
		tested, err := trainer.Eval(tests)
		if err != nil {
			return nil, err
		}
		result.Test = scalar(tested[len(tested)-1])
		results = append(results, result)
		report(len(results), result)
		sum = 0
		if err := trainer.ResetTrainMetrics(); err != nil {
			return nil, err
		}
	}
	return results, nil
}

func scalar(t *tensors.Tensor) float64 { return float64(tensors.ToScalar[float32](t)) }
