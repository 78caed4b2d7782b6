package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
)

var basicBlockHints = map[string]string{
	"relu-before-addition":     "the branch goes through a ReLU before it is added, so a block could only ever add to its input, never take away; the last ReLU comes after the addition",
	"no-addition":              "x is not added, so this is two layers of a plain network: the shortcut is missing",
	"no-last-relu":             "the sum is returned as it is; one more ReLU goes over it",
	"no-relu-between":          "there is no ReLU between the two convolutions, and two convolutions with nothing between them are together no more than one",
	"norm-missing":             "each of the two convolutions has a batch norm after it, and one is missing",
	"relu-on-shortcut":         "x goes through a ReLU before it is added; the shortcut adds x as it is",
	"same-weights-twice":       "two layers are in the same scope and so share their weights: conv1 and conv2, bn1 and bn2 are four layers",
	"shortcut-from-the-middle": "what is added is what left the first ReLU, not the block's input: if the variable x was assigned to, the input is lost",
	"addition-before-norm":     "x is added before the second batch norm, which then normalises x too; add after it",
}

// BasicBlock checks the exercise basicblock.
func BasicBlock(t T, answer func(scope *model.Scope, x *graph.Node) *graph.Node) {
	t.Helper()
	block := comparison{"Block(scope, x)", answer, graphCases("basicblock")[0], basicBlockHints}
	run(t, "basicblock",
		step{"shape", 2, block.shape},
		step{"weights", 2, block.names},
		step{"values", 4, block.values},
		step{"identity", 2, func() error { return identity(block, 1, 6, 3, 5) }},
	)
}

// identity checks that the block is a ReLU, and nothing else, if the second norm makes
// the branch 0.
func identity(block comparison, shape ...int) error {
	block.Input, block.Right = shape, graphOutput{Shape: shape}
	for _, x := range weightValues("input", shape) {
		block.Right.Values = append(block.Right.Values, max(0, x))
	}
	block.what = "bn2's weight and bias are 0: " + block.what
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
	if failure := difference(block.call()+", which is to be y = ReLU(x)", "y", o.shape, o.values, block.Right.Values); failure != nil {
		return failure
	}
	return nil
}

var fixedSize = Hint{"fixed-size", "the number of channels is written as a number somewhere; the block takes it from x, as x.Shape().Dim(-1)"}
