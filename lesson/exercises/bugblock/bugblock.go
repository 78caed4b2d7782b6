// This file is yours to edit. The task is in README.md in this folder (中文：README.zh.md). To check your answer: go test ./lesson/exercises/bugblock
// Hand in only this file.

// Package bugblock has a colleague's residual block.
package bugblock

import (
	"slices"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/lesson/exercises/nn"
)

// trunk is a network under construction: each method adds a layer at its end.
type trunk struct {
	scope *model.Scope
	x     *graph.Node // the output of the last layer
}

func (t *trunk) conv(name string, channels, stride int) *trunk {
	t.x = nn.Conv(t.scope.In("%s", name), t.x, channels, 3, stride)
	return t
}

func (t *trunk) norm(name string) *trunk {
	t.x = nn.Norm(t.scope.In("%s", name), t.x)
	return t
}

func (t *trunk) relu() *trunk {
	t.x = nn.ReLU(t.x)
	return t
}

func (t *trunk) add(other *trunk) *trunk {
	t.x = graph.Add(t.x, other.x)
	return t
}

// Block is the residual block with two convolutions: x is [batch, height, width, in], the
// result [batch, ⌈height/stride⌉, ⌈width/stride⌉, channels].
//
// Its layers are in scope.In("conv1"), scope.In("bn1"), scope.In("conv2") and
// scope.In("bn2"). shortcut, which is correct, has scope.In("downsample").
func Block(scope *model.Scope, x *graph.Node, channels, stride int, shortcut nn.Shortcut) *graph.Node {
	branch := &trunk{scope, x}
	identity := branch // the block's input, before any layer
	branch.conv("conv1", channels, stride).norm("bn1").relu()
	branch.conv("conv2", channels, 1).norm("bn2")
	if !slices.Equal(identity.x.Shape().Dimensions, branch.x.Shape().Dimensions) {
		identity.x = shortcut(scope.In("downsample"), identity.x, channels, stride)
	}
	return branch.add(identity).relu().x
}
