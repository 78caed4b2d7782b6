package nn

import (
	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"
	"github.com/gomlx/gomlx/support/exceptions"

	"github.com/residual-go/residual/pkg/spmd"
)

// The names of batch normalisation's variables, those of PyTorch's state dict.
const (
	GammaName    = "weight"
	BetaName     = "bias"
	MeanName     = "running_mean"
	VarianceName = "running_var"
)

// BatchNormBuilder configures a batch normalisation; see [BatchNorm].
type BatchNormBuilder struct {
	scope             *model.Scope
	x                 *graph.Node
	epsilon, momentum float64
	zeroGamma, frozen bool
	local             bool
}

// BatchNorm normalises every channel, the last axis of x, over all its other axes (Ioffe
// and Szegedy 2015, https://arxiv.org/abs/1502.03167), as PyTorch's BatchNorm2d does:
//
//	y = γ·(x − mean)/√(variance + ε) + β
//
// While training, mean and variance are those of the batch, gradients flow through both,
// and the running statistics move a step of size momentum towards them, the running
// variance towards the unbiased one. Otherwise, and if Frozen says so, the running
// statistics are used, and stay as they are.
//
// In a graph that runs on several devices, each with its share of the batch, mean and
// variance are those of all shares together (PyTorch's SyncBatchNorm), unless Local says
// otherwise.
//
// x of half precision, bfloat16 or float16, is normalised in float32 and the result rounded;
// see [WeightType].
//
// The variables weight (γ), bias (β), running_mean and running_var, each [channels], are
// made in scope itself. Call Done to get the result, which has the shape of x.
func BatchNorm(scope *model.Scope, x *graph.Node) *BatchNormBuilder {
	return &BatchNormBuilder{scope: scope, x: x, epsilon: 1e-5, momentum: 0.1}
}

// Epsilon sets ε, which keeps the division defined. The default is PyTorch's, 1e-5.
func (b *BatchNormBuilder) Epsilon(epsilon float64) *BatchNormBuilder {
	b.epsilon = epsilon
	return b
}

// Momentum sets the weight of the new batch in the running statistics. The default is
// PyTorch's, 0.1; GoMLX and Keras call the complement, 0.9, the momentum.
func (b *BatchNormBuilder) Momentum(momentum float64) *BatchNormBuilder {
	b.momentum = momentum
	return b
}

// ZeroGamma initialises γ with 0 in place of 1. Put last in a residual branch it makes a
// block start as the identity (Goyal et al. 2017, section 5.1).
func (b *BatchNormBuilder) ZeroGamma(zero bool) *BatchNormBuilder {
	b.zeroGamma = zero
	return b
}

// Frozen uses and keeps the running statistics while training as well, as PyTorch's
// BatchNorm2d does after eval(). γ and β train all the same, if they are trainable.
func (b *BatchNormBuilder) Frozen(frozen bool) *BatchNormBuilder {
	b.frozen = frozen
	return b
}

// Local normalises the share of each device by its own mean and variance, as PyTorch does
// without SyncBatchNorm: nothing has to be exchanged before the end of the step, and the
// result depends on the number of devices. The running statistics, which are to be the same
// on all of them, move towards the means of the devices' statistics.
func (b *BatchNormBuilder) Local(local bool) *BatchNormBuilder {
	b.local = local
	return b
}

// Done builds the normalisation and returns its result, of the shape of x.
func (b *BatchNormBuilder) Done() *graph.Node {
	g := b.x.Graph()
	if b.x.Rank() < 2 {
		exceptions.Panicf("BatchNorm: x has shape %s, want [batch, …, channels]", b.x.Shape())
	}
	// Statistics in half precision would not do. XLA should make the conversions where it reads
	// and writes, without a float32 copy in memory; no GPU has been there to see it.
	dtype := WeightType(b.x.DType())
	x := graph.ConvertDType(b.x, dtype)
	channels := x.Shape().Dim(-1)
	shape := shapes.Make(dtype, channels)
	initial := initializer.One
	if b.zeroGamma {
		initial = initializer.Zero
	}
	gamma := b.scope.WithInitializer(initial).VariableWithShape(GammaName, shape)
	beta := b.scope.WithInitializer(initializer.Zero).VariableWithShape(BetaName, shape)
	runningMean := b.scope.WithInitializer(initializer.Zero).VariableWithShape(MeanName, shape).SetTrainable(false)
	runningVariance := b.scope.WithInitializer(initializer.One).VariableWithShape(VarianceName, shape).SetTrainable(false)

	if b.frozen || !b.scope.IsTraining(g) {
		// One multiplication and one addition per element. There is a fused operation for
		// this too, but it has no gradient, and a frozen network may well be differentiated.
		scale := graph.Div(gamma.NodeValue(g), graph.Sqrt(graph.AddScalar(runningVariance.NodeValue(g), b.epsilon)))
		shift := graph.Sub(beta.NodeValue(g), graph.Mul(runningMean.NodeValue(g), scale))
		y := graph.Add(graph.Mul(x, overChannels(scale, x)), overChannels(shift, x))
		return graph.ConvertDType(y, b.x.DType())
	}

	together := g.NumDevices() > 1 && !b.local
	n := x.Shape().Size() / channels
	if together {
		n *= g.NumDevices()
	}
	if n < 2 {
		exceptions.Panicf("BatchNorm: %s leaves one value per channel to train on, want at least 2", x.Shape())
	}
	var y, mean, variance *graph.Node
	if !together && hasFusedBatchNorm(g.Backend(), dtype) {
		y, mean, variance = graph.InternalBatchNormForTraining(x, gamma.NodeValue(g), beta.NodeValue(g), float32(b.epsilon), x.Rank()-1)
	} else {
		y, mean, variance = b.train(x, gamma.NodeValue(g), beta.NodeValue(g))
	}
	unbiased := graph.MulScalar(variance, float64(n)/float64(n-1))
	if !together {
		moments := spmd.Means([]*graph.Node{graph.StopGradient(mean), graph.StopGradient(unbiased)})
		mean, unbiased = moments[0], moments[1]
	}
	b.moveTowards(runningMean, graph.StopGradient(mean))
	b.moveTowards(runningVariance, graph.StopGradient(unbiased))
	return graph.ConvertDType(y, b.x.DType())
}

// train composes the normalisation from simpler operations, and so leaves its gradient,
// through the batch's mean and variance as well, to automatic differentiation. It returns
// the result and the batch's mean and (biased) variance, each [channels].
func (b *BatchNormBuilder) train(x, gamma, beta *graph.Node) (y, mean, variance *graph.Node) {
	over := func(y *graph.Node) *graph.Node { return y }
	if !b.local {
		over = spmd.Mean
	}
	axes := make([]int, x.Rank()-1)
	for axis := range axes {
		axes[axis] = axis
	}
	mean = over(graph.ReduceMean(x, axes...))
	centred := graph.Sub(x, overChannels(mean, x))
	variance = over(graph.ReduceMean(graph.Square(centred), axes...))
	// Per channel first: the large tensor is then touched by one product and one sum.
	scale := graph.Div(gamma, graph.Sqrt(graph.AddScalar(variance, b.epsilon)))
	return graph.Add(graph.Mul(centred, overChannels(scale, x)), overChannels(beta, x)), mean, variance
}

// moveTowards sets variable to (1−momentum)·variable + momentum·value.
func (b *BatchNormBuilder) moveTowards(variable *model.Variable, value *graph.Node) {
	old := variable.NodeValue(value.Graph())
	variable.SetNodeValue(graph.Add(graph.MulScalar(old, 1-b.momentum), graph.MulScalar(value, b.momentum)))
}

// overChannels reshapes v, [channels], to x's rank so that it broadcasts over x's last axis.
func overChannels(v, x *graph.Node) *graph.Node {
	dims := make([]int, x.Rank())
	for axis := range dims {
		dims[axis] = 1
	}
	dims[x.Rank()-1] = v.Shape().Dim(0)
	return graph.Reshape(v, dims...)
}

// hasFusedBatchNorm reports whether the backend trains batch normalisation in one
// operation and differentiates it in another, as XLA does.
func hasFusedBatchNorm(backend compute.Backend, dtype dtypes.DType) bool {
	can := backend.Capabilities()
	return can.DTypes[dtype] && can.Operations[compute.OpTypeBatchNormForTraining] &&
		can.Operations[compute.OpTypeBatchNormGradient]
}
