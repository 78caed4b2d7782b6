// This file is yours to edit. The task: README.md in this folder. To check it: go test ./lesson/exercises/bughead
// Hand in this file alone.

// Package bughead has the end of a colleague's network.
package bughead

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/lesson/exercises/nn"
)

// Head returns the logits, [batch, classes], of the last maps of a network, x,
// [batch, height, width, channels]: the mean over all places of a map, and a linear layer
// in scope.In("fc").
func Head(scope *model.Scope, x *graph.Node, classes int) *graph.Node {
	// The places of each channel in a row, and their mean.
	x = graph.Reshape(x, x.Shape().Dim(0), x.Shape().Dim(3), -1)
	x = graph.ReduceMean(x, 2)
	return nn.Linear(scope.In("fc"), x, classes)
}
