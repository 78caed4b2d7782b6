// Package preactivation has the residual block that activates first.
package preactivation

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/lesson/exercises/nn"
)

// Block is the block of He et al. 2016 ("Identity Mappings in Deep Residual Networks", figure
// 1, right): each convolution comes after its norm and its ReLU, and nothing comes after the
// addition. x is [batch, height, width, in], the result
// [batch, ⌈height/stride⌉, ⌈width/stride⌉, channels].
//
// Its layers are in scope.In("bn1"), scope.In("conv1"), scope.In("bn2") and
// scope.In("conv2"). Call shortcut with scope.In("downsample") and, if the shape does not
// change, with x. If the shape changes, call it with the input of the first convolution.
func Block(scope *model.Scope, x *graph.Node, channels, stride int, shortcut nn.Shortcut) *graph.Node {
	// BEGIN SOLUTION
	activated := nn.ReLU(nn.Norm(scope.In("bn1"), x))
	y := nn.Conv(scope.In("conv1"), activated, channels, 3, stride)
	y = nn.ReLU(nn.Norm(scope.In("bn2"), y))
	y = nn.Conv(scope.In("conv2"), y, channels, 3, 1)
	if stride != 1 || x.Shape().Dim(-1) != channels {
		x = activated
	}
	return graph.Add(y, shortcut(scope.In("downsample"), x, channels, stride))
	// END SOLUTION
}
