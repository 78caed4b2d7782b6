// This file is yours to edit. The task: README.md in this folder. To check it: go test ./lesson/exercises/bottleneck
// Hand in this file alone.

// Package bottleneck has the residual block of three convolutions.
package bottleneck

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/lesson/exercises/nn"
)

// Expansion is how many times more channels leave a bottleneck than its 3×3 convolution has.
const Expansion = 4

// Block is the bottleneck of He et al. 2015, figure 5, right, as torchvision has it: x is
// [batch, height, width, in], the result
// [batch, ⌈height/stride⌉, ⌈width/stride⌉, Expansion·planes].
//
// Its layers are in scope.In("conv1"), scope.In("bn1") and so on to scope.In("bn3"), and
// shortcut is to be called with scope.In("downsample").
func Block(scope *model.Scope, x *graph.Node, planes, stride int, shortcut nn.Shortcut) *graph.Node {
	panic("not done yet: lesson/exercises/bottleneck/README.md says what to do")
}
