// This file is yours to edit. The task is in README.md in this folder (中文：README.zh.md). To check your answer: go test ./lesson/exercises/basicblock
// Hand in only this file.

// Package basicblock has the residual block with two convolutions.
package basicblock

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
)

// Block is the residual block of He et al. 2015 (figure 2; figure 5, left), for the case that
// the shape does not change: x and the result are [batch, height, width, channels].
//
// Its layers are in scope.In("conv1"), scope.In("bn1"), scope.In("conv2") and
// scope.In("bn2").
func Block(scope *model.Scope, x *graph.Node) *graph.Node {
	panic("not done yet: lesson/exercises/basicblock/README.md says what to do")
}
