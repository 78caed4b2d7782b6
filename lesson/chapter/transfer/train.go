package transfer

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/nn"
	"github.com/residual-go/residual/pkg/optim"
	"github.com/residual-go/residual/pkg/probe"
	"github.com/residual-go/residual/pkg/run"
)

// momentum is the momentum of SGD in every training here.
const momentum = 0.9

// Training has the settings of a training by SGD with momentum, at a constant learning rate,
// without weight decay and without augmentation.
type Training struct {
	Steps        int
	BatchSize    int // at most the number of images
	LearningRate float64
	// Seed determines the order of the images. They are shuffled again for every epoch.
	Seed uint64
	// Evaluation runs the batch norms in evaluation mode: they use the running statistics and
	// do not update them. This is model.eval() in PyTorch, and what a frozen body needs.
	Evaluation bool
	// Report, if not nil, receives the metrics of every step.
	Report run.Reporter
	// After, if not nil, is called after every step with the losses of all steps so far. An error
	// ends the training.
	After func(losses []float64) error
}

func (t Training) validate(images int) error {
	switch {
	case t.Steps < 1 || t.BatchSize < 1:
		return fmt.Errorf("%d steps with batches of %d images: both must be at least 1", t.Steps, t.BatchSize)
	case images < t.BatchSize:
		return fmt.Errorf("%d images are too few for a batch of %d", images, t.BatchSize)
	}
	return nil
}

// Train trains the network's trainable variables on images and returns the loss of each step.
func (n *Network) Train(ctx context.Context, images *dataset.Images, t Training) ([]float64, error) {
	if err := n.fits(images); err != nil {
		return nil, err
	}
	all := examples[byte]{images.Pixels, []int{images.Height, images.Width, 3}, images.Labels}
	return fit(ctx, n, all, t, func(pixels *graph.Node) *graph.Node {
		return n.recipe.Model.Forward(n.Scope(), n.recipe.Normalization.Apply(pixels))
	})
}

// Features are the body's outputs for some images: the inputs of the head.
type Features struct {
	// Values is [images, Channels].
	Values   []float32
	Channels int
	// Labels is [images].
	Labels []int32
}

// Features returns the features of images, computed with running statistics.
func (n *Network) Features(images *dataset.Images) (*Features, error) {
	if err := n.fits(images); err != nil {
		return nil, err
	}
	return n.features(images)
}

// features is Features without regard to the classes: the body does not depend on them.
func (n *Network) features(images *dataset.Images) (*Features, error) {
	outputs, err := probe.Outputs(n.backend, n.store, run.ModelPath, n.recipe, images, "avgpool")
	if err != nil {
		return nil, err
	}
	return &Features{outputs[0].Data, outputs[0].Shape[1], images.Labels}, nil
}

// TrainHead trains the head alone, on features of the network's body, and returns the loss of
// each step. The result is that of Train with a frozen body and Evaluation set, up to
// rounding, but the body does not run for every batch.
func (n *Network) TrainHead(ctx context.Context, features *Features, t Training) ([]float64, error) {
	weight, bias := n.Scope().In("fc").GetVariable("weight"), n.Scope().In("fc").GetVariable("bias")
	if channels := weight.Shape().Dim(0); channels != features.Channels {
		return nil, fmt.Errorf("the features have %d channels, but the last layer expects %d", features.Channels, channels)
	}
	all := examples[float32]{features.Values, []int{features.Channels}, features.Labels}
	return fit(ctx, n, all, t, func(x *graph.Node) *graph.Node {
		g := x.Graph()
		return graph.Add(graph.MatMul(x, weight.NodeValue(g)), graph.ExpandAxes(bias.NodeValue(g), 0))
	})
}

// HeadAccuracy returns the accuracy of the head on features of the network's body.
func (n *Network) HeadAccuracy(features *Features) (float64, error) {
	all, err := n.Weights()
	if err != nil {
		return 0, err
	}
	weight, bias := all[headPrefix+"weight"].Data, all[headPrefix+"bias"].Data // [classes, channels], [classes]
	if len(weight) != len(bias)*features.Channels {
		return 0, fmt.Errorf("the features have %d channels, but the last layer expects %d", features.Channels, len(weight)/len(bias))
	}
	right := 0
	for i, label := range features.Labels {
		x := features.Values[i*features.Channels : (i+1)*features.Channels]
		best, highest := 0, math.Inf(-1)
		for class, logit := range bias {
			for k, w := range weight[class*features.Channels : (class+1)*features.Channels] {
				logit += w * x[k]
			}
			if float64(logit) > highest {
				best, highest = class, float64(logit)
			}
		}
		if best == int(label) {
			right++
		}
	}
	return float64(right) / float64(len(features.Labels)), nil
}

// fits returns an error unless the network can be trained on the images.
func (n *Network) fits(images *dataset.Images) error {
	if err := images.Validate(); err != nil {
		return err
	}
	if classes := len(images.Classes); classes != n.recipe.Model.Classes {
		return fmt.Errorf("%s has %d classes, but %s has %d: replace its head", images.Name, classes, n.recipe.Model.Name, n.recipe.Model.Classes)
	}
	return nil
}

// examples are labelled inputs of one shape.
type examples[T byte | float32] struct {
	values []T
	shape  []int
	labels []int32
}

// batch returns the inputs, [batch, shape…], and the labels, [batch, 1], of the examples with
// the given indices.
func (e examples[T]) batch(indices []int) (inputs, labels *tensors.Tensor) {
	size := len(e.values) / len(e.labels)
	var values []T
	var ls []int32
	for _, i := range indices {
		values = append(values, e.values[i*size:(i+1)*size]...)
		ls = append(ls, e.labels[i])
	}
	return tensors.FromFlatDataAndDimensions(values, append([]int{len(indices)}, e.shape...)...),
		tensors.FromFlatDataAndDimensions(ls, len(indices), 1)
}

// fit trains the network's trainable variables on all examples. forward computes the logits,
// [batch, classes], of a batch of inputs.
func fit[T byte | float32](ctx context.Context, n *Network, all examples[T], t Training, forward func(*graph.Node) *graph.Node) ([]float64, error) {
	if err := t.validate(len(all.labels)); err != nil {
		return nil, err
	}
	// The next training must not start with this one's momentum and step.
	defer n.store.DeleteVariablesInScope("/" + optimizer.Scope)
	sgd := optim.SGD().LearningRate(t.LearningRate).Momentum(momentum).Done()
	exec, err := model.NewExec(n.backend, n.store, func(scope *model.Scope, inputs, labels *graph.Node) (loss, accuracy *graph.Node) {
		g := inputs.Graph()
		n.store.SetTraining(g, !t.Evaluation)
		logits := forward(inputs)
		loss = nn.CrossEntropy(0)([]*graph.Node{labels}, []*graph.Node{logits})
		sgd.UpdateGraph(scope, g, loss)
		right := graph.Equal(graph.ArgMax(logits, -1, labels.DType()), graph.Squeeze(labels, 1))
		return loss, graph.ReduceAllMean(graph.ConvertDType(right, dtypes.Float32))
	})
	if err != nil {
		return nil, fmt.Errorf("train %s: %w", n.recipe.Model.Name, err)
	}
	defer exec.Finalize()

	history := make([]float64, t.Steps)
	random := rand.New(rand.NewPCG(t.Seed, 0))
	var order []int
	started := time.Now()
	for step := range history {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if len(order) < t.BatchSize { // drop an incomplete batch and shuffle again
			order = random.Perm(len(all.labels))
		}
		inputs, labels := all.batch(order[:t.BatchSize])
		order = order[t.BatchSize:]
		loss, accuracy, err := exec.Call2(inputs, labels)
		if err != nil {
			return nil, fmt.Errorf("train %s, step %d: %w", n.recipe.Model.Name, step+1, err)
		}
		history[step] = float64(tensors.ToScalar[float32](loss))
		t.report(step, history[step], float64(tensors.ToScalar[float32](accuracy)), started)
		if t.After != nil {
			if err := t.After(history[:step+1]); err != nil {
				return nil, err
			}
		}
	}
	return history, nil
}

// lineEvery is the number of steps between two calls of a reporter's Line.
const lineEvery = 5

// report passes the metrics of a step, counted from 0, to the reporter.
func (t Training) report(step int, loss, accuracy float64, started time.Time) {
	if t.Report == nil {
		return
	}
	m := run.Metrics{Kind: run.StepLine, Epoch: 1, Epochs: 1, Step: step + 1, StepInEpoch: step + 1, StepsPerEpoch: t.Steps,
		Loss: loss, Accuracy: accuracy, LearningRate: t.LearningRate,
		ImagesPerSecond: float64((step+1)*t.BatchSize) / time.Since(started).Seconds()}
	t.Report.Step(m)
	if m.Step%lineEvery == 0 {
		t.Report.Line(m)
	}
}
