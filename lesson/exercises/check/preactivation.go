package check

import (
	"fmt"
	"slices"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/lesson/exercises/nn"
)

var preActivationHints = map[string]string{
	"activated-input-added":        "what is added has been through the first norm and ReLU. Where the shape does not change, add x itself: that is the point of this block. If you assign to x, the input is lost",
	"input-not-activated":          "where the shape changes, the projection gets x itself; give it the input of the first convolution, after norm and ReLU. The shape changes if there is a stride or another number of channels",
	"relu-after-addition":          "there is a ReLU after the addition; there should be nothing between one addition and the next",
	"activation-after-convolution": "norm and ReLU come after the convolutions, as in the block of 2015; here each convolution comes after its norm and its ReLU",
	"relu-before-norm":             "the ReLU comes before the norm; the order is norm, ReLU, convolution",
	"relu-missing":                 "a ReLU is missing: one follows each norm",
	"norm-missing":                 "a norm is missing: one comes before each ReLU",
	"first-activation-missing":     "the first convolution gets x itself; a norm and a ReLU come before it",
	"no-addition":                  "nothing is added: these are two layers of a plain network",
}

// PreActivation checks the exercise preactivation.
func PreActivation(t T, answer func(scope *model.Scope, x *graph.Node, channels, stride int, shortcut nn.Shortcut) *graph.Node) {
	t.Helper()
	blocks := comparisons("preactivation", preActivationHints, func(i int) (string, network) {
		channels, stride := []int{3, 4, 5, 3, 3}[i], []int{1, 2, 1, 2, 1}[i]
		return fmt.Sprintf("Block(scope, x, %d, %d, shortcut)", channels, stride),
			func(scope *model.Scope, x *graph.Node) *graph.Node {
				return answer(scope, x, channels, stride, project)
			}
	})
	run(t, "preactivation",
		step{"shape", 1, onEach(blocks[:2], comparison.shape)},
		step{"same shape", 4, blocks[0].valuesAndNames},
		step{"other shape", 3, onEach(blocks[1:], comparison.valuesAndNames)},
		step{"identity", 2, func() error { return exactIdentity(blocks[0]) }},
	)
}

// valuesAndNames checks values, which say more, then the variables, and then training mode.
func (t comparison) valuesAndNames() error {
	if err := t.values(); err != nil {
		return err
	}
	if err := t.names(); err != nil {
		return err
	}
	return t.training()
}

// exactIdentity checks that the block returns x, negative values too, if its last convolution is 0.
func exactIdentity(block comparison) error {
	shape := []int{1, 6, 5, 3}
	block.Input, block.what = shape, "with conv2's weight set to 0, "+block.what
	o, err := evaluate(block.answer, graphInput(shape...), func(name string, values []float32) {
		if name == "conv2.weight" {
			clear(values)
		}
	})
	switch {
	case err != nil:
		return err
	case o.panicked != nil:
		failure := panicked(o.panicked, o.at)
		failure.What, failure.Want = block.call(), fmt.Sprintf("a node of shape %v", shape)
		return failure
	case !slices.Equal(o.shape, shape):
		return &Failure{What: "the shape of " + block.call(), Want: fmt.Sprint(shape), Got: fmt.Sprint(o.shape), Hint: fixedSize}
	}
	if failure := difference(block.call()+", which should be y = x", "y", o.shape, o.values, weightValues("input", shape)); failure != nil {
		return failure
	}
	return nil
}
