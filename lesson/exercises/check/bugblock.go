package check

import (
	"fmt"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/lesson/exercises/nn"
)

var bugBlockHints = map[string]string{
	"input-overwritten":         "what is added is not the block's input: follow the variable from the first line to the addition, and ask at each line what it holds",
	"input-saved-too-late":      "what is added comes from inside the branch; the shortcut starts before the first layer",
	"branch-added-to-itself":    "the branch is added to itself, which only doubles it",
	"last-relu-removed":         "the ReLU after the addition was right; put it back",
	"first-relu-removed":        "the ReLU between the convolutions was right: without it, two convolutions can do no more than one. The bug is in what is added",
	"addition-removed":          "removing the addition gets rid of the wrong input but leaves a plain network; add the block's input",
	"added-to-both":             "the block's input is added now, but so is what was added before",
	"projects-on-stride-only":   "with stride 1, the block's input is added unchanged even where it has another number of channels; shortcut projects then too",
	"projects-on-channels-only": "with a stride, the block's input is added unchanged even though it is larger than the branch; shortcut projects then too",
	"input-never-projected":     "the block's input is added unchanged even where its shape differs from the branch's; that is what shortcut is for",
	"relu-before-addition":      "the branch now goes through a ReLU before the addition; it did not in your colleague's code",
	"relu-on-shortcut":          "the shortcut goes through a ReLU before it is added. That often changes nothing, because x is the output of the previous block's ReLU; but a projection is negative half the time",
}

// BugBlock checks the exercise bugblock.
func BugBlock(t T, answer func(scope *model.Scope, x *graph.Node, channels, stride int, shortcut nn.Shortcut) *graph.Node) {
	t.Helper()
	blocks := comparisons("bugblock", bugBlockHints, func(i int) (string, network) {
		channels, stride := []int{3, 4, 5, 4}[i], []int{1, 2, 1, 3}[i]
		return fmt.Sprintf("Block(scope, x, %d, %d, shortcut)", channels, stride),
			func(scope *model.Scope, x *graph.Node) *graph.Node {
				return answer(scope, x, channels, stride, project)
			}
	})
	same := blocks[0]
	run(t, "bugblock",
		step{"same shape", 4, inBothModes(same)},
		step{"other shape", 4, onEach(blocks[1:], func(c comparison) error {
			if err := c.values(); err != nil {
				return err
			}
			if err := c.names(); err != nil {
				return err
			}
			return c.training()
		})},
		step{"identity", 2, func() error { return identity(same, 1, 6, 5, 3) }},
	)
}
