// This file is yours to edit. The task is in README.md in this folder (中文：README.zh.md). To check your answer: go test ./lesson/exercises/stage
// Hand in only this file.

// Package stage has a stage of a residual network: blocks that work at the same size.
package stage

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/lesson/exercises/nn"
)

// Stage chains the given number of blocks, at least 1. x is [batch, height, width, in], the
// result [batch, ⌈height/stride⌉, ⌈width/stride⌉, channels]. The first block has the stride,
// all others have stride 1.
//
// The blocks are in scope.In("0"), scope.In("1") and so on.
func Stage(scope *model.Scope, x *graph.Node, blocks, channels, stride int, block nn.Block) *graph.Node {
	panic("not done yet: lesson/exercises/stage/README.md says what to do")
}
