package check

import (
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/lesson/exercises/bughead"
	solution "github.com/residual-go/residual/lesson/exercises/bughead/solution"
	"github.com/residual-go/residual/lesson/exercises/nn"
)

func TestBugHead(t *testing.T) {
	try := func(answer func(scope *model.Scope, x *graph.Node, classes int) *graph.Node) func(T) {
		return func(t T) { BugHead(t, answer) }
	}
	pooled := func(pool func(x *graph.Node) *graph.Node) func(T) {
		return try(func(scope *model.Scope, x *graph.Node, classes int) *graph.Node {
			return nn.Linear(scope.In("fc"), pool(x), classes)
		})
	}
	flat := func(x *graph.Node) *graph.Node { return graph.Reshape(x, x.Shape().Dim(0), -1) }
	testBug(t, "bughead", try(solution.Head), try(bughead.Head), "reshaped-not-pooled",
		wrong{"pooled-over-channels", pooled(func(x *graph.Node) *graph.Node {
			x = graph.Reshape(x, x.Shape().Dim(0), -1, x.Shape().Dim(3))
			return graph.ReduceMean(x, 2)
		})},
		wrong{"flatten", pooled(flat)},
		wrong{"wrong-axes", pooled(func(x *graph.Node) *graph.Node { return graph.ReduceMean(x, 2, 3) })},
		wrong{"wrong-axes", pooled(func(x *graph.Node) *graph.Node { return graph.ReduceMean(x, 1, 3) })},
		wrong{"pooled-over-one-axis", pooled(func(x *graph.Node) *graph.Node { return flat(graph.ReduceMean(x, 1)) })},
		wrong{"max-pool", pooled(func(x *graph.Node) *graph.Node { return graph.ReduceMax(x, 1, 2) })},
		wrong{"sum-not-mean", pooled(func(x *graph.Node) *graph.Node { return graph.ReduceSum(x, 1, 2) })},
		wrong{"one-place-only", pooled(func(x *graph.Node) *graph.Node {
			middle := func(axis int) graph.SliceAxisSpec { return graph.AxisElem(x.Shape().Dim(axis) / 2) }
			return flat(graph.Slice(x, graph.AxisRange(), middle(1), middle(2)))
		})},
	)
}
