package check

import (
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/lesson/exercises/basicblock"
	solution "github.com/residual-go/residual/lesson/exercises/basicblock/solution"
	"github.com/residual-go/residual/lesson/exercises/nn"
)

func TestBasicBlock(t *testing.T) {
	try := func(answer func(scope *model.Scope, x *graph.Node) *graph.Node) func(T) {
		return func(t T) { BasicBlock(t, answer) }
	}
	conv := func(scope *model.Scope, x *graph.Node) *graph.Node { return nn.Conv(scope, x, x.Shape().Dim(3), 3, 1) }
	branch := func(scope *model.Scope, x *graph.Node) *graph.Node {
		x = nn.ReLU(nn.Norm(scope.In("bn1"), conv(scope.In("conv1"), x)))
		return nn.Norm(scope.In("bn2"), conv(scope.In("conv2"), x))
	}
	test(t, "basicblock", try(solution.Block), try(basicblock.Block),
		wrong{"relu-before-addition", try(func(scope *model.Scope, x *graph.Node) *graph.Node {
			return graph.Add(x, nn.ReLU(branch(scope, x)))
		})},
		wrong{"relu-before-addition", try(func(scope *model.Scope, x *graph.Node) *graph.Node {
			return nn.ReLU(graph.Add(x, nn.ReLU(branch(scope, x))))
		})},
		wrong{"no-addition", try(func(scope *model.Scope, x *graph.Node) *graph.Node { return nn.ReLU(branch(scope, x)) })},
		wrong{"no-last-relu", try(func(scope *model.Scope, x *graph.Node) *graph.Node { return graph.Add(branch(scope, x), x) })},
		wrong{"no-relu-between", try(func(scope *model.Scope, x *graph.Node) *graph.Node {
			y := nn.Norm(scope.In("bn1"), conv(scope.In("conv1"), x))
			y = nn.Norm(scope.In("bn2"), conv(scope.In("conv2"), y))
			return nn.ReLU(graph.Add(x, y))
		})},
		wrong{"norm-missing", try(func(scope *model.Scope, x *graph.Node) *graph.Node {
			y := nn.ReLU(conv(scope.In("conv1"), x))
			return nn.ReLU(graph.Add(x, nn.Norm(scope.In("bn2"), conv(scope.In("conv2"), y))))
		})},
		wrong{"norm-missing", try(func(scope *model.Scope, x *graph.Node) *graph.Node {
			y := nn.ReLU(nn.Norm(scope.In("bn1"), conv(scope.In("conv1"), x)))
			return nn.ReLU(graph.Add(x, conv(scope.In("conv2"), y)))
		})},
		wrong{"relu-on-shortcut", try(func(scope *model.Scope, x *graph.Node) *graph.Node {
			return nn.ReLU(graph.Add(branch(scope, x), nn.ReLU(x)))
		})},
		wrong{"scope-entered-twice", try(func(scope *model.Scope, x *graph.Node) *graph.Node {
			half := func(y *graph.Node) *graph.Node { return nn.Norm(scope.In("bn1"), conv(scope.In("conv1"), y)) }
			return nn.ReLU(graph.Add(half(nn.ReLU(half(x))), x))
		})},
		wrong{"same-weights-twice", try(func(scope *model.Scope, x *graph.Node) *graph.Node {
			y := nn.ReLU(nn.Norm(scope.In("bn1"), conv(scope.In("conv1"), x)))
			y = nn.Norm(scope.Shared("bn1"), conv(scope.Shared("conv1"), y))
			return nn.ReLU(graph.Add(y, x))
		})},
		wrong{"shortcut-from-the-middle", try(func(scope *model.Scope, x *graph.Node) *graph.Node {
			x = nn.ReLU(nn.Norm(scope.In("bn1"), conv(scope.In("conv1"), x)))
			y := nn.Norm(scope.In("bn2"), conv(scope.In("conv2"), x))
			return nn.ReLU(graph.Add(y, x))
		})},
		wrong{"addition-before-norm", try(func(scope *model.Scope, x *graph.Node) *graph.Node {
			y := nn.ReLU(nn.Norm(scope.In("bn1"), conv(scope.In("conv1"), x)))
			return nn.ReLU(nn.Norm(scope.In("bn2"), graph.Add(conv(scope.In("conv2"), y), x)))
		})},
		wrong{"fixed-size", try(func(scope *model.Scope, x *graph.Node) *graph.Node {
			y := nn.ReLU(nn.Norm(scope.In("bn1"), nn.Conv(scope.In("conv1"), x, 3, 3, 1)))
			y = nn.Norm(scope.In("bn2"), nn.Conv(scope.In("conv2"), y, 3, 3, 1))
			return nn.ReLU(graph.Add(y, x))
		})},
	)
}
