package check

import (
	"fmt"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/lesson/exercises/nn"
)

var bugBlockHints = map[string]string{
	"input-overwritten":      "what is added is not what the block was given: follow the variable x from the first line to the addition, and say at each line what it holds",
	"input-saved-too-late":   "what is added is something from inside the branch. The shortcut starts before the first layer",
	"branch-added-to-itself": "what is added is the branch itself, which then is only twice as large",
	"last-relu-removed":      "the ReLU after the addition was right and belongs there",
	"first-relu-removed":     "the ReLU between the convolutions was right: without it they are together no more than one. What is wrong is what is added",
	"addition-removed":       "without the addition the wrong thing is added no more, but then this is a plain network; the block's input is to be added",
	"added-to-both":          "now the block's input is added, and what was added before still is too",
	"input-never-projected":  "the block's input is added as it is, also where it has another shape than the branch: that is what shortcut is for",
	"relu-before-addition":   "the branch goes through a ReLU before it is added, and that was not so before",
	"relu-on-shortcut":       "the block's input goes through a ReLU before it is added. As it is the output of the block before that often changes nothing, but the projection of a shortcut is below 0 half of the time",
}

// BugBlock checks the exercise bugblock.
func BugBlock(t T, answer func(scope *model.Scope, x *graph.Node, channels, stride int, shortcut nn.Shortcut) *graph.Node) {
	t.Helper()
	var blocks []comparison
	for i, c := range graphCases("bugblock") {
		channels, stride := []int{3, 4}[i], []int{1, 2}[i]
		blocks = append(blocks, comparison{
			fmt.Sprintf("Block(scope, x, %d, %d, shortcut)", channels, stride),
			func(scope *model.Scope, x *graph.Node) *graph.Node {
				return answer(scope, x, channels, stride, project)
			},
			c, bugBlockHints,
		})
	}
	same := blocks[0]
	run(t, "bugblock",
		step{"same shape", 4, same.values},
		step{"other shape", 4, onEach(blocks[1:], func(c comparison) error {
			if err := c.values(); err != nil {
				return err
			}
			return c.names()
		})},
		step{"identity", 2, func() error { return identity(same, 1, 6, 5, 3) }},
	)
}
