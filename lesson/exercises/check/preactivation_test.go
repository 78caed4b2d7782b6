package check

import (
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/lesson/exercises/nn"
	stub "github.com/residual-go/residual/lesson/exercises/preactivation"
	solution "github.com/residual-go/residual/lesson/exercises/preactivation/solution"
)

func TestPreActivation(t *testing.T) {
	type answer = func(scope *model.Scope, x *graph.Node, channels, stride int, shortcut nn.Shortcut) *graph.Node
	try := func(answer answer) func(T) { return func(t T) { PreActivation(t, answer) } }
	conv := func(scope *model.Scope, name string, x *graph.Node, channels, stride int) *graph.Node {
		return nn.Conv(scope.In("%s", name), x, channels, 3, stride)
	}
	both := func(scope *model.Scope, name string, x *graph.Node) *graph.Node {
		return nn.ReLU(nn.Norm(scope.In("%s", name), x))
	}
	normOnly := func(scope *model.Scope, name string, x *graph.Node) *graph.Node {
		return nn.Norm(scope.In("%s", name), x)
	}
	reluOnly := func(_ *model.Scope, _ string, x *graph.Node) *graph.Node { return nn.ReLU(x) }
	reluFirst := func(scope *model.Scope, name string, x *graph.Node) *graph.Node {
		return nn.Norm(scope.In("%s", name), nn.ReLU(x))
	}
	type activation = func(scope *model.Scope, name string, x *graph.Node) *graph.Node
	// activating is the right block with other activations.
	activating := func(first, second activation) func(T) {
		return try(func(scope *model.Scope, x *graph.Node, channels, stride int, shortcut nn.Shortcut) *graph.Node {
			a := first(scope, "bn1", x)
			y := conv(scope, "conv2", second(scope, "bn2", conv(scope, "conv1", a, channels, stride)), channels, 1)
			if stride > 1 || x.Shape().Dim(3) != channels {
				return graph.Add(y, shortcut(scope.In("downsample"), a, channels, stride))
			}
			return graph.Add(y, x)
		})
	}
	test(t, "preactivation", try(solution.Block), try(stub.Block),
		wrong{"activated-input-added", try(func(scope *model.Scope, x *graph.Node, channels, stride int, shortcut nn.Shortcut) *graph.Node {
			x = both(scope, "bn1", x)
			y := conv(scope, "conv2", both(scope, "bn2", conv(scope, "conv1", x, channels, stride)), channels, 1)
			return graph.Add(y, shortcut(scope.In("downsample"), x, channels, stride))
		})},
		wrong{"input-not-activated", try(func(scope *model.Scope, x *graph.Node, channels, stride int, shortcut nn.Shortcut) *graph.Node {
			y := conv(scope, "conv1", both(scope, "bn1", x), channels, stride)
			y = conv(scope, "conv2", both(scope, "bn2", y), channels, 1)
			return graph.Add(shortcut(scope.In("downsample"), x, channels, stride), y)
		})},
		wrong{"input-not-activated", try(func(scope *model.Scope, x *graph.Node, channels, stride int, shortcut nn.Shortcut) *graph.Node {
			a := both(scope, "bn1", x)
			y := conv(scope, "conv2", both(scope, "bn2", conv(scope, "conv1", a, channels, stride)), channels, 1)
			if stride > 1 { // the channels are forgotten
				x = a
			}
			return graph.Add(shortcut(scope.In("downsample"), x, channels, stride), y)
		})},
		wrong{"input-not-activated", try(func(scope *model.Scope, x *graph.Node, channels, stride int, shortcut nn.Shortcut) *graph.Node {
			a := both(scope, "bn1", x)
			y := conv(scope, "conv2", both(scope, "bn2", conv(scope, "conv1", a, channels, stride)), channels, 1)
			if stride > 1 || x.Shape().Dim(3) < channels { // that there may be fewer is forgotten
				x = a
			}
			return graph.Add(shortcut(scope.In("downsample"), x, channels, stride), y)
		})},
		wrong{"relu-after-addition", try(func(scope *model.Scope, x *graph.Node, channels, stride int, shortcut nn.Shortcut) *graph.Node {
			return nn.ReLU(solution.Block(scope, x, channels, stride, shortcut))
		})},
		wrong{"activation-after-convolution", try(func(scope *model.Scope, x *graph.Node, channels, stride int, shortcut nn.Shortcut) *graph.Node {
			y := both(scope, "bn1", conv(scope, "conv1", x, channels, stride))
			y = normOnly(scope, "bn2", conv(scope, "conv2", y, channels, 1))
			return nn.ReLU(graph.Add(y, shortcut(scope.In("downsample"), x, channels, stride)))
		})},
		wrong{"activation-after-convolution", try(func(scope *model.Scope, x *graph.Node, channels, stride int, shortcut nn.Shortcut) *graph.Node {
			y := both(scope, "bn1", conv(scope, "conv1", x, channels, stride))
			y = normOnly(scope, "bn2", conv(scope, "conv2", y, channels, 1))
			return graph.Add(y, shortcut(scope.In("downsample"), x, channels, stride))
		})},
		wrong{"relu-before-norm", activating(reluFirst, reluFirst)},
		wrong{"relu-before-norm", activating(reluFirst, both)},
		wrong{"relu-missing", activating(normOnly, both)},
		wrong{"relu-missing", activating(both, normOnly)},
		wrong{"norm-missing", activating(both, reluOnly)},
		wrong{"norm-missing", activating(reluOnly, reluOnly)},
		wrong{"first-activation-missing", activating(func(_ *model.Scope, _ string, x *graph.Node) *graph.Node { return x }, both)},
		wrong{"no-addition", try(func(scope *model.Scope, x *graph.Node, channels, stride int, _ nn.Shortcut) *graph.Node {
			return conv(scope, "conv2", both(scope, "bn2", conv(scope, "conv1", both(scope, "bn1", x), channels, stride)), channels, 1)
		})},
		wrong{"fixed-size", try(func(scope *model.Scope, x *graph.Node, channels, stride int, shortcut nn.Shortcut) *graph.Node {
			y := solution.Block(scope, x, channels, stride, shortcut)
			if x.Shape().Dim(0) == 1 && stride == 1 {
				return graph.Slice(y, graph.AxisRange(), graph.AxisRange(0, 5), graph.AxisRange(0, 4))
			}
			return y
		})},
	)
	alsoRight(t, try(func(scope *model.Scope, x *graph.Node, channels, stride int, shortcut nn.Shortcut) *graph.Node {
		y := nn.ReLU(nn.Norm(scope.In("bn1"), x))
		identity := x
		if stride > 1 || x.Shape().Dimensions[3] != channels {
			identity = shortcut(scope.In("downsample"), y, channels, stride)
		}
		for i, s := range []int{stride, 1} {
			if i == 1 {
				y = graph.MaxScalar(nn.Norm(scope.In("bn2"), y), 0)
			}
			y = nn.Conv(scope.In("conv%d", i+1), y, channels, 3, s)
		}
		return graph.Add(identity, y)
	}))
}
