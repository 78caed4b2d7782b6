// This file is yours to edit. The task: README.md in this folder. To check it: go test ./lesson/exercises/resnet18
// Hand in this file alone.

// Package resnet18 has the network of He et al. 2015, table 1, "18-layer".
package resnet18

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/lesson/exercises/nn"
)

// ResNet18 returns the logits, [batch, classes], of images, [batch, height, width, 3].
// width is the number of channels that leave the stem: 64 in the paper, fewer where it
// should be quick.
//
// The stem is in scope.In("conv1") and scope.In("bn1"), block number i of stage s in
// scope.In("layer%d", s).In("%d", i), s from 1 and i from 0, and the last layer in
// scope.In("fc").
func ResNet18(scope *model.Scope, images *graph.Node, width, classes int, block nn.Block) *graph.Node {
	panic("not done yet: lesson/exercises/resnet18/README.md says what to do")
}
