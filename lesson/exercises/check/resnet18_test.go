package check

import (
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/lesson/exercises/nn"
	"github.com/residual-go/residual/lesson/exercises/resnet18"
	solution "github.com/residual-go/residual/lesson/exercises/resnet18/solution"
)

func TestResNet18(t *testing.T) {
	type answer = func(scope *model.Scope, images *graph.Node, width, classes int, block nn.Block) *graph.Node
	type piece = func(scope *model.Scope, x *graph.Node, n int) *graph.Node
	try := func(answer answer) func(T) { return func(t T) { ResNet18(t, answer) } }
	stem := func(scope *model.Scope, x *graph.Node, width int) *graph.Node {
		x = nn.Conv(scope.In("conv1"), x, width, 7, 2)
		return nn.MaxPool(nn.ReLU(nn.Norm(scope.In("bn1"), x)), 3, 2)
	}
	stages := func(scope *model.Scope, x *graph.Node, channels, strides [4]int, blocks int, block nn.Block) *graph.Node {
		for i := range 4 {
			stage := scope.In("layer%d", i+1)
			for j := range blocks {
				x = block(stage.In("%d", j), x, channels[i], strides[i])
				strides[i] = 1
			}
		}
		return x
	}
	head := func(scope *model.Scope, x *graph.Node, classes int) *graph.Node {
		return nn.Linear(scope.In("fc"), nn.GlobalAveragePool(x), classes)
	}
	// with is the right network with another stem or head.
	with := func(stem, head piece) func(T) {
		return try(func(scope *model.Scope, x *graph.Node, width, classes int, block nn.Block) *graph.Node {
			x = stem(scope, x, width)
			x = stages(scope, x, [4]int{width, 2 * width, 4 * width, 8 * width}, [4]int{1, 2, 2, 2}, 2, block)
			return head(scope, x, classes)
		})
	}
	between := func(channels, strides [4]int, blocks int) func(T) {
		return try(func(scope *model.Scope, x *graph.Node, width, classes int, block nn.Block) *graph.Node {
			for i := range channels {
				channels[i] *= width
			}
			return head(scope, stages(scope, stem(scope, x, width), channels, strides, blocks, block), classes)
		})
	}
	test(t, "resnet18", try(solution.ResNet18), try(resnet18.ResNet18),
		wrong{"scope-entered-twice", try(func(scope *model.Scope, x *graph.Node, width, classes int, block nn.Block) *graph.Node {
			x = stem(scope, x, width)
			for i := range 4 {
				x = block(scope.In("layer%d", i+1).In("0"), x, width<<i, 1+min(i, 1))
				x = block(scope.In("layer%d", i+1).In("1"), x, width<<i, 1)
			}
			return head(scope, x, classes)
		})},
		wrong{"no-max-pool", with(func(scope *model.Scope, x *graph.Node, width int) *graph.Node {
			return nn.ReLU(nn.Norm(scope.In("bn1"), nn.Conv(scope.In("conv1"), x, width, 7, 2)))
		}, head)},
		wrong{"pool-before-norm", with(func(scope *model.Scope, x *graph.Node, width int) *graph.Node {
			x = nn.MaxPool(nn.Conv(scope.In("conv1"), x, width, 7, 2), 3, 2)
			return nn.ReLU(nn.Norm(scope.In("bn1"), x))
		}, head)},
		wrong{"no-stem-relu", with(func(scope *model.Scope, x *graph.Node, width int) *graph.Node {
			return nn.MaxPool(nn.Norm(scope.In("bn1"), nn.Conv(scope.In("conv1"), x, width, 7, 2)), 3, 2)
		}, head)},
		wrong{"no-stem-norm", with(func(scope *model.Scope, x *graph.Node, width int) *graph.Node {
			return nn.MaxPool(nn.ReLU(nn.Conv(scope.In("conv1"), x, width, 7, 2)), 3, 2)
		}, head)},
		wrong{"stem-without-stride", with(func(scope *model.Scope, x *graph.Node, width int) *graph.Node {
			return nn.MaxPool(nn.ReLU(nn.Norm(scope.In("bn1"), nn.Conv(scope.In("conv1"), x, width, 7, 1))), 3, 2)
		}, head)},
		wrong{"small-stem-kernel", with(func(scope *model.Scope, x *graph.Node, width int) *graph.Node {
			return nn.MaxPool(nn.ReLU(nn.Norm(scope.In("bn1"), nn.Conv(scope.In("conv1"), x, width, 3, 2))), 3, 2)
		}, head)},
		wrong{"flatten", with(stem, func(scope *model.Scope, x *graph.Node, classes int) *graph.Node {
			return nn.Linear(scope.In("fc"), graph.Reshape(x, x.Shape().Dim(0), -1), classes)
		})},
		wrong{"global-max-pool", with(stem, func(scope *model.Scope, x *graph.Node, classes int) *graph.Node {
			return nn.Linear(scope.In("fc"), graph.ReduceMax(x, 1, 2), classes)
		})},
		wrong{"relu-on-logits", with(stem, func(scope *model.Scope, x *graph.Node, classes int) *graph.Node {
			return nn.ReLU(head(scope, x, classes))
		})},
		wrong{"stride-in-the-first-stage", between([4]int{1, 2, 4, 8}, [4]int{2, 2, 2, 2}, 2)},
		wrong{"no-stride-in-later-stages", between([4]int{1, 2, 4, 8}, [4]int{1, 1, 1, 1}, 2)},
		wrong{"widths-do-not-double", between([4]int{1, 1, 1, 1}, [4]int{1, 2, 2, 2}, 2)},
		wrong{"one-block-a-stage", between([4]int{1, 2, 4, 8}, [4]int{1, 2, 2, 2}, 1)},
		wrong{"numbers-written-out", try(func(scope *model.Scope, x *graph.Node, _, _ int, block nn.Block) *graph.Node {
			x = stages(scope, stem(scope, x, 4), [4]int{4, 8, 16, 32}, [4]int{1, 2, 2, 2}, 2, block)
			return head(scope, x, 5)
		})},
	)
}
