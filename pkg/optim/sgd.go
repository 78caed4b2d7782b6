// Package optim provides the optimiser and the learning-rate schedules that train ResNets:
// [SGD] computes what PyTorch's torch.optim.SGD does, as an optimiser for GoMLX's trainer, and
// [Schedule] has the learning rates of PyTorch's schedulers.
//
// GoMLX's own SGD has neither momentum nor weight decay.
//
// sgd.go has the optimiser, muon.go its variant for kernels, schedule.go the learning rates, and
// norm.go the norm of the gradient.
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

// Scope is the path of the optimiser's variables in the store. The momentum of the variable at
// path p is at Scope + p.
const Scope = "/" + optimizer.Scope + "/sgd"

// SGDBuilder configures stochastic gradient descent; see [SGD].
type SGDBuilder struct {
	learningRate, momentum, weightDecay, muon float64
	nesterov, decayAll                        bool
	multiplier                                func(path string) float64
}

// SGD configures stochastic gradient descent. A step does this for each weight w with gradient g:
//
//	g ← g + weightDecay·w
//	v ← momentum·v + g          (v starts at 0)
//	w ← w − learningRate·v      or, with Nesterov, w − learningRate·(g + momentum·v)
//
// Variables that are not trainable do not change, not even by weight decay. There is no
// dampening. The default learning rate is 0.1; momentum and weight decay are off.
//
// In a graph that runs on several devices, each with its share of the batch and the loss of
// that share, g is the mean over the devices.
//
// The current learning rate is in GoMLX's variable for it ([optimizer.LearningRateVar]), which
// schedules change between steps; LearningRate only sets the initial value. GoMLX's NewTrainer deletes
// that variable: get it after making the trainer, because to set a deleted one has no effect.
func SGD() *SGDBuilder {
	return &SGDBuilder{learningRate: optimizer.SGDDefaultLearningRate, decayAll: true,
		multiplier: func(string) float64 { return 1 }}
}

// LearningRate sets the initial learning rate.
func (b *SGDBuilder) LearningRate(rate float64) *SGDBuilder {
	b.learningRate = rate
	return b
}

// Momentum sets the share of the previous step's direction that each step keeps,
// 0 ≤ momentum < 1.
func (b *SGDBuilder) Momentum(momentum float64) *SGDBuilder {
	b.momentum = momentum
	return b
}

// Nesterov turns Nesterov momentum on or off, in PyTorch's form (Sutskever et al. 2013). It needs
// a momentum above 0.
func (b *SGDBuilder) Nesterov(nesterov bool) *SGDBuilder {
	b.nesterov = nesterov
	return b
}

// WeightDecay adds decay·w to the gradient of every weight w.
func (b *SGDBuilder) WeightDecay(decay float64) *SGDBuilder {
	b.weightDecay = decay
	return b
}

// DecayNormsAndBiases says whether weight decay applies to all variables, which is the default
// here and in PyTorch. If false, it spares variables with one axis: biases, and the γ and β of
// batch norms (He et al. 2019, "Bag of Tricks for Image Classification with Convolutional Neural
// Networks", section 3.1).
func (b *SGDBuilder) DecayNormsAndBiases(decay bool) *SGDBuilder {
	b.decayAll = decay
	return b
}

// Muon makes the kernels of convolutions, the variables with four axes, move along the orthogonalised
// v, or g + momentum·v with Nesterov, with the given multiple of the learning rate (Jordan et al.
// 2024, https://kellerjordan.github.io/posts/muon/):
//
//	w ← w − multiplier·learningRate·√max(1, outputs/inputs)·orthogonalised(v)
//
// Orthogonalised, v as a matrix of outputs × inputs·height·width has singular values near 1: the step
// goes equally far in the many directions in which the gradient is small. Its length does not depend
// on that of the gradient, and kernels have no weight decay. 0, the default, turns Muon off. The steps
// are those of torch.optim.Muon on that matrix without weight decay, except that PyTorch
// orthogonalises in bfloat16.
func (b *SGDBuilder) Muon(multiplier float64) *SGDBuilder {
	b.muon = multiplier
	return b
}

// LearningRateMultiplier sets a function that returns, for the path of a variable in the store,
// the factor by which the variable's learning rate differs from the others; by default it is 1
// for all variables. This does what parameter groups do in PyTorch, where a schedule changes all
// groups' rates in proportion. Building the graph panics on a factor that is negative, NaN or
// infinite.
func (b *SGDBuilder) LearningRateMultiplier(of func(path string) float64) *SGDBuilder {
	b.multiplier = of
	return b
}

// Done returns the optimiser. It panics on impossible settings.
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
	case !(b.muon >= 0):
		exceptions.Panicf("SGD: Muon's multiplier %g, want at least 0", b.muon)
	}
	return &sgd{*b}
}

// sgd implements GoMLX's optimizer.Interface and train.OptimizeWithGradients.
type sgd struct{ SGDBuilder }

// UpdateGraph adds one step of gradient descent on loss, a scalar, to the graph.
func (s *sgd) UpdateGraph(scope *model.Scope, g *graph.Graph, loss *graph.Node) {
	if !loss.Shape().IsScalar() {
		exceptions.Panicf("SGD: the loss has shape %s, want a scalar", loss.Shape())
	}
	s.UpdateGraphWithGradients(scope, scope.BuildTrainableVariablesGradientsGraph(loss), loss.DType())
}

// UpdateGraphWithGradients does what UpdateGraph does, with gradients that have been computed
// before: one for each trainable variable that the graph uses, in the order of
// scope.IterVariables.
func (s *sgd) UpdateGraphWithGradients(scope *model.Scope, gradients []*graph.Node, lossType dtypes.DType) {
	if len(gradients) == 0 {
		return
	}
	g := gradients[0].Graph()
	gradients = spmd.Means(gradients)
	setGradientNorm(g, gradients)
	optimizer.IncrementGlobalStep(g, lossType)
	rate := optimizer.LearningRateVar(scope, lossType, s.learningRate).NodeValue(g)

	// Collect them first: the loop adds variables for the momentum to the scope.
	variables := slices.Collect(scope.IterVariables())
	next := 0
	var kernels []*model.Variable // for Muon
	var directions []*graph.Node  // theirs
	for _, variable := range variables {
		if !variable.Trainable || !variable.InUseByGraph(g) {
			continue
		}
		if next == len(gradients) {
			exceptions.Panicf("SGD: more trainable variables than the %d gradients", len(gradients))
		}
		isKernel := s.muon > 0 && variable.Shape().Rank() == 4
		direction := s.direction(scope.Store(), variable, gradients[next], !isKernel)
		if isKernel {
			kernels, directions = append(kernels, variable), append(directions, direction)
		} else {
			s.move(variable, direction, rate, 1)
		}
		next++
	}
	for i, direction := range orthogonalized(directions) {
		s.move(kernels[i], direction, rate, s.muon*muonScale(kernels[i].Shape()))
	}
	if next != len(gradients) {
		exceptions.Panicf("SGD: %d gradients for %d trainable variables", len(gradients), next)
	}
}

// direction adds the update of a variable's momentum to the graph, and returns the direction of the
// step.
func (s *sgd) direction(store *model.Store, variable *model.Variable, gradient *graph.Node, decays bool) *graph.Node {
	g := gradient.Graph()
	weight := variable.NodeValue(g)
	if decays && s.weightDecay > 0 && (s.decayAll || variable.Shape().Rank() > 1) {
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
	return direction
}

// move adds the step of a variable to the graph, with the given multiple of its learning rate.
func (s *sgd) move(variable *model.Variable, direction, rate *graph.Node, multiple float64) {
	weight := variable.NodeValue(direction.Graph())
	multiplier := s.multiplier(variable.Path())
	if !(multiplier >= 0) || math.IsInf(multiplier, 0) {
		exceptions.Panicf("SGD: the learning-rate multiplier of %s is %g, want a finite number of at least 0", variable.Path(), multiplier)
	}
	multiplier *= multiple
	rate = graph.ConvertDType(rate, weight.DType())
	if multiplier != 1 {
		rate = graph.MulScalar(rate, multiplier)
	}
	variable.SetNodeValue(graph.Sub(weight, graph.Mul(rate, direction)))
}

// Clear deletes the momentum of all variables.
func (s *sgd) Clear(scope *model.Scope) error {
	return scope.Store().DeleteVariablesInScope(Scope)
}
