package check

import (
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/lesson/exercises/bottleneck"
	solution "github.com/residual-go/residual/lesson/exercises/bottleneck/solution"
	"github.com/residual-go/residual/lesson/exercises/nn"
)

func TestBottleneck(t *testing.T) {
	type answer = func(scope *model.Scope, x *graph.Node, planes, stride int, shortcut nn.Shortcut) *graph.Node
	try := func(answer answer) func(T) { return func(t T) { Bottleneck(t, answer) } }
	// branch is the block up to the third norm, with a stride for each convolution.
	branch := func(scope *model.Scope, x *graph.Node, narrow, out, first, second, third int) *graph.Node {
		y := nn.ReLU(nn.Norm(scope.In("bn1"), nn.Conv(scope.In("conv1"), x, narrow, 1, first)))
		y = nn.ReLU(nn.Norm(scope.In("bn2"), nn.Conv(scope.In("conv2"), y, narrow, 3, second)))
		return nn.Norm(scope.In("bn3"), nn.Conv(scope.In("conv3"), y, out, 1, third))
	}
	strides := func(first, second, third bool) func(T) {
		return try(func(scope *model.Scope, x *graph.Node, planes, stride int, shortcut nn.Shortcut) *graph.Node {
			by := func(yes bool) int {
				if yes {
					return stride
				}
				return 1
			}
			y := branch(scope, x, planes, 4*planes, by(first), by(second), by(third))
			return nn.ReLU(graph.Add(shortcut(scope.In("downsample"), x, 4*planes, stride), y))
		})
	}
	test(t, "bottleneck", try(solution.Block), try(bottleneck.Block),
		wrong{"stride-on-first", strides(true, false, false)},
		wrong{"stride-on-both", strides(true, true, false)},
		wrong{"stride-on-last", strides(false, false, true)},
		wrong{"no-stride", strides(false, false, false)},
		wrong{"no-expansion", try(func(scope *model.Scope, x *graph.Node, planes, stride int, shortcut nn.Shortcut) *graph.Node {
			y := branch(scope, x, planes, planes, 1, stride, 1)
			return nn.ReLU(graph.Add(y, shortcut(scope.In("downsample"), x, planes, stride)))
		})},
		wrong{"no-expansion", try(func(scope *model.Scope, x *graph.Node, planes, stride int, shortcut nn.Shortcut) *graph.Node {
			y := branch(scope, x, planes, planes, 1, stride, 1)
			return nn.ReLU(graph.Add(y, shortcut(scope.In("downsample"), x, 4*planes, stride)))
		})},
		wrong{"shortcut-not-expanded", try(func(scope *model.Scope, x *graph.Node, planes, stride int, shortcut nn.Shortcut) *graph.Node {
			y := branch(scope, x, planes, 4*planes, 1, stride, 1)
			return nn.ReLU(graph.Add(y, shortcut(scope.In("downsample"), x, planes, stride)))
		})},
		wrong{"relu-before-addition", try(func(scope *model.Scope, x *graph.Node, planes, stride int, shortcut nn.Shortcut) *graph.Node {
			y := nn.ReLU(branch(scope, x, planes, 4*planes, 1, stride, 1))
			return nn.ReLU(graph.Add(y, shortcut(scope.In("downsample"), x, 4*planes, stride)))
		})},
		wrong{"no-last-relu", try(func(scope *model.Scope, x *graph.Node, planes, stride int, shortcut nn.Shortcut) *graph.Node {
			y := branch(scope, x, planes, 4*planes, 1, stride, 1)
			return graph.Add(y, shortcut(scope.In("downsample"), x, 4*planes, stride))
		})},
		wrong{"no-relu-between", try(func(scope *model.Scope, x *graph.Node, planes, stride int, shortcut nn.Shortcut) *graph.Node {
			y := nn.Norm(scope.In("bn1"), nn.Conv(scope.In("conv1"), x, planes, 1, 1))
			y = nn.Norm(scope.In("bn2"), nn.Conv(scope.In("conv2"), y, planes, 3, stride))
			y = nn.Norm(scope.In("bn3"), nn.Conv(scope.In("conv3"), y, 4*planes, 1, 1))
			return nn.ReLU(graph.Add(y, shortcut(scope.In("downsample"), x, 4*planes, stride)))
		})},
		wrong{"no-addition", try(func(scope *model.Scope, x *graph.Node, planes, stride int, _ nn.Shortcut) *graph.Node {
			return nn.ReLU(branch(scope, x, planes, 4*planes, 1, stride, 1))
		})},
		wrong{"input-never-projected", try(func(scope *model.Scope, x *graph.Node, planes, stride int, _ nn.Shortcut) *graph.Node {
			return nn.ReLU(graph.Add(branch(scope, x, planes, 4*planes, 1, stride, 1), x))
		})},
		wrong{"projects-on-stride-only", try(func(scope *model.Scope, x *graph.Node, planes, stride int, shortcut nn.Shortcut) *graph.Node {
			y := branch(scope, x, planes, 4*planes, 1, stride, 1)
			if stride != 1 {
				x = shortcut(scope.In("downsample"), x, 4*planes, stride)
			}
			return nn.ReLU(graph.Add(y, x))
		})},
		wrong{"projects-on-channels-only", try(func(scope *model.Scope, x *graph.Node, planes, stride int, shortcut nn.Shortcut) *graph.Node {
			y := branch(scope, x, planes, 4*planes, 1, stride, 1)
			if x.Shape().Dim(-1) != 4*planes {
				x = shortcut(scope.In("downsample"), x, 4*planes, stride)
			}
			return nn.ReLU(graph.Add(y, x))
		})},
		wrong{"no-reduction", try(func(scope *model.Scope, x *graph.Node, planes, stride int, shortcut nn.Shortcut) *graph.Node {
			y := branch(scope, x, 4*planes, 4*planes, 1, stride, 1)
			return nn.ReLU(graph.Add(y, shortcut(scope.In("downsample"), x, 4*planes, stride)))
		})},
		wrong{"wrong-kernels", try(func(scope *model.Scope, x *graph.Node, planes, stride int, shortcut nn.Shortcut) *graph.Node {
			y := nn.ReLU(nn.Norm(scope.In("bn1"), nn.Conv(scope.In("conv1"), x, planes, 3, 1)))
			y = nn.ReLU(nn.Norm(scope.In("bn2"), nn.Conv(scope.In("conv2"), y, planes, 3, stride)))
			y = nn.Norm(scope.In("bn3"), nn.Conv(scope.In("conv3"), y, 4*planes, 3, 1))
			return nn.ReLU(graph.Add(y, shortcut(scope.In("downsample"), x, 4*planes, stride)))
		})},
	)
}

// A shortcut can throw away values too. That must not get the hint about the stride of the
// last convolution.
func TestBottleneckOfAnotherShape(t *testing.T) {
	result, log := grade(t, func(t T) {
		Bottleneck(t, func(scope *model.Scope, x *graph.Node, planes, stride int, shortcut nn.Shortcut) *graph.Node {
			return solution.Block(scope, x, planes, stride, func(scope *model.Scope, x *graph.Node, channels, stride int) *graph.Node {
				if stride == 1 || x.Shape().Dim(-1) == channels {
					return shortcut(scope, x, channels, stride)
				}
				every := graph.AxisRange().Stride(stride)
				return graph.Slice(shortcut(scope, x, channels, 1), graph.AxisRange(), every, every)
			})
		})
	})
	if last := result.Steps[3]; last.Passed || last.Message == "" || last.Hint != nil {
		t.Errorf("want the step stride to fail without a hint, got:\n%s", log)
	}
}
