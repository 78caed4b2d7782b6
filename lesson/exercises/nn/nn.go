// Package nn has the layers that the exercises' networks are built from, one function each.
// Nothing here has a shortcut: those are for the student to write.
//
// All of them are GoMLX graph-building functions: they add operations to the graph of x and
// panic on invalid arguments. Activations are [batch, height, width, channels].
//
// A layer with weights takes the scope that holds them, as a folder holds files:
// nn.Conv(scope.In("conv1"), …) has its weight in conv1/weight. GoMLX lets In create a scope
// only once, so that two layers do not share weights by accident. The exercises use
// torchvision's names.
package nn

import (
	"math"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"

	"github.com/residual-go/residual/pkg/nn"
)

// Block is a residual block: it maps x, [batch, height, width, in], to
// [batch, ⌈height/stride⌉, ⌈width/stride⌉, channels].
type Block func(scope *model.Scope, x *graph.Node, channels, stride int) *graph.Node

// Shortcut computes what a block adds to its branch: it maps x, [batch, height, width, in],
// to [batch, ⌈height/stride⌉, ⌈width/stride⌉, channels]. Its weights, if it has any, are in
// scope.
type Shortcut func(scope *model.Scope, x *graph.Node, channels, stride int) *graph.Node

// Conv is a convolution without bias. x is [batch, height, width, in]. The kernel is kernel
// pixels high and wide, an odd number, and x is padded with kernel/2 zeros on each side: with
// stride 1 the result is [batch, height, width, channels], and stride 2 halves height and
// width, rounding up.
//
// The variable weight is [kernel, kernel, in, channels]. It starts with normal values of
// variance 2/(kernel·kernel·channels), as in He et al. 2015, "Delving Deep into Rectifiers".
func Conv(scope *model.Scope, x *graph.Node, channels, kernel, stride int) *graph.Node {
	std := math.Sqrt(2 / float64(kernel*kernel*channels))
	weight := scope.WithInitializer(initializer.RandomNormalFn(scope, std)).
		VariableWithShape("weight", shapes.Make(x.DType(), kernel, kernel, x.Shape().Dim(-1), channels))
	pad := [2]int{kernel / 2, kernel / 2}
	return graph.Convolve(x, weight.NodeValue(x.Graph())).
		Strides(stride).PaddingPerDim([][2]int{pad, pad}).Done()
}

// Norm is batch norm over the last axis of x; the result has x's shape. Its variables weight
// (γ), bias (β), running_mean and running_var are [channels]. In training it uses the batch's
// statistics and updates the running ones; otherwise it uses the running ones.
func Norm(scope *model.Scope, x *graph.Node) *graph.Node { return nn.BatchNorm(scope, x).Done() }

// ReLU is max(0, x).
func ReLU(x *graph.Node) *graph.Node {
	// The 0 comes first: where x is 0, the gradient goes to it and not to x, as in PyTorch.
	return graph.Max(graph.ScalarZero(x.Graph(), x.DType()), x)
}

// MaxPool takes the maximum over windows of window×window pixels, which reach window/2
// pixels beyond each edge. With an odd window and stride 2, [batch, height, width, channels]
// becomes [batch, ⌈height/2⌉, ⌈width/2⌉, channels].
func MaxPool(x *graph.Node, window, stride int) *graph.Node {
	pad := [2]int{window / 2, window / 2}
	return graph.MaxPool(x).Window(window).Strides(stride).PaddingPerDim([][2]int{pad, pad}).Done()
}

// GlobalAveragePool takes the mean over height and width: [batch, height, width, channels]
// becomes [batch, channels].
func GlobalAveragePool(x *graph.Node) *graph.Node { return graph.ReduceMean(x, 1, 2) }

// Linear is x·weight + bias: x, [batch, in], becomes [batch, out]. The variables are
// weight, [in, out], and bias, [out]; both start uniform in ±1/√in.
func Linear(scope *model.Scope, x *graph.Node, out int) *graph.Node {
	in := x.Shape().Dim(-1)
	bound := 1 / math.Sqrt(float64(in))
	scope = scope.WithInitializer(initializer.RandomUniformFn(scope, -bound, bound))
	weight := scope.VariableWithShape("weight", shapes.Make(x.DType(), in, out))
	bias := scope.VariableWithShape("bias", shapes.Make(x.DType(), out))
	y := graph.MatMul(x, weight.NodeValue(x.Graph()))
	return graph.Add(y, graph.Reshape(bias.NodeValue(x.Graph()), 1, out))
}
