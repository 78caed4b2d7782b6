// Pools before the norm, which differs in training alone.

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
	x := nn.Conv(scope.In("conv1"), images, width, 7, 2)
	x = nn.MaxPool(x, 3, 2)
	x = nn.ReLU(nn.Norm(scope.In("bn1"), x))

	channels, stride := width, 1
	for stage := range 4 {
		stageScope := scope.In("layer%d", stage+1)
		x = block(stageScope.In("0"), x, channels, stride)
		x = block(stageScope.In("1"), x, channels, 1)
		channels, stride = 2*channels, 2
	}
	return nn.Linear(scope.In("fc"), nn.GlobalAveragePool(x), classes)
}
