package check

import (
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/lesson/exercises/nn"
	"github.com/residual-go/residual/lesson/exercises/stage"
	solution "github.com/residual-go/residual/lesson/exercises/stage/solution"
)

func TestStage(t *testing.T) {
	type answer = func(scope *model.Scope, x *graph.Node, blocks, channels, stride int, block nn.Block) *graph.Node
	try := func(answer answer) func(T) { return func(t T) { Stage(t, answer) } }
	test(t, "stage", try(solution.Stage), try(stage.Stage),
		wrong{"stride-in-every-block", try(func(scope *model.Scope, x *graph.Node, blocks, channels, stride int, block nn.Block) *graph.Node {
			for i := range blocks {
				x = block(scope.In("%d", i), x, channels, stride)
			}
			return x
		})},
		wrong{"stride-in-the-last-block", try(func(scope *model.Scope, x *graph.Node, blocks, channels, stride int, block nn.Block) *graph.Node {
			for i := range blocks - 1 {
				x = block(scope.In("%d", i), x, channels, 1)
			}
			return block(scope.In("%d", blocks-1), x, channels, stride)
		})},
		wrong{"stride-in-no-block", try(func(scope *model.Scope, x *graph.Node, blocks, channels, _ int, block nn.Block) *graph.Node {
			for i := range blocks {
				x = block(scope.In("%d", i), x, channels, 1)
			}
			return x
		})},
		wrong{"stride-in-all-but-the-first", try(func(scope *model.Scope, x *graph.Node, blocks, channels, stride int, block nn.Block) *graph.Node {
			x = block(scope.In("0"), x, channels, 1)
			for i := 1; i < blocks; i++ {
				x = block(scope.In("%d", i), x, channels, stride)
			}
			return x
		})},
		wrong{"one-block-too-few", try(func(scope *model.Scope, x *graph.Node, blocks, channels, stride int, block nn.Block) *graph.Node {
			for i := range blocks - 1 {
				x, stride = block(scope.In("%d", i), x, channels, stride), 1
			}
			return x
		})},
		wrong{"one-block-too-few", try(func(scope *model.Scope, x *graph.Node, blocks, channels, stride int, block nn.Block) *graph.Node {
			for i := 1; i < blocks; i++ {
				x, stride = block(scope.In("%d", i), x, channels, stride), 1
			}
			return x
		})},
		wrong{"one-block-too-many", try(func(scope *model.Scope, x *graph.Node, blocks, channels, stride int, block nn.Block) *graph.Node {
			for i := 0; i <= blocks; i++ {
				x, stride = block(scope.In("%d", i), x, channels, stride), 1
			}
			return x
		})},
		wrong{"each-block-fed-x", try(func(scope *model.Scope, x *graph.Node, blocks, channels, stride int, block nn.Block) *graph.Node {
			y := block(scope.In("0"), x, channels, stride)
			for i := 1; i < blocks; i++ {
				y = block(scope.In("%d", i), x, channels, 1)
			}
			return y
		})},
		wrong{"no-end", try(func(scope *model.Scope, x *graph.Node, blocks, channels, stride int, block nn.Block) *graph.Node {
			for i := 0; i != -blocks; i++ {
				x, stride = block(scope.In("%d", i), x, channels, stride), 1
			}
			return x
		})},
		wrong{"scope-entered-twice", try(func(scope *model.Scope, x *graph.Node, blocks, channels, stride int, block nn.Block) *graph.Node {
			for range blocks {
				x, stride = block(scope, x, channels, stride), 1
			}
			return x
		})},
		wrong{"channels-in-every-block", try(func(scope *model.Scope, x *graph.Node, blocks, channels, stride int, block nn.Block) *graph.Node {
			for i := range blocks {
				x, stride = block(scope.In("%d", i), x, channels, stride), 1
				channels *= 2
			}
			return x
		})},
		wrong{"channels-in-the-last-block", try(func(scope *model.Scope, x *graph.Node, blocks, channels, stride int, block nn.Block) *graph.Node {
			for i := range blocks {
				to := x.Shape().Dim(-1)
				if i == blocks-1 {
					to = channels
				}
				x, stride = block(scope.In("%d", i), x, to, stride), 1
			}
			return x
		})},
		wrong{"counted-from-one", try(func(scope *model.Scope, x *graph.Node, blocks, channels, stride int, block nn.Block) *graph.Node {
			for i := 1; i <= blocks; i++ {
				x, stride = block(scope.In("%d", i), x, channels, stride), 1
			}
			return x
		})},
	)
}
