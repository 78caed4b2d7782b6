// This file is yours to edit. The task is in README.md in this folder (中文：README.zh.md). To check your answer: go test ./lesson/exercises/bottleneck
// Hand in only this file.

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
	panic("not done yet: lesson/exercises/bottleneck/README.md says what to do")
}
