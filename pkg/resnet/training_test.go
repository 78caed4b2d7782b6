package resnet

import (
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

func TestFrozenParts(t *testing.T) {
	post := named(t, "resnet18")
	pre := named(t, "resnet20")
	pre.PreActivation = true
	for _, test := range []struct {
		config          Config
		freeze          string
		frozen, trained []string
	}{
		{post, "", nil, []string{"conv1", "bn1", "layer1.0.bn1", "fc"}},
		{post, "stem", []string{"conv1", "bn1.running_mean"}, []string{"layer1.0.conv1", "layer4.1.bn2", "fc.weight"}},
		{post, "layer2", []string{"conv1", "bn1", "layer1.1.conv2", "layer2.0.downsample.1"}, []string{"layer3.0.conv1", "fc"}},
		{post, "layer4", []string{"bn1", "layer4.1.bn2"}, []string{"fc.weight", "fc.bias"}},
		{post, "body", []string{"bn1", "layer4.1.bn2"}, []string{"fc"}},
		{pre, "layer3", []string{"conv1", "layer3.2.conv2"}, []string{"norm", "fc"}},
		{pre, "body", []string{"conv1", "layer3.2.conv2", "norm.bias"}, []string{"fc"}},
	} {
		training := Training{Freeze: test.freeze}
		if err := training.Validate(test.config); err != nil {
			t.Error(err)
		}
		for _, name := range test.frozen {
			if !training.freezes(test.config, name) {
				t.Errorf("%s frozen up to %q: %s is trained", test.config.Name, test.freeze, name)
			}
		}
		for _, name := range test.trained {
			if training.freezes(test.config, name) {
				t.Errorf("%s frozen up to %q: %s is frozen", test.config.Name, test.freeze, name)
			}
		}
	}
	if want := []string{"stem", "layer1", "layer2", "layer3", "body"}; !slices.Equal(pre.Parts(), want) {
		t.Errorf("the parts of resnet20 are %v, want %v", pre.Parts(), want)
	}
}

// Exactly the variables of frozen parts are not trainable and keep their values. The running
// statistics of the other parts change unless FreezeNorms is set.
func TestForwardTrainingFreezes(t *testing.T) {
	for _, training := range []Training{{}, {Freeze: "layer1"}, {FreezeNorms: true}, {Freeze: "layer2", FreezeNorms: true}, {Freeze: "body"}} {
		config := Config{Name: "small", Stem: CIFARStem, Blocks: []int{1, 1, 1}, Width: 2, Classes: 3}
		store := seeded(t, 1)
		mustRun(t, store, true, normal(1, 4, 8, 8, 3), func(scope *model.Scope, images *graph.Node) []*graph.Node {
			return []*graph.Node{config.ForwardTraining(scope, images, training)}
		})
		for variable := range store.IterVariables() {
			name, _ := StateDictKey(store.RootScope(), variable)
			if !strings.Contains(name, ".") { // the state of the random number generator
				continue
			}
			statistics := strings.Contains(name, "running_")
			frozen := training.freezes(config, name)
			if want := !frozen && !statistics; variable.Trainable != want {
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
			if want := !frozen && !training.FreezeNorms; moved != want {
				t.Errorf("%+v: %s has changed: %v, want %v", training, name, moved, want)
			}
		}
	}
}

func TestFreezingAnUnknownPart(t *testing.T) {
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

// Frozen parts have no backward pass. The gradients of a trained convolution, to its weights and
// to its input, are two more convolutions; a frozen one has none.
func TestFrozenPartsHaveNoBackwardPass(t *testing.T) {
	config := Config{Name: "small", Stem: CIFARStem, Blocks: []int{1, 1, 1}, Width: 2, Classes: 3}
	const forward = 9 // one in the stem, two in each block, and two projections
	for _, test := range []struct {
		freeze string
		want   int
	}{
		{"", forward + 2*9},
		{"stem", forward + 2*8},
		{"layer2", forward + 2*3},
		{"body", forward},
	} {
		convolutions := 0
		mustRun(t, seeded(t, 1), true, normal(1, 4, 8, 8, 3), func(scope *model.Scope, images *graph.Node) []*graph.Node {
			logits := config.ForwardTraining(scope, images, Training{Freeze: test.freeze})
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
			t.Errorf("frozen up to %q, a step has %d convolutions, want %d", test.freeze, convolutions, test.want)
		}
	}
}
