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

// The names of a batch norm's variables, which are those in PyTorch's state dict.
const (
	GammaName    = "weight"
	BetaName     = "bias"
	MeanName     = "running_mean"
	VarianceName = "running_var"
)

// PyTorch's defaults.
const (
	// Epsilon is added to the variance, which keeps the division defined.
	Epsilon = 1e-5
	// Momentum is the weight of a new batch in the running statistics. GoMLX and Keras call the
	// complement, 0.9, the momentum.
	Momentum = 0.1
)

// BatchNormBuilder configures a batch normalisation; see [BatchNorm].
type BatchNormBuilder struct {
	scope             *model.Scope
	x                 *graph.Node
	zeroGamma, frozen bool
	local             bool
}

// BatchNorm normalises x, [batch, …, channels], per channel (Ioffe and Szegedy 2015,
// https://arxiv.org/abs/1502.03167), as PyTorch's BatchNorm2d does:
//
//	y = γ·(x − mean)/√(variance + Epsilon) + β
//
// In training, mean and variance are those of the batch, over all axes but the last. Gradients
// flow through both. The running statistics move towards them: by Momentum times the
// difference, and the running variance towards the unbiased variance. In inference, and if the
// norm is frozen, the running statistics are used and do not change.
//
// In a graph that runs on several devices, each with its share of the batch, mean and variance
// are those of the whole batch (PyTorch's SyncBatchNorm), unless the norm is local.
//
// If x is bfloat16 or float16, it is normalised in float32 and the result is rounded; see
// [WeightType].
//
// The variables weight (γ), bias (β), running_mean and running_var, each [channels], are in scope
// itself. Call Done to get the result, which has the shape of x.
func BatchNorm(scope *model.Scope, x *graph.Node) *BatchNormBuilder {
	return &BatchNormBuilder{scope: scope, x: x}
}

// ZeroGamma initialises γ with 0 instead of 1. In the last batch norm of a residual branch, this
// makes the block start as the identity (Goyal et al. 2017, https://arxiv.org/abs/1706.02677,
// section 5.1).
func (b *BatchNormBuilder) ZeroGamma(zero bool) *BatchNormBuilder {
	b.zeroGamma = zero
	return b
}

// Frozen makes the norm use and keep its running statistics in training too, as PyTorch's
// BatchNorm2d does after eval(). γ and β are still trained if they are trainable.
func (b *BatchNormBuilder) Frozen(frozen bool) *BatchNormBuilder {
	b.frozen = frozen
	return b
}

// Local makes every device normalise its share of the batch by the share's own mean and variance,
// as PyTorch does without SyncBatchNorm. The devices then exchange nothing before the end of the
// step, and the result depends on their number. The running statistics, which are the same on
// all devices, move towards the mean of the devices' statistics.
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
	// Half precision is not enough for the statistics. XLA should fuse the conversions with
	// reading and writing, without a float32 copy in memory; this has not been checked on a GPU.
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
		// One multiplication and one addition per element. The fused operation for this has no
		// gradient, and frozen networks are differentiated too.
		scale := graph.Div(gamma.NodeValue(g), graph.Sqrt(graph.AddScalar(runningVariance.NodeValue(g), Epsilon)))
		shift := graph.Sub(beta.NodeValue(g), graph.Mul(runningMean.NodeValue(g), scale))
		y := graph.Add(graph.Mul(x, overChannels(scale, x)), overChannels(shift, x))
		return graph.ConvertDType(y, b.x.DType())
	}

	synced := g.NumDevices() > 1 && !b.local
	n := x.Shape().Size() / channels
	if synced {
		n *= g.NumDevices()
	}
	if n < 2 {
		exceptions.Panicf("BatchNorm: x of shape %s has one value per channel to train on, want at least 2", x.Shape())
	}
	var y, mean, variance *graph.Node
	if !synced && hasFusedBatchNorm(g.Backend(), dtype) {
		y, mean, variance = graph.InternalBatchNormForTraining(x, gamma.NodeValue(g), beta.NodeValue(g), Epsilon, x.Rank()-1)
	} else {
		y, mean, variance = b.train(x, gamma.NodeValue(g), beta.NodeValue(g))
	}
	unbiased := graph.MulScalar(variance, float64(n)/float64(n-1))
	if !synced {
		moments := spmd.Means([]*graph.Node{graph.StopGradient(mean), graph.StopGradient(unbiased)})
		mean, unbiased = moments[0], moments[1]
	}
	moveTowards(runningMean, graph.StopGradient(mean))
	moveTowards(runningVariance, graph.StopGradient(unbiased))
	return graph.ConvertDType(y, b.x.DType())
}

// train composes the normalisation from simpler operations, so that automatic differentiation
// gives its gradient, including that through the batch's mean and variance. It returns the
// result, and the batch's mean and biased variance, each [channels].
func (b *BatchNormBuilder) train(x, gamma, beta *graph.Node) (y, mean, variance *graph.Node) {
	meanOverDevices := func(y *graph.Node) *graph.Node { return y }
	if !b.local {
		meanOverDevices = spmd.Mean
	}
	axes := make([]int, x.Rank()-1)
	for axis := range axes {
		axes[axis] = axis
	}
	mean = meanOverDevices(graph.ReduceMean(x, axes...))
	centred := graph.Sub(x, overChannels(mean, x))
	variance = meanOverDevices(graph.ReduceMean(graph.Square(centred), axes...))
	// Computing the scale per channel first leaves one product and one sum for the large tensor.
	scale := graph.Div(gamma, graph.Sqrt(graph.AddScalar(variance, Epsilon)))
	return graph.Add(graph.Mul(centred, overChannels(scale, x)), overChannels(beta, x)), mean, variance
}

// moveTowards sets variable to (1−Momentum)·variable + Momentum·value.
func moveTowards(variable *model.Variable, value *graph.Node) {
	old := variable.NodeValue(value.Graph())
	variable.SetNodeValue(graph.Add(graph.MulScalar(old, 1-Momentum), graph.MulScalar(value, Momentum)))
}

// overChannels reshapes v, [channels], to x's rank, so that it broadcasts along x's last axis.
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
