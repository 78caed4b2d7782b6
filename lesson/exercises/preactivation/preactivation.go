// This file is yours to edit. The task is in README.md in this folder (中文：README.zh.md). To check your answer: go test ./lesson/exercises/preactivation
// Hand in only this file.

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
	panic("not done yet: lesson/exercises/preactivation/README.md says what to do")
}
