package check

import (
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/lesson/exercises/nn"
	"github.com/residual-go/residual/lesson/exercises/shortcut"
	solution "github.com/residual-go/residual/lesson/exercises/shortcut/solution"
)

func TestShortcut(t *testing.T) {
	try := func(answer nn.Shortcut) func(T) { return func(t T) { Shortcut(t, answer) } }
	// unless is an answer that calls project where the shape changes.
	unless := func(project nn.Shortcut) func(T) {
		return try(func(scope *model.Scope, x *graph.Node, channels, stride int) *graph.Node {
			if stride == 1 && x.Shape().Dim(-1) == channels {
				return x
			}
			return project(scope, x, channels, stride)
		})
	}
	test(t, "shortcut", try(solution.Shortcut), try(shortcut.Shortcut),
		wrong{"shortcut-without-norm", unless(func(scope *model.Scope, x *graph.Node, channels, stride int) *graph.Node {
			return nn.Conv(scope.In("0"), x, channels, 1, stride)
		})},
		wrong{"shortcut-without-stride", unless(func(scope *model.Scope, x *graph.Node, channels, stride int) *graph.Node {
			return nn.Norm(scope.In("1"), nn.Conv(scope.In("0"), x, channels, 1, 1))
		})},
		wrong{"relu-on-shortcut", unless(func(scope *model.Scope, x *graph.Node, channels, stride int) *graph.Node {
			return nn.ReLU(project(scope, x, channels, stride))
		})},
		wrong{"three-by-three-kernel", unless(func(scope *model.Scope, x *graph.Node, channels, stride int) *graph.Node {
			return nn.Norm(scope.In("1"), nn.Conv(scope.In("0"), x, channels, 3, stride))
		})},
		wrong{"average-pooling", unless(func(scope *model.Scope, x *graph.Node, channels, stride int) *graph.Node {
			return project(scope, graph.MeanPool(x).Window(stride).Done(), channels, 1)
		})},
		wrong{"channels-not-changed", unless(func(scope *model.Scope, x *graph.Node, channels, stride int) *graph.Node {
			return project(scope, x, x.Shape().Dim(-1), stride)
		})},
		wrong{"never-projecting", try(func(_ *model.Scope, x *graph.Node, _, _ int) *graph.Node { return x })},
		wrong{"projects-on-stride-only", try(func(scope *model.Scope, x *graph.Node, channels, stride int) *graph.Node {
			if stride > 1 {
				return nn.Norm(scope.In("1"), nn.Conv(scope.In("0"), x, channels, 1, stride))
			}
			return x
		})},
		wrong{"projects-on-channels-only", try(func(scope *model.Scope, x *graph.Node, channels, stride int) *graph.Node {
			if x.Shape().Dim(-1) != channels {
				return nn.Norm(scope.In("1"), nn.Conv(scope.In("0"), x, channels, 1, stride))
			}
			return x
		})},
		wrong{"takes-every-other-pixel", try(func(scope *model.Scope, x *graph.Node, channels, stride int) *graph.Node {
			if x.Shape().Dim(-1) != channels {
				return nn.Norm(scope.In("1"), nn.Conv(scope.In("0"), x, channels, 1, stride))
			}
			every := graph.AxisRange().Stride(stride)
			return graph.Slice(x, graph.AxisRange(), every, every)
		})},
		wrong{"always-projecting", try(func(scope *model.Scope, x *graph.Node, channels, stride int) *graph.Node {
			return nn.Norm(scope.In("1"), nn.Conv(scope.In("0"), x, channels, 1, stride))
		})},
		wrong{"copies-input", try(func(scope *model.Scope, x *graph.Node, channels, stride int) *graph.Node {
			if stride == 1 && x.Shape().Dim(-1) == channels {
				return nn.ReLU(x)
			}
			return project(scope, x, channels, stride)
		})},
	)
}
