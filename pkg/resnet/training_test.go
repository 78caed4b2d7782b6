package resnet

import (
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

func TestPartsHoldTheirLayers(t *testing.T) {
	post := named(t, "resnet18")
	pre := named(t, "resnet20")
	pre.PreActivation = true
	for _, test := range []struct {
		config      Config
		through     string
		held, spare []string
	}{
		{post, "", nil, []string{"conv1", "bn1", "layer1.0.bn1", "fc"}},
		{post, "stem", []string{"conv1", "bn1.running_mean"}, []string{"layer1.0.conv1", "layer4.1.bn2", "fc.weight"}},
		{post, "layer2", []string{"conv1", "bn1", "layer1.1.conv2", "layer2.0.downsample.1"}, []string{"layer3.0.conv1", "fc"}},
		{post, "layer4", []string{"bn1", "layer4.1.bn2"}, []string{"fc.weight", "fc.bias"}},
		{post, "body", []string{"bn1", "layer4.1.bn2"}, []string{"fc"}},
		{pre, "layer3", []string{"conv1", "layer3.2.conv2"}, []string{"norm", "fc"}},
		{pre, "body", []string{"conv1", "layer3.2.conv2", "norm.bias"}, []string{"fc"}},
	} {
		training := Training{Freeze: test.through}
		if err := training.Validate(test.config); err != nil {
			t.Error(err)
		}
		for _, name := range test.held {
			if !training.freezes(test.config, name) {
				t.Errorf("%s frozen through %q leaves out %s", test.config.Name, test.through, name)
			}
		}
		for _, name := range test.spare {
			if training.freezes(test.config, name) {
				t.Errorf("%s frozen through %q takes in %s", test.config.Name, test.through, name)
			}
		}
	}
	if want := []string{"stem", "layer1", "layer2", "layer3", "body"}; !slices.Equal(pre.Parts(), want) {
		t.Errorf("the parts of resnet20 are %v, want %v", pre.Parts(), want)
	}
}

// Every variable of a frozen part, and no other, is not trainable and keeps its value; the
// running statistics of the other parts move unless they are frozen too.
func TestForwardTrainingFreezes(t *testing.T) {
	for _, training := range []Training{{}, {Freeze: "layer1"}, {FreezeNorms: true}, {Freeze: "layer2", FreezeNorms: true}, {Freeze: "body"}} {
		config := Config{Name: "small", Stem: CIFARStem, Blocks: []int{1, 1, 1}, Width: 2, Classes: 3}
		store := seeded(t, 1)
		mustRun(t, store, true, normal(1, 4, 8, 8, 3), func(scope *model.Scope, images *graph.Node) []*graph.Node {
			return []*graph.Node{config.ForwardTraining(scope, images, training)}
		})
		for variable := range store.IterVariables() {
			name, _ := StateDictKey(store.RootScope(), variable)
			if !strings.Contains(name, ".") { // the state of the random numbers
				continue
			}
			statistics := strings.Contains(name, "running_")
			held := training.freezes(config, name)
			if want := !held && !statistics; variable.Trainable != want {
				t.Errorf("%+v: %s is trainable: %v, want %v", training, name, variable.Trainable, want)
			}
			if !statistics {
				continue
			}
			start := float32(0)
			if strings.HasSuffix(name, "running_var") {
				start = 1
			}
			moved := slices.ContainsFunc(tensors.MustCopyFlatData[float32](variable.MustValue()), func(x float32) bool { return x != start })
			if want := !held && !training.FreezeNorms; moved != want {
				t.Errorf("%+v: %s has moved: %v, want %v", training, name, moved, want)
			}
		}
	}
}

func TestFreezingWhatIsNotThere(t *testing.T) {
	config := named(t, "resnet20")
	training := Training{Freeze: "layer4"}
	const want = `unknown part "layer4" of resnet20 to freeze; its parts are stem, layer1, layer2, layer3, body`
	if err := training.Validate(config); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	_, err := run(t, model.NewStore(), true, normal(1, 4, 8, 8, 3), func(scope *model.Scope, images *graph.Node) []*graph.Node {
		return []*graph.Node{config.ForwardTraining(scope, images, training)}
	})
	checkError(t, "ForwardTraining", err, want)
}

// What is frozen has no backward pass: the gradients of a convolution that is trained are two
// more, to its weights and to its input, and those of a frozen one none.
func TestFrozenPartsHaveNoBackwardPass(t *testing.T) {
	config := Config{Name: "small", Stem: CIFARStem, Blocks: []int{1, 1, 1}, Width: 2, Classes: 3}
	const forward = 9 // the stem's, two in each block, and two projections
	for _, test := range []struct {
		through string
		want    int
	}{
		{"", forward + 2*9},
		{"stem", forward + 2*8},
		{"layer2", forward + 2*3},
		{"body", forward},
	} {
		convolutions := 0
		mustRun(t, seeded(t, 1), true, normal(1, 4, 8, 8, 3), func(scope *model.Scope, images *graph.Node) []*graph.Node {
			logits := config.ForwardTraining(scope, images, Training{Freeze: test.through})
			outputs := scope.BuildTrainableVariablesGradientsGraph(graph.ReduceAllSum(graph.Square(logits)))
			convolutions = 0
			for _, node := range images.Graph().Nodes() {
				if node.Type() == graph.NodeTypeConvGeneral {
					convolutions++
				}
			}
			return outputs
		})
		if convolutions != test.want {
			t.Errorf("frozen through %q a step has %d convolutions, want %d", test.through, convolutions, test.want)
		}
	}
}
