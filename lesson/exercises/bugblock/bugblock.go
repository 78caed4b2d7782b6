// This file is yours to edit. The task is in README.md in this folder. To check your answer: go test ./lesson/exercises/bugblock
// Hand in only this file.

// Package bugblock has a colleague's residual block.
package bugblock

import (
	"slices"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/lesson/exercises/nn"
)

// Block is the residual block with two convolutions: x is [batch, height, width, in], the
// result [batch, ⌈height/stride⌉, ⌈width/stride⌉, channels].
//
// Its layers are in scope.In("conv1"), scope.In("bn1"), scope.In("conv2") and
// scope.In("bn2"). shortcut, which is correct, has scope.In("downsample").
func Block(scope *model.Scope, x *graph.Node, channels, stride int, shortcut nn.Shortcut) *graph.Node {
	x = nn.Conv(scope.In("conv1"), x, channels, 3, stride)
	x = nn.ReLU(nn.Norm(scope.In("bn1"), x))
	y := nn.Conv(scope.In("conv2"), x, channels, 3, 1)
	y = nn.Norm(scope.In("bn2"), y)
	if !slices.Equal(x.Shape().Dimensions, y.Shape().Dimensions) {
		x = shortcut(scope.In("downsample"), x, channels, stride)
	}
	return nn.ReLU(graph.Add(y, x))
}
