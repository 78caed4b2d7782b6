// Package basicblock has the residual block with two convolutions.
package basicblock

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/lesson/exercises/nn"
)

// Block is the residual block of He et al. 2015 (figure 2; figure 5, left), for the case that
// the shape does not change: x and the result are [batch, height, width, channels].
//
// Its layers are in scope.In("conv1"), scope.In("bn1"), scope.In("conv2") and
// scope.In("bn2").
func Block(scope *model.Scope, x *graph.Node) *graph.Node {
	// BEGIN SOLUTION
	channels := x.Shape().Dim(-1)
	y := nn.Conv(scope.In("conv1"), x, channels, 3, 1)
	y = nn.Norm(scope.In("bn1"), y)
	y = nn.ReLU(y)
	y = nn.Conv(scope.In("conv2"), y, channels, 3, 1)
	y = nn.Norm(scope.In("bn2"), y)
	return nn.ReLU(graph.Add(y, x))
	// END SOLUTION
}
