package check

import (
	"fmt"
	"slices"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/lesson/exercises/nn"
)

var resNet18Hints = map[string]string{
	"no-max-pool":               "the stem ends with a max pool, 3×3 with stride 2; without it every map is four times as large",
	"stride-in-the-first-stage": "the first stage halves the size; it does not, since the max pool just did: only stages 2, 3 and 4 do",
	"no-stride-in-later-stages": "the first block of stages 2, 3 and 4 has stride 2, so that each halves the size",
	"flatten":                   "the last maps are made into one long row. Then the last layer has a weight for each place, and fits images of one size only; take the mean over height and width",
	"global-max-pool":           "the last maps are reduced to their maximum; it is the mean",
	"widths-do-not-double":      "every stage has as many channels as the first; each has twice those of the one before",
	"no-stem-relu":              "the stem's norm goes straight into the max pool; a ReLU is between them",
	"no-stem-norm":              "after the stem's convolution comes a batch norm",
	"stem-without-stride":       "the stem's convolution has stride 2",
	"small-stem-kernel":         "the stem's kernel is 7×7; 3×3 with stride 1 is that for CIFAR's small images",
	"one-block-a-stage":         "every stage has two blocks: 1 + 4·2·2 + 1 = 18 layers",
	"relu-on-logits":            "the logits go through a ReLU; they are to be below 0 too",
}

// resNet18Parameters are those of the network with 64 channels and 1000 classes.
const resNet18Parameters = 11_689_512

// ResNet18 checks the exercise resnet18.
func ResNet18(t T, answer func(scope *model.Scope, images *graph.Node, width, classes int, block nn.Block) *graph.Node) {
	t.Helper()
	small := comparison{
		"ResNet18(scope, x, 4, 5, block)",
		func(scope *model.Scope, images *graph.Node) *graph.Node {
			return answer(scope, images, 4, 5, counted(basic))
		},
		graphCases("resnet18")[0], resNet18Hints,
	}
	run(t, "resnet18",
		step{"shapes", 2, func() error { return stageShapes(answer, small) }},
		step{"weights", 2, small.names},
		step{"values", 4, small.values},
		step{"parameters", 2, func() error { return parameters(answer) }},
	)
}

// stageShapes checks the shape of the logits and of what leaves each block. A network
// that has another shape than the right one may yet have the values of a usual mistake.
func stageShapes(answer func(scope *model.Scope, images *graph.Node, width, classes int, block nn.Block) *graph.Node, small comparison) error {
	var got []string
	recording := func(scope *model.Scope, x *graph.Node, channels, stride int) *graph.Node {
		y := basic(scope, x, channels, stride)
		got = append(got, fmt.Sprintf("%s %v", dotted(scope.Scope()), y.Shape().Dimensions))
		return y
	}
	small.answer = func(scope *model.Scope, images *graph.Node) *graph.Node {
		got = nil
		return answer(scope, images, 4, 5, counted(recording))
	}
	o, err := small.run()
	if err != nil {
		return err
	}
	height, width, channels := small.Input[1]/4, small.Input[2]/4, 4
	for stage := 1; stage <= 4; stage++ {
		for block := range 2 {
			want := fmt.Sprintf("layer%d.%d %v", stage, block, []int{small.Input[0], height, width, channels})
			place := 2*(stage-1) + block
			if place >= len(got) {
				return &Failure{What: "the blocks of " + small.call(), Want: want, Got: "no more blocks", Hint: small.reason(o)}
			}
			if got[place] != want {
				return &Failure{What: "the output of a block of " + small.call(), Want: want, Got: got[place], Hint: small.reason(o)}
			}
		}
		height, width, channels = height/2, width/2, 2*channels
	}
	if len(got) > 8 {
		return &Failure{What: "the blocks of " + small.call(), Want: "8", Got: "also " + got[8], Hint: small.reason(o)}
	}
	if !slices.Equal(o.shape, small.Right.Shape) {
		return &Failure{What: "the shape of " + small.call(), Want: fmt.Sprint(small.Right.Shape), Got: fmt.Sprint(o.shape), Hint: small.reason(o)}
	}
	return nil
}

// parameters counts the weights of the full network, which is built but not run.
func parameters(answer func(scope *model.Scope, images *graph.Node, width, classes int, block nn.Block) *graph.Node) error {
	device, err := computeOn()
	if err != nil {
		return err
	}
	store := model.NewStore()
	defer store.Finalize()
	g := graph.NewGraph(device, "resnet18")
	defer g.Finalize()
	store.SetTraining(g, false)
	images := graph.Parameter(g, "images", graphInput(1, 64, 64, 3).Shape())
	answer(store.RootScope(), images, 64, 1000, counted(basic))
	count := 0
	for variable := range store.IterVariables() {
		if isWeight(variable) && variable.Trainable {
			count += variable.Shape().Size()
		}
	}
	if count != resNet18Parameters {
		return &Failure{
			What: "the parameters of ResNet18(scope, x, 64, 1000, block)", Want: fmt.Sprint(resNet18Parameters), Got: fmt.Sprint(count),
			Hint: Hint{"numbers-written-out", "the small network is right, so a number of channels or of classes is not taken from the arguments"},
		}
	}
	return nil
}
