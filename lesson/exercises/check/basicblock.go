package check

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
)

var basicBlockHints = map[string]string{
	"relu-before-addition":     "the branch goes through a ReLU before the addition, so the block can only ever add to its input, never subtract; the last ReLU comes after the addition",
	"no-addition":              "x is never added: these are two layers of a plain network, without a shortcut",
	"no-last-relu":             "the sum is returned without the last ReLU",
	"no-relu-between":          "there is no ReLU between the two convolutions; with nothing nonlinear between them, two convolutions can do no more than one",
	"norm-missing":             "a batch norm is missing: each of the two convolutions is followed by one",
	"relu-on-shortcut":         "x goes through a ReLU before it is added; the shortcut adds x unchanged",
	"same-weights-twice":       "two layers use the same scope and so share their weights; conv1, conv2, bn1 and bn2 are four separate layers",
	"shortcut-from-the-middle": "the output of the first ReLU is added, not the block's input: if you assign to x, the input is lost",
	"addition-before-norm":     "x is added before the second batch norm, which then normalises x too; add it after the norm",
}

// BasicBlock checks the exercise basicblock.
func BasicBlock(t T, answer func(scope *model.Scope, x *graph.Node) *graph.Node) {
	t.Helper()
	block := comparison{"Block(scope, x)", answer, graphCases("basicblock")[0], basicBlockHints}
	wider := block
	wider.graphCase = graphCases("basicblock")[1]
	run(t, "basicblock",
		step{"shape", 2, block.shape},
		step{"weights", 2, block.names},
		step{"values", 4, inBothModes(block)},
		step{"identity", 2, func() error {
			if err := identity(block, 1, 6, 3, 5); err != nil {
				return err
			}
			return inBothModes(wider)()
		}},
	)
}
