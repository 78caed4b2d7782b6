package run

import (
	"errors"
	"fmt"
	"iter"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"
	"github.com/gomlx/gomlx/ml/train"
	"github.com/gomlx/gomlx/ml/train/metric"
	"github.com/gomlx/gomlx/ml/train/optimizer"
	"github.com/gomlx/gomlx/support/exceptions"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/nn"
	"github.com/residual-go/residual/pkg/optim"
	"github.com/residual-go/residual/pkg/spmd"
)

// dataPath is the path of the variables that hold the training images, if they are on the
// device.
const dataPath = "/data"

// normalized turns pixels into the network's input.
func (s *session) normalized(pixels *graph.Node) *graph.Node {
	return graph.ConvertDType(s.recipe.Normalization.Apply(pixels), s.recipe.DType())
}

// logits builds the network for training.
func (s *session) logits(scope *model.Scope, pixels *graph.Node) *graph.Node {
	return s.recipe.Model.ForwardTraining(scope.Store().Scope(ModelPath), s.normalized(pixels), s.recipe.Training())
}

// accuracy returns the share of the batch whose label has the highest logit.
func accuracy(label, logits *graph.Node) *graph.Node {
	guess := graph.ArgMax(logits, -1, label.DType())
	right := graph.Equal(guess, graph.Squeeze(label, 1))
	return graph.ReduceAllMean(graph.ConvertDType(right, dtypes.Float32))
}

// What GoMLX forces on the graph
//
// GoMLX's train.Trainer builds the graph of a step from three functions of ours: the model, the
// loss and the metrics. Three things would be simpler if it let us build the graph ourselves.
//
//  1. Labels travel with the predictions. The trainer passes the labels of a batch to the loss and
//     the metrics, but not to the model. If the images are on the device, the batch has no labels:
//     its only input says which images to take, and the model function looks up their pixels and
//     labels. It returns the labels after the logits, and labelsAndLogits separates them.
//
//  2. The gradient norm comes out through a metric. The trainer hands the gradients to the
//     optimiser alone. The optimiser leaves their norm with the graph, where optim.GradientNorm
//     finds it. The metrics are built after the optimiser's update, so a metric of ours collects
//     loss, accuracy and norm.
//
//     It does not return them. Fetching three numbers after every step would make a GPU wait for
//     the host. The metric writes them to a variable on the device, which has a row for each of
//     the last MaxReadEvery steps and is fetched when needed.
//
//  3. The variable of the learning rate is made after the trainer, since train.NewTrainer
//     deletes it.

// forward is the trainer's model function: it returns the logits and, if the images are on the
// device, the labels.
func (s *session) forward(scope *model.Scope, spec any, inputs []*graph.Node) []*graph.Node {
	if s.resident == nil {
		return []*graph.Node{s.logits(scope, inputs[0])}
	}
	pixels, labels := s.resident.Load(inputs[0], spec.(int))
	return []*graph.Node{s.logits(scope, pixels), labels}
}

// labelsAndLogits returns a batch's labels, which are in the batch or among the predictions, and
// its logits.
func labelsAndLogits(labels, predictions []*graph.Node) (label, logits *graph.Node) {
	if len(predictions) == 2 {
		return predictions[1], predictions[0]
	}
	return labels[0], predictions[0]
}

// loss is the trainer's loss function.
func (s *session) loss(labels, predictions []*graph.Node) *graph.Node {
	label, logits := labelsAndLogits(labels, predictions)
	return nn.CrossEntropy(s.recipe.LabelSmoothing)([]*graph.Node{label}, []*graph.Node{logits})
}

// MaxReadEvery is the number of steps whose metrics the device keeps, and so the largest value of
// Options.ReadEvery.
const MaxReadEvery = 16

// recent is the variable with the metrics of the last steps: [MaxReadEvery, 3], a row of loss,
// accuracy and gradient norm for each step. The row of step s, counted from 0, is
// s mod MaxReadEvery.
func (s *session) recent() *model.Variable {
	return s.store.Scope("/metrics").WithInitializer(initializer.Zero).
		VariableWithShape("recent", shapes.Make(dtypes.Float32, MaxReadEvery, 3)).SetTrainable(false)
}

// recorder returns the metric that writes the step's row of recent. Its value, the loss, is not
// read.
func (s *session) recorder() metric.Interface {
	return metric.NewBaseMetric("Recorder", "recorder", metric.LossMetricType,
		func(scope *model.Scope, labels, predictions []*graph.Node) *graph.Node {
			label, logits := labelsAndLogits(labels, predictions)
			g := logits.Graph()
			means := spmd.Means([]*graph.Node{train.TotalLoss(g), accuracy(label, logits)})
			norm := optim.GradientNorm().UpdateGraph(scope, labels, predictions)
			row := graph.Reshape(graph.Stack([]*graph.Node{means[0], means[1], norm}, 0), 1, 3)

			variable := s.recent()
			// The optimiser has already counted this step.
			step := graph.AddScalar(optimizer.GetGlobalStepVar(s.store).NodeValue(g), -1)
			place := graph.Mod(step, graph.Const(g, int64(MaxReadEvery)))
			mine := graph.Equal(graph.Iota(g, shapes.Make(dtypes.Int64, MaxReadEvery, 3), 0), place)
			old := variable.NodeValue(g)
			variable.SetNodeValue(graph.Where(mine, graph.BroadcastToShape(row, old.Shape()), old))
			return means[0]
		}, nil)
}

// stepper returns a function that trains on the next batch each time it is called, and a
// function to call at the end.
func (s *session) stepper(batches *dataset.Batches) (step func() error, stop func(), err error) {
	devices := max(1, s.recipe.Devices)
	source := train.Dataset(batches)
	if s.Input == InputDevice {
		if s.resident, err = batches.Resident(s.store, dataPath, devices); err != nil {
			return nil, nil, err
		}
		source = s.resident
	}
	var trainer *train.Trainer
	err = exceptions.TryCatch[error](func() {
		trainer = train.NewTrainer(s.Backend, s.store, s.forward, s.loss, s.recipe.Optimizer(), []metric.Interface{s.recorder()}, nil)
		s.rate = optimizer.LearningRateVar(s.store.RootScope(), dtypes.Float32, s.recipe.LearningRate)
	})
	if err != nil {
		return nil, nil, fmt.Errorf("prepare training: %w", err)
	}
	if devices == 1 {
		next, stop := iter.Pull2(source.Iter())
		return func() error { return trainOnNext(next, trainer.TrainStep) }, stop, nil
	}
	shares, err := spmd.Share(source, s.Backend, devices)
	if err != nil {
		return nil, nil, err
	}
	// If the first step on several devices initialised the weights, they would differ from those
	// of a run on one device.
	if err := s.store.InitializeVariables(s.Backend, nil); err != nil {
		return nil, nil, fmt.Errorf("initialise the weights: %w", err)
	}
	next, stop := iter.Pull2(shares.DistributedIter())
	return func() error {
		return trainOnNext(next, func(batch train.DistributedBatch) ([]*tensors.Tensor, error) {
			return trainer.DistributedTrainStep(shares.Strategy(), shares.DeviceAssignment(), batch)
		})
	}, stop, nil
}

// trainOnNext trains on the next batch. It discards the trainer's metrics unread; recorder has
// written ours.
func trainOnNext[Batch any](next func() (Batch, error, bool), step func(Batch) ([]*tensors.Tensor, error)) error {
	batch, err, more := next()
	if err != nil {
		return err
	}
	if !more {
		return errors.New("there are no more batches")
	}
	metrics, err := step(batch)
	if err != nil {
		return err
	}
	for _, m := range metrics {
		if err := m.FinalizeAll(); err != nil {
			return err
		}
	}
	return nil
}

// setRate sets the learning rate for the given step, counted from 0.
func (s *session) setRate(step int) error {
	if err := s.rate.SetValue(tensors.FromScalar(float32(s.rateAt(step)))); err != nil {
		return fmt.Errorf("set the learning rate: %w", err)
	}
	return nil
}

// readMetrics fetches the metrics of the steps after from up to done, at most MaxReadEvery, and
// passes them to note.
func (s *session) readMetrics(from, done int) error {
	value, err := s.recent().Value()
	if err != nil {
		return fmt.Errorf("read the metrics of step %d: %w", done, err)
	}
	rows, err := tensors.CopyFlatData[float32](value)
	if err != nil {
		return fmt.Errorf("read the metrics of step %d: %w", done, err)
	}
	for at := from; at < done; at++ {
		row := rows[at%MaxReadEvery*3:][:3]
		if err := s.note(at+1, step{loss: float64(row[0]), accuracy: float64(row[1]), gradientNorm: float64(row[2]), images: s.batchSize(at)}); err != nil {
			return err
		}
	}
	return nil
}
