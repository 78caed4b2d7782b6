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
	"stride-on-first":       "the first convolution has the stride, as the paper's own code had it. A 1×1 kernel with a stride of 2 never sees three of four pixels; torchvision's block has it on the 3×3 convolution",
	"stride-on-both":        "two convolutions have the stride, so that the branch is four times smaller and the shortcut two times; only the 3×3 one has it",
	"stride-on-last":        "the last convolution has the stride. The values are right, since it throws away what the 3×3 convolution computed for nothing: three of four pixels of the most expensive layer",
	"no-stride":             "no convolution has the stride, and the shortcut has: give it to the 3×3 one",
	"no-expansion":          "the last convolution has planes channels; the block ends with Expansion times as many",
	"shortcut-not-expanded": "the shortcut is asked for planes channels, and the branch ends with Expansion times as many: they cannot be added",
	"relu-before-addition":  "there is a ReLU after the third norm, so that the block could only add to its input; it comes after the addition",
	"no-last-relu":          "the sum is returned as it is; one more ReLU goes over it",
	"no-relu-between":       "a ReLU is missing: there is one after the first norm and one after the second",
	"no-addition":           "the shortcut is not added",
	"no-reduction":          "the first two convolutions have as many channels as the last. That is no bottleneck: they have planes, a quarter",
	"wrong-kernels":         "the kernels are 1×1, 3×3 and 1×1, in that order: only the one in the narrow middle is large",
}

// Bottleneck checks the exercise bottleneck.
func Bottleneck(t T, answer func(scope *model.Scope, x *graph.Node, planes, stride int, shortcut nn.Shortcut) *graph.Node) {
	t.Helper()
	var blocks []comparison
	for i, c := range graphCases("bottleneck") {
		planes, stride := []int{3, 2}[i], []int{2, 1}[i]
		blocks = append(blocks, comparison{
			fmt.Sprintf("Block(scope, x, %d, %d, shortcut)", planes, stride),
			func(scope *model.Scope, x *graph.Node) *graph.Node { return answer(scope, x, planes, stride, project) },
			c, bottleneckHints,
		})
	}
	run(t, "bottleneck",
		step{"shape", 2, onEach(blocks, comparison.shape)},
		step{"weights", 2, onEach(blocks, comparison.names)},
		step{"values", 4, onEach(blocks, comparison.values)},
		step{"stride", 2, onEach(blocks, func(c comparison) error {
			o, err := c.run()
			if err != nil || maps.EqualFunc(o.convolutions, c.Right.Convolutions, slices.Equal) {
				return err
			}
			failure := &Failure{
				What: "the shapes after the convolutions of " + c.call(), Want: unlike(c.Right.Convolutions, o.convolutions),
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

// project is the shortcut that checks give to answers.
func project(scope *model.Scope, x *graph.Node, channels, stride int) *graph.Node {
	if stride == 1 && x.Shape().Dim(-1) == channels {
		return x
	}
	return nn.Norm(scope.In("1"), nn.Conv(scope.In("0"), x, channels, 1, stride))
}

// basic is the block of two convolutions that checks give to answers.
func basic(scope *model.Scope, x *graph.Node, channels, stride int) *graph.Node {
	y := nn.ReLU(nn.Norm(scope.In("bn1"), nn.Conv(scope.In("conv1"), x, channels, 3, stride)))
	y = nn.Norm(scope.In("bn2"), nn.Conv(scope.In("conv2"), y, channels, 3, 1))
	return nn.ReLU(graph.Add(y, project(scope.In("downsample"), x, channels, stride)))
}
