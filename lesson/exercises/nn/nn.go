// Package nn has the pieces that the exercises' networks are made of: one layer each,
// nothing with a shortcut, which is for the student to write.
//
// All are graph-building functions of GoMLX: they add operations to the graph that x is
// part of, and panic on arguments that cannot be. Activations are
// [batch, height, width, channels].
//
// A layer with weights takes the scope it keeps them in, as a file is kept in a folder,
// and the scope's name is the layer's: nn.Conv(scope.In("conv1"), …) has its weight in
// conv1/weight. GoMLX lets In make a scope once: two layers in one would share their
// weights. The exercises ask for torchvision's names.
package nn

import (
	"math"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"

	"github.com/residual-go/residual/pkg/nn"
)

// Block is a residual block: it takes x, [batch, height, width, in], to
// [batch, ⌈height/stride⌉, ⌈width/stride⌉, channels].
type Block func(scope *model.Scope, x *graph.Node, channels, stride int) *graph.Node

// Shortcut is what a block adds to its branch: x, [batch, height, width, in], brought to
// [batch, ⌈height/stride⌉, ⌈width/stride⌉, channels]. Weights, if it needs any, it keeps in
// scope itself.
type Shortcut func(scope *model.Scope, x *graph.Node, channels, stride int) *graph.Node

// Conv is a convolution without bias. x is [batch, height, width, in]; kernel is its height
// and width, and odd, and kernel/2 zeros are put around x, so that with a stride of 1 the
// result is [batch, height, width, channels]. A stride of 2 halves height and width,
// rounded up.
//
// The variable weight is [kernel, kernel, in, channels], normal at first with variance
// 2/(kernel·kernel·channels).
func Conv(scope *model.Scope, x *graph.Node, channels, kernel, stride int) *graph.Node {
	deviation := math.Sqrt(2 / float64(kernel*kernel*channels))
	weight := scope.WithInitializer(initializer.RandomNormalFn(scope, deviation)).
		VariableWithShape("weight", shapes.Make(x.DType(), kernel, kernel, x.Shape().Dim(-1), channels))
	pad := [2]int{kernel / 2, kernel / 2}
	return graph.Convolve(x, weight.NodeValue(x.Graph())).
		Strides(stride).PaddingPerDim([][2]int{pad, pad}).Done()
}

// Norm is batch norm over the last axis of x, and has x's shape. Its variables weight (γ),
// bias (β), running_mean and running_var are [channels]. While training it uses the
// statistics of the batch and moves the running ones, otherwise it uses the running ones.
func Norm(scope *model.Scope, x *graph.Node) *graph.Node { return nn.BatchNorm(scope, x).Done() }

// ReLU is max(0, x), of x's shape.
func ReLU(x *graph.Node) *graph.Node {
	// The 0 comes first, so that it has the gradient where x is 0, as PyTorch's has.
	return graph.Max(graph.ScalarZero(x.Graph(), x.DType()), x)
}

// MaxPool takes the maximum over windows of window by window pixels, window/2 beyond each
// edge: [batch, height, width, channels] becomes, with an odd window and a stride of 2,
// [batch, ⌈height/2⌉, ⌈width/2⌉, channels].
func MaxPool(x *graph.Node, window, stride int) *graph.Node {
	pad := [2]int{window / 2, window / 2}
	return graph.MaxPool(x).Window(window).Strides(stride).PaddingPerDim([][2]int{pad, pad}).Done()
}

// GlobalAveragePool takes the mean over height and width: [batch, height, width, channels]
// becomes [batch, channels].
func GlobalAveragePool(x *graph.Node) *graph.Node { return graph.ReduceMean(x, 1, 2) }

// Linear is x·weight + bias: x, [batch, in], becomes [batch, out]. The variables are
// weight, [in, out], and bias, [out], both uniform in ±1/√in at first.
func Linear(scope *model.Scope, x *graph.Node, out int) *graph.Node {
	in := x.Shape().Dim(-1)
	bound := 1 / math.Sqrt(float64(in))
	scope = scope.WithInitializer(initializer.RandomUniformFn(scope, -bound, bound))
	weight := scope.VariableWithShape("weight", shapes.Make(x.DType(), in, out))
	bias := scope.VariableWithShape("bias", shapes.Make(x.DType(), out))
	y := graph.MatMul(x, weight.NodeValue(x.Graph()))
	return graph.Add(y, graph.Reshape(bias.NodeValue(x.Graph()), 1, out))
}
