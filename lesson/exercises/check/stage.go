package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/lesson/exercises/nn"
)

var stageHints = map[string]string{
	"stride-in-every-block":       "every block has the stride, so every block shrinks the maps; only the first one should",
	"stride-in-the-last-block":    "the last block has the stride; it belongs in the first, so that all the others work on the smaller maps, at a quarter of the cost",
	"stride-in-no-block":          "no block has the stride; give it to the first one",
	"stride-in-all-but-the-first": "the first block has stride 1 and the others have the stride; it should be the other way round",
	"one-block-too-few":           "there is one block too few: count from 0 to blocks−1",
	"one-block-too-many":          "there is one block too many: count from 0 to blocks−1",
	"each-block-fed-x":            "every block gets the stage's input, so only the last one counts; each should get the output of the one before it",
	"channels-in-every-block":     "the channels grow from block to block; all blocks of a stage have the same number",
	"channels-in-the-last-block":  "only the last block has the number of channels asked for; the first block should already change them",
	"counted-from-one":            "the blocks are numbered from 1; as in torchvision, the first is in scope.In(\"0\")",
}

// Stage checks the exercise stage.
func Stage(t T, answer func(scope *model.Scope, x *graph.Node, blocks, channels, stride int, block nn.Block) *graph.Node) {
	t.Helper()
	stages := comparisons("stage", stageHints, func(i int) (string, network) {
		blocks, stride := []int{3, 2, 3}[i], []int{2, 1, 2}[i]
		block := []nn.Block{basic, basic, bare}[i]
		return fmt.Sprintf("Stage(scope, x, %d, 4, %d, block)", blocks, stride),
			func(scope *model.Scope, x *graph.Node) *graph.Node {
				return answer(scope, x, blocks, 4, stride, counted(block))
			}
	})
	run(t, "stage",
		step{"shape", 2, onEach(stages, comparison.shape)},
		step{"weights", 2, onEach(stages, comparison.names)},
		step{"values", 4, inBothModes(stages...)},
		step{"other numbers", 2, func() error {
			for _, blocks := range []int{1, 6} {
				if err := blockCalls(answer, blocks); err != nil {
					return err
				}
			}
			return nil
		}},
	)
}

// blockCalls checks the calls of a block that is not one of the usual ones.
func blockCalls(answer func(scope *model.Scope, x *graph.Node, blocks, channels, stride int, block nn.Block) *graph.Node, blocks int) error {
	const channels, stride = 5, 3
	var want, got []string
	for i := range blocks {
		by := 1
		if i == 0 {
			by = stride
		}
		want = append(want, fmt.Sprintf("block(scope %d, x, %d, %d)", i, channels, by))
	}
	recording := func(scope *model.Scope, x *graph.Node, channels, stride int) *graph.Node {
		got = append(got, fmt.Sprintf("block(scope %s, x, %d, %d)", dotted(scope.Scope()), channels, stride))
		return nn.Conv(scope, x, channels, 1, stride)
	}
	stage := comparison{
		fmt.Sprintf("Stage(scope, x, %d, %d, %d, block)", blocks, channels, stride),
		func(scope *model.Scope, x *graph.Node) *graph.Node {
			got = nil
			return answer(scope, x, blocks, channels, stride, counted(recording))
		},
		graphCase{Input: []int{1, 7, 6, 2}, Right: graphOutput{Shape: []int{1, 3, 2, channels}}}, stageHints,
	}
	o, err := stage.run()
	switch {
	case err != nil:
		return err
	case !slices.Equal(got, want):
		return &Failure{What: "the calls of " + stage.call(), Want: strings.Join(want, "\n"), Got: strings.Join(got, "\n")}
	case !slices.Equal(o.shape, stage.Right.Shape):
		return &Failure{What: "the shape of " + stage.call(), Want: fmt.Sprint(stage.Right.Shape), Got: fmt.Sprint(o.shape)}
	}
	return nil
}
