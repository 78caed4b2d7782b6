package check

import (
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/lesson/exercises/bugblock"
	solution "github.com/residual-go/residual/lesson/exercises/bugblock/solution"
	"github.com/residual-go/residual/lesson/exercises/nn"
)

func TestBugBlock(t *testing.T) {
	type answer = func(scope *model.Scope, x *graph.Node, channels, stride int, shortcut nn.Shortcut) *graph.Node
	try := func(answer answer) func(T) { return func(t T) { BugBlock(t, answer) } }
	half := func(scope *model.Scope, number string, x *graph.Node, channels, stride int) *graph.Node {
		return nn.Norm(scope.In("bn%s", number), nn.Conv(scope.In("conv%s", number), x, channels, 3, stride))
	}
	branch := func(scope *model.Scope, x *graph.Node, channels, stride int) *graph.Node {
		return half(scope, "2", nn.ReLU(half(scope, "1", x, channels, stride)), channels, 1)
	}
	testBug(t, "bugblock", try(solution.Block), try(bugblock.Block), "branch-added-to-itself",
		wrong{"input-overwritten", try(func(scope *model.Scope, x *graph.Node, channels, stride int, _ nn.Shortcut) *graph.Node {
			x = nn.ReLU(half(scope, "1", x, channels, stride))
			return nn.ReLU(graph.Add(half(scope, "2", x, channels, 1), x))
		})},
		wrong{"input-saved-too-late", try(func(scope *model.Scope, x *graph.Node, channels, stride int, _ nn.Shortcut) *graph.Node {
			x = nn.Conv(scope.In("conv1"), x, channels, 3, stride)
			identity := x
			x = nn.ReLU(nn.Norm(scope.In("bn1"), x))
			return nn.ReLU(graph.Add(half(scope, "2", x, channels, 1), identity))
		})},
		wrong{"input-saved-too-late", try(func(scope *model.Scope, x *graph.Node, channels, stride int, _ nn.Shortcut) *graph.Node {
			identity := half(scope, "1", x, channels, stride)
			return nn.ReLU(graph.Add(half(scope, "2", nn.ReLU(identity), channels, 1), identity))
		})},
		wrong{"branch-added-to-itself", try(func(scope *model.Scope, x *graph.Node, channels, stride int, _ nn.Shortcut) *graph.Node {
			x = branch(scope, x, channels, stride)
			return nn.ReLU(graph.Add(x, x))
		})},
		wrong{"last-relu-removed", try(func(scope *model.Scope, x *graph.Node, channels, stride int, _ nn.Shortcut) *graph.Node {
			x = nn.ReLU(half(scope, "1", x, channels, stride))
			return graph.Add(half(scope, "2", x, channels, 1), x)
		})},
		wrong{"last-relu-removed", try(func(scope *model.Scope, x *graph.Node, channels, stride int, shortcut nn.Shortcut) *graph.Node {
			return graph.Add(branch(scope, x, channels, stride), shortcut(scope.In("downsample"), x, channels, stride))
		})},
		wrong{"first-relu-removed", try(func(scope *model.Scope, x *graph.Node, channels, stride int, _ nn.Shortcut) *graph.Node {
			x = half(scope, "1", x, channels, stride)
			return nn.ReLU(graph.Add(half(scope, "2", x, channels, 1), x))
		})},
		wrong{"addition-removed", try(func(scope *model.Scope, x *graph.Node, channels, stride int, _ nn.Shortcut) *graph.Node {
			return nn.ReLU(branch(scope, x, channels, stride))
		})},
		wrong{"added-to-both", try(func(scope *model.Scope, x *graph.Node, channels, stride int, shortcut nn.Shortcut) *graph.Node {
			identity := shortcut(scope.In("downsample"), x, channels, stride)
			x = nn.ReLU(half(scope, "1", x, channels, stride))
			y := half(scope, "2", x, channels, 1)
			return nn.ReLU(graph.Add(graph.Add(y, x), identity))
		})},
		wrong{"relu-before-addition", try(func(scope *model.Scope, x *graph.Node, channels, stride int, shortcut nn.Shortcut) *graph.Node {
			y := nn.ReLU(branch(scope, x, channels, stride))
			return graph.Add(y, shortcut(scope.In("downsample"), x, channels, stride))
		})},
		wrong{"relu-on-shortcut", try(func(scope *model.Scope, x *graph.Node, channels, stride int, shortcut nn.Shortcut) *graph.Node {
			y := branch(scope, x, channels, stride)
			return nn.ReLU(graph.Add(y, nn.ReLU(shortcut(scope.In("downsample"), x, channels, stride))))
		})},
		wrong{"projects-on-stride-only", try(func(scope *model.Scope, x *graph.Node, channels, stride int, shortcut nn.Shortcut) *graph.Node {
			y := branch(scope, x, channels, stride)
			if stride != 1 {
				x = shortcut(scope.In("downsample"), x, channels, stride)
			}
			return nn.ReLU(graph.Add(y, x))
		})},
		wrong{"projects-on-channels-only", try(func(scope *model.Scope, x *graph.Node, channels, stride int, shortcut nn.Shortcut) *graph.Node {
			y := branch(scope, x, channels, stride)
			if x.Shape().Dim(-1) != channels {
				x = shortcut(scope.In("downsample"), x, channels, stride)
			}
			return nn.ReLU(graph.Add(y, x))
		})},
		wrong{"input-never-projected", try(func(scope *model.Scope, x *graph.Node, channels, stride int, _ nn.Shortcut) *graph.Node {
			return nn.ReLU(graph.Add(branch(scope, x, channels, stride), x))
		})},
	)
}

// testBug is test for an exercise whose stub is broken code: the stub earns no points and
// gets the hint of its bug.
func testBug(t *testing.T, exercise string, solution, stub func(T), bug string, answers ...wrong) {
	t.Run("stub", func(t *testing.T) {
		result, log := grade(t, stub)
		if earned, _ := result.Points(); earned != 0 {
			t.Errorf("the stub earns %d points, want 0:\n%s", earned, log)
		}
		if hint := result.Steps[0].Hint; hint == nil || hint.Name != bug {
			t.Errorf("want the hint %s, got:\n%s", bug, log)
		}
	})
	testAnswers(t, exercise, solution, answers...)
}
