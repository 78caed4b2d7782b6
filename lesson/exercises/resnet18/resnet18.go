// This file is yours to edit. The task is in README.md in this folder (中文：README.zh.md). To check your answer: go test ./lesson/exercises/resnet18
// Hand in only this file.

// Package resnet18 has the network of He et al. 2015, table 1, "18-layer".
package resnet18

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/lesson/exercises/nn"
)

// ResNet18 returns the logits, [batch, classes], of images, [batch, height, width, 3].
// width is the number of the stem's output channels: 64 in the paper, fewer to be quick.
//
// The stem is in scope.In("conv1") and scope.In("bn1"), block i of stage s is in
// scope.In("layer%d", s).In("%d", i), with s counted from 1 and i from 0, and the last layer
// is in scope.In("fc").
func ResNet18(scope *model.Scope, images *graph.Node, width, classes int, block nn.Block) *graph.Node {
	panic("not done yet: lesson/exercises/resnet18/README.md says what to do")
}
