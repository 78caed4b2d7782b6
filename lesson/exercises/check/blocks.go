package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/lesson/exercises/nn"
)

// project is the right shortcut, which checks pass to answers.
func project(scope *model.Scope, x *graph.Node, channels, stride int) *graph.Node {
	if stride == 1 && x.Shape().Dim(-1) == channels {
		return x
	}
	return nn.Norm(scope.In("1"), nn.Conv(scope.In("0"), x, channels, 1, stride))
}

// basic is the right block of two convolutions, which checks pass to answers.
func basic(scope *model.Scope, x *graph.Node, channels, stride int) *graph.Node {
	y := nn.ReLU(nn.Norm(scope.In("bn1"), nn.Conv(scope.In("conv1"), x, channels, 3, stride)))
	y = nn.Norm(scope.In("bn2"), nn.Conv(scope.In("conv2"), y, channels, 3, 1))
	return nn.ReLU(graph.Add(y, project(scope.In("downsample"), x, channels, stride)))
}

// bare is a block that is nothing but a convolution, so that its output may be negative.
func bare(scope *model.Scope, x *graph.Node, channels, stride int) *graph.Node {
	return nn.Conv(scope, x, channels, 1, stride)
}

// identity checks that a block computes ReLU(x) and nothing else if its second norm makes
// the branch 0.
func identity(block comparison, shape ...int) error {
	block.Input, block.Right = shape, graphOutput{Shape: shape}
	for _, x := range weightValues("input", shape) {
		block.Right.Values = append(block.Right.Values, max(0, x))
	}
	block.what = "with bn2's weight and bias set to 0, " + block.what
	x := graphInput(shape...)
	o, err := evaluate(block.answer, x, func(name string, values []float32) {
		if slices.Contains([]string{"bn2.weight", "bn2.bias"}, name) {
			clear(values)
		}
	})
	switch {
	case err != nil:
		return err
	case o.panicked != nil:
		failure := panicked(o.panicked, o.at)
		failure.What, failure.Want = block.call(), fmt.Sprintf("a node of shape %v", shape)
		if strings.Contains(failure.Got, "shape") {
			failure.Hint = fixedSize
		}
		return failure
	case !slices.Equal(o.shape, shape):
		return &Failure{What: "the shape of " + block.call(), Want: fmt.Sprint(shape), Got: fmt.Sprint(o.shape), Hint: fixedSize}
	}
	if failure := difference(block.call()+", which should be y = ReLU(x)", "y", o.shape, o.values, block.Right.Values); failure != nil {
		return failure
	}
	return nil
}

// counted wraps a block so that an endless loop cannot call it for ever.
func counted(block nn.Block) nn.Block {
	var n calls
	return func(scope *model.Scope, x *graph.Node, channels, stride int) *graph.Node {
		n.call("block")
		return block(scope, x, channels, stride)
	}
}

// calls counts how often an answer calls something that a check passed to it, and panics
// when that is more often than any right answer would. Otherwise an endless loop could fill
// the memory before its time is up.
type calls int

func (n *calls) call(name string) {
	const many = 100
	if *n++; *n > many {
		panic(endless(fmt.Sprintf("%s was called more than %d times", name, many)))
	}
}

// endless is what calls panics with.
type endless string
