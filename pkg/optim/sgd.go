// Package optim provides the optimiser and the learning-rate schedules that train ResNets:
// [SGD] computes what PyTorch's torch.optim.SGD does, as an optimiser for GoMLX's trainer, and
// [Schedule] has the learning rates of PyTorch's schedulers.
//
// GoMLX's own SGD has neither momentum nor weight decay.
package optim

import (
	"math"
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"
	"github.com/gomlx/gomlx/ml/train/optimizer"
	"github.com/gomlx/gomlx/support/exceptions"

	"github.com/residual-go/residual/pkg/spmd"
)

// Scope is the path under which the momentum of the variable at path p is kept, as Scope+p.
const Scope = "/" + optimizer.Scope + "/sgd"

// SGDBuilder configures stochastic gradient descent; see [SGD].
type SGDBuilder struct {
	learningRate, momentum, weightDecay float64
	nesterov, decayAll                  bool
	multiple                            func(path string) float64
}

// SGD prepares stochastic gradient descent. For each weight w with gradient g:
//
//	g ← g + weightDecay·w
//	v ← momentum·v + g          (v starts at 0)
//	w ← w − learningRate·v      or, with Nesterov, w − learningRate·(g + momentum·v)
//
// Variables that are not trainable stay as they are: weight decay does not touch them either.
// There is no dampening. The defaults are learning rate 0.1 and nothing else.
//
// In a graph that runs on several devices, each with its share of the batch and the loss of
// that share, g is the mean over the devices.
//
// The learning rate lives in GoMLX's variable for it ([optimizer.LearningRateVar]), where
// schedules change it between steps; LearningRate only sets where it starts.
func SGD() *SGDBuilder {
	return &SGDBuilder{learningRate: optimizer.SGDDefaultLearningRate, decayAll: true,
		multiple: func(string) float64 { return 1 }}
}

// LearningRate sets the learning rate at the start.
func (b *SGDBuilder) LearningRate(rate float64) *SGDBuilder {
	b.learningRate = rate
	return b
}

// Momentum sets the share of the last step's direction that is kept, 0 ≤ momentum < 1.
func (b *SGDBuilder) Momentum(momentum float64) *SGDBuilder {
	b.momentum = momentum
	return b
}

// Nesterov looks ahead along the momentum (Sutskever et al. 2013), as PyTorch does it.
// It needs a momentum above 0.
func (b *SGDBuilder) Nesterov(nesterov bool) *SGDBuilder {
	b.nesterov = nesterov
	return b
}

// WeightDecay adds decay·w to the gradient of every weight w.
func (b *SGDBuilder) WeightDecay(decay float64) *SGDBuilder {
	b.weightDecay = decay
	return b
}

// DecayNormsAndBiases says whether weight decay is for all variables, as in PyTorch's
// default and here, or, if false, spares those of one axis: biases and the γ and β of
// normalisations (He et al. 2019, "Bag of tricks", section 3.1).
func (b *SGDBuilder) DecayNormsAndBiases(decay bool) *SGDBuilder {
	b.decayAll = decay
	return b
}

// LearningRateMultiplier gives every variable, by its path in the store, a learning rate of its own: that
// multiple of the learning rate, 1 for all of them by default. It does what PyTorch's groups
// of parameters do, whose learning rates a schedule changes in proportion. A multiple below
// 0, or that is no number, panics when the graph is built.
func (b *SGDBuilder) LearningRateMultiplier(of func(path string) float64) *SGDBuilder {
	b.multiple = of
	return b
}

// Done returns the optimiser. It panics on settings that make no sense.
func (b *SGDBuilder) Done() optimizer.Interface {
	switch {
	case !(b.learningRate >= 0):
		exceptions.Panicf("SGD: learning rate %g, want at least 0", b.learningRate)
	case !(b.momentum >= 0 && b.momentum < 1):
		exceptions.Panicf("SGD: momentum %g, want 0 ≤ momentum < 1", b.momentum)
	case b.nesterov && b.momentum == 0:
		exceptions.Panicf("SGD: Nesterov needs a momentum above 0")
	case !(b.weightDecay >= 0):
		exceptions.Panicf("SGD: weight decay %g, want at least 0", b.weightDecay)
	}
	return &sgd{*b}
}

// sgd implements GoMLX's optimizer.Interface and train.OptimizeWithGradients.
type sgd struct{ SGDBuilder }

// UpdateGraph adds one step of descent on loss, a scalar, to the graph.
func (s *sgd) UpdateGraph(scope *model.Scope, g *graph.Graph, loss *graph.Node) {
	if !loss.Shape().IsScalar() {
		exceptions.Panicf("SGD: the loss has shape %s, want a scalar", loss.Shape())
	}
	s.UpdateGraphWithGradients(scope, scope.BuildTrainableVariablesGradientsGraph(loss), loss.DType())
}

// UpdateGraphWithGradients is UpdateGraph for gradients already at hand, one for each
// trainable variable the graph uses, in the order of scope.IterVariables.
func (s *sgd) UpdateGraphWithGradients(scope *model.Scope, gradients []*graph.Node, lossType dtypes.DType) {
	if len(gradients) == 0 {
		return
	}
	g := gradients[0].Graph()
	gradients = spmd.Means(gradients)
	setGradientNorm(g, gradients)
	optimizer.IncrementGlobalStep(g, lossType)
	rate := optimizer.LearningRateVar(scope, lossType, s.learningRate).NodeValue(g)

	// The momentum variables made below must not be walked over.
	variables := slices.Collect(scope.IterVariables())
	next := 0
	for _, variable := range variables {
		if !variable.Trainable || !variable.InUseByGraph(g) {
			continue
		}
		if next == len(gradients) {
			exceptions.Panicf("SGD: more trainable variables than the %d gradients", len(gradients))
		}
		s.step(scope.Store(), variable, gradients[next], rate)
		next++
	}
	if next != len(gradients) {
		exceptions.Panicf("SGD: %d gradients for %d trainable variables", len(gradients), next)
	}
}

func (s *sgd) step(store *model.Store, variable *model.Variable, gradient, rate *graph.Node) {
	g := gradient.Graph()
	weight := variable.NodeValue(g)
	if s.weightDecay > 0 && (s.decayAll || variable.Shape().Rank() > 1) {
		gradient = graph.Add(gradient, graph.MulScalar(weight, s.weightDecay))
	}
	direction := gradient
	if s.momentum > 0 {
		velocity := store.Scope(Scope+variable.Scope()).WithInitializer(initializer.Zero).
			VariableWithShape(variable.Name(), variable.Shape()).SetTrainable(false)
		direction = graph.Add(graph.MulScalar(velocity.NodeValue(g), s.momentum), gradient)
		velocity.SetNodeValue(direction)
		if s.nesterov {
			direction = graph.Add(gradient, graph.MulScalar(direction, s.momentum))
		}
	}
	multiple := s.multiple(variable.Path())
	if !(multiple >= 0) || math.IsInf(multiple, 0) {
		exceptions.Panicf("SGD: %s is to have %g times the learning rate, want a number of at least 0", variable.Path(), multiple)
	}
	rate = graph.ConvertDType(rate, weight.DType())
	if multiple != 1 {
		rate = graph.MulScalar(rate, multiple)
	}
	variable.SetNodeValue(graph.Sub(weight, graph.Mul(rate, direction)))
}

// Clear forgets the momentum of every variable.
func (s *sgd) Clear(scope *model.Scope) error {
	return scope.Store().DeleteVariablesInScope(Scope)
}
