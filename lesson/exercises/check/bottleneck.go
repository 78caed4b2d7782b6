package check

import (
	"fmt"
	"maps"
	"slices"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/lesson/exercises/nn"
)

var bottleneckHints = map[string]string{
	"stride-on-first":           "the first convolution has the stride, as in the paper's own code. A 1×1 kernel with stride 2 skips three of every four pixels; torchvision puts the stride on the 3×3 convolution",
	"stride-on-both":            "two convolutions have the stride, so the branch shrinks by 4 but the shortcut only by 2; give the stride to the 3×3 convolution alone",
	"stride-on-last":            "the last convolution has the stride. The values are right, but it throws away three of every four pixels that the 3×3 convolution, the most expensive layer, has just computed",
	"no-stride":                 "the shortcut has the stride but no convolution does: give it to the 3×3 convolution",
	"no-expansion":              "the last convolution has planes channels; it needs Expansion times as many",
	"shortcut-not-expanded":     "the shortcut has planes channels but the branch ends with Expansion times as many, so they cannot be added",
	"relu-before-addition":      "there is a ReLU after the third norm, so the block can only ever add to its input; that ReLU comes after the addition",
	"no-last-relu":              "the sum is returned without the last ReLU",
	"no-relu-between":           "a ReLU is missing: one follows the first norm and one the second",
	"no-addition":               "the shortcut is never added",
	"input-never-projected":     "x is added unchanged, although its shape differs from the branch's; that is what shortcut is for",
	"projects-on-stride-only":   "with stride 1, x is added unchanged even if it has another number of channels, as in the first block of ResNet-50; shortcut projects then too",
	"projects-on-channels-only": "with a stride, x is added unchanged even though it is larger than the branch; shortcut projects then too",
	"no-reduction":              "the first two convolutions have as many channels as the last, which is not a bottleneck: they should have planes channels, a quarter of that",
	"wrong-kernels":             "the kernels should be 1×1, 3×3 and 1×1, in that order: only the one in the narrow middle is large",
}

// Bottleneck checks the exercise bottleneck.
func Bottleneck(t T, answer func(scope *model.Scope, x *graph.Node, planes, stride int, shortcut nn.Shortcut) *graph.Node) {
	t.Helper()
	blocks := comparisons("bottleneck", bottleneckHints, func(i int) (string, network) {
		planes, stride := []int{3, 2, 4, 2}[i], []int{2, 1, 1, 3}[i]
		return fmt.Sprintf("Block(scope, x, %d, %d, shortcut)", planes, stride),
			func(scope *model.Scope, x *graph.Node) *graph.Node { return answer(scope, x, planes, stride, project) }
	})
	run(t, "bottleneck",
		step{"shape", 2, onEach(blocks, comparison.shape)},
		step{"weights", 2, onEach(blocks, comparison.names)},
		step{"values", 4, onEach(blocks, comparison.values)},
		step{"stride", 2, onEach(blocks, func(c comparison) error {
			o, err := c.run()
			if err != nil {
				return err
			}
			if maps.EqualFunc(o.convolutions, c.Right.Convolutions, slices.Equal) {
				return c.training()
			}
			failure := &Failure{
				What: "the output shapes of the convolutions of " + c.call(), Want: unlike(c.Right.Convolutions, o.convolutions),
				Got: unlike(o.convolutions, c.Right.Convolutions),
			}
			late := func(m graphOutput) bool {
				return m.Mistake == "stride-on-last" && maps.EqualFunc(m.Convolutions, o.convolutions, slices.Equal)
			}
			if slices.ContainsFunc(c.Mistakes, late) {
				failure.Hint = c.hint("stride-on-last")
			}
			return failure
		})},
	)
}
