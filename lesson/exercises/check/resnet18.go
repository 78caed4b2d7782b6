package check

import (
	"fmt"
	"slices"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/lesson/exercises/nn"
)

var resNet18Hints = map[string]string{
	"no-max-pool":               "the max pool at the end of the stem is missing, 3×3 with stride 2; without it every map has four times as many pixels",
	"stride-in-the-first-stage": "the first stage halves the size, but the max pool has just done so: only stages 2, 3 and 4 have stride 2",
	"no-stride-in-later-stages": "stages 2, 3 and 4 each halve the size: their first block has stride 2",
	"flatten":                   "the last maps are flattened into one long row, so the last layer has separate weights for each place and fits images of one size only; take the mean over height and width",
	"global-max-pool":           "the last maps are reduced to their maximum; take the mean",
	"widths-do-not-double":      "every stage has as many channels as the first; each should have twice as many as the one before",
	"pool-before-norm":          "the max pool comes before the norm. In evaluation mode that rarely matters, but in training the norm takes its statistics from the largest values alone; the order is convolution, norm, ReLU, max pool",
	"no-stem-relu":              "the stem's norm goes straight into the max pool; there is a ReLU between them",
	"no-stem-norm":              "the stem's convolution is followed by a batch norm, which is missing",
	"stem-without-stride":       "the stem's convolution has stride 2",
	"small-stem-kernel":         "the stem's kernel is 7×7; a 3×3 kernel with stride 1 is the stem for CIFAR's small images",
	"one-block-a-stage":         "every stage has two blocks: 1 + 4·2·2 + 1 = 18 layers",
	"relu-on-logits":            "the logits go through a ReLU; logits may be negative",
}

// resNet18Parameters is the number of parameters with 64 channels and 1000 classes.
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
	odd := small
	odd.graphCase = graphCases("resnet18")[1]
	run(t, "resnet18",
		step{"shapes", 2, func() error { return stageShapes(answer, small) }},
		step{"weights", 2, small.names},
		step{"values", 4, inBothModes(small, odd)},
		step{"parameters", 2, func() error { return parameters(answer) }},
	)
}

// stageShapes checks the shapes of each block's output and of the logits. An answer with a
// wrong shape still gets a hint, if it has the values of a usual mistake.
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

// parameters checks the number of parameters of the full network, which is built but not run.
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
			Hint: Hint{"numbers-written-out", "the small network is right, so a number of channels or classes must be hard-coded; take both from the arguments"},
		}
	}
	return nil
}
