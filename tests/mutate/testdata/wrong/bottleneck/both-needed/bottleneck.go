// Projects only where both size and channels change.

// Package bottleneck has the residual block with three convolutions.
package bottleneck

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/lesson/exercises/nn"
)

// Expansion is the ratio of a bottleneck's output channels to those of its 3×3 convolution.
const Expansion = 4

// Block is the bottleneck of He et al. 2015 (figure 5, right), as in torchvision: x is
// [batch, height, width, in], the result
// [batch, ⌈height/stride⌉, ⌈width/stride⌉, Expansion·planes].
//
// Its layers are in scope.In("conv1"), scope.In("bn1") and so on to scope.In("bn3"). Call
// shortcut with scope.In("downsample").
func Block(scope *model.Scope, x *graph.Node, planes, stride int, shortcut nn.Shortcut) *graph.Node {
	y := nn.Conv(scope.In("conv1"), x, planes, 1, 1)
	y = nn.ReLU(nn.Norm(scope.In("bn1"), y))
	y = nn.Conv(scope.In("conv2"), y, planes, 3, stride)
	y = nn.ReLU(nn.Norm(scope.In("bn2"), y))
	y = nn.Conv(scope.In("conv3"), y, Expansion*planes, 1, 1)
	y = nn.Norm(scope.In("bn3"), y)
	if stride != 1 && x.Shape().Dim(-1) != Expansion*planes {
		x = shortcut(scope.In("downsample"), x, Expansion*planes, stride)
	}
	return nn.ReLU(graph.Add(y, x))
}
