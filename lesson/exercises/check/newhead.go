package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/lesson/exercises/nn"
	pkgnn "github.com/residual-go/residual/pkg/nn"
)

// The network of the exercise newhead has two linear layers with batch norms and ReLUs, and a
// head for three classes that gets headFeatures features. Its new classes are two.
const (
	headInputs, headFeatures, oldClasses, newClasses = 4, 6, 3, 2
	headExamples, headBatch, headTests, headEpochs   = 8, 4, 3, 2
	headRate                                         = 0.5
)

var headLayers = []string{"fc1", "bn1", "fc2", "bn2", "fc"}

// headNetwork is an nn.Trained that really trains. It starts with the same weights as its twin
// in tests/reference/exercise_graphs.py. nn.Trained's methods return no errors, so it panics
// with failures.
type headNetwork struct {
	weight           [][]float32
	bias             []float32
	replaced         bool
	frozen, training map[string]bool
}

func newHeadNetwork() *headNetwork {
	n := &headNetwork{frozen: map[string]bool{}, training: map[string]bool{}}
	for _, layer := range headLayers {
		n.training[layer] = true
	}
	flat := weightValues("fc.weight", []int{headFeatures, oldClasses})
	n.weight = slices.Collect(slices.Chunk(flat, oldClasses))
	n.bias = weightValues("fc.bias", []int{oldClasses})
	return n
}

func (n *headNetwork) Layers() []string { return slices.Clone(headLayers) }
func (n *headNetwork) Features() int    { return headFeatures }

func (n *headNetwork) SetHead(weight [][]float32, bias []float32) {
	n.weight, n.bias, n.replaced = nil, slices.Clone(bias), true
	for _, row := range weight {
		n.weight = append(n.weight, slices.Clone(row))
	}
	n.frozen["fc"] = false
}

func (n *headNetwork) SetTrainable(layer string, trainable bool) {
	n.known(layer)
	n.frozen[layer] = !trainable
}

func (n *headNetwork) SetTraining(layer string, training bool) {
	n.known(layer)
	n.training[layer] = training
}

func (n *headNetwork) known(layer string) {
	if !slices.Contains(headLayers, layer) {
		panic(&Failure{What: fmt.Sprintf("the network's layer %q", layer), Want: strings.Join(headLayers, ", "), Got: "no layer of that name",
			Hint: Hint{"no-such-layer", "use the names that Layers returns"}})
	}
}

// headAnswer is an answer to the exercise.
type headAnswer struct {
	prepare func(network nn.Trained, classes int)
	mode    func(network nn.Trained, training bool)
}

// NewHead checks the exercise newhead.
func NewHead(t T, prepare func(network nn.Trained, classes int), setMode func(network nn.Trained, training bool)) {
	t.Helper()
	a := headAnswer{prepare, setMode}
	run(t, "newhead",
		step{"new head", 3, a.newHead},
		step{"frozen weights", 3, a.freezes},
		step{"running statistics", 2, a.keepsStatistics},
		step{"values", 2, a.values},
	)
}

// newHead checks the head that the answer makes.
func (a headAnswer) newHead() error {
	for _, classes := range []int{newClasses, 5} {
		n := newHeadNetwork()
		a.prepare(n, classes)
		what := fmt.Sprintf("the head after Prepare(network, %d), with %d features", classes, headFeatures)
		want := fmt.Sprintf("weight [%d][%d] and bias [%d]", headFeatures, classes, classes)
		if !n.replaced {
			return &Failure{What: what, Want: want, Got: "the old head", Hint: Hint{"head-not-replaced", "the head is still the old one, for other classes: replace it with SetHead"}}
		}
		columns := 0
		if len(n.weight) > 0 {
			columns = len(n.weight[0])
		}
		for _, row := range n.weight {
			if len(row) != columns {
				return &Failure{What: what, Want: want, Got: "rows of different lengths"}
			}
		}
		if len(n.weight) != headFeatures || columns != classes || len(n.bias) != classes {
			failure := &Failure{What: what, Want: want, Got: fmt.Sprintf("weight [%d][%d] and bias [%d]", len(n.weight), columns, len(n.bias))}
			switch {
			case len(n.weight) == classes && columns == headFeatures:
				failure.Hint = Hint{"head-transposed", "the axes of the weight are in PyTorch's order; here they are [features][classes]"}
			case len(n.weight) == headFeatures && columns == 0:
				failure.Hint = Hint{"rows-not-made", "the rows of the weight are empty: make each row, with a value for each class"}
			case len(n.weight) == headFeatures && columns == classes:
				failure.Hint = Hint{"bias-of-the-wrong-size", "the bias has a value for each class"}
			}
			return failure
		}
		if slices.ContainsFunc(append(slices.Concat(n.weight...), n.bias...), func(x float32) bool { return x != 0 }) {
			return &Failure{What: what, Want: "zeros", Got: fmt.Sprint(n.weight, n.bias),
				Hint: Hint{"head-not-zero", "the new head should start with zeros. A single linear layer can learn from there: its features are not 0, so its gradient is not 0 either"}}
		}
	}
	return nil
}

// trained is the result of training.
type headOutcome struct {
	before, after map[string][]float32
	logits        []float32
}

// changed returns the names of those tensors for which is returns true and that training has changed.
func (o headOutcome) changed(is func(name string) bool) []string {
	var names []string
	for name, values := range o.before {
		if is(name) && !slices.Equal(values, o.after[name]) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func isStatistic(name string) bool { return strings.Contains(name, ".running_") }
func isHead(name string) bool      { return strings.HasPrefix(name, "fc.") }

// train prepares the network with the answer and trains it, as the exercise's training loop does.
func (a headAnswer) train() (o headOutcome, err error) {
	n := newHeadNetwork()
	a.prepare(n, newClasses)
	device, err := computeOn()
	if err != nil {
		return o, err
	}
	store := model.NewStore()
	defer store.Finalize()
	type modes struct{ first, second bool }
	execs := map[modes]*model.Exec{}
	defer func() {
		for _, exec := range execs {
			exec.Finalize()
		}
	}()
	// program returns the program for the current modes, which computes loss, logits and gradients.
	program := func() (*model.Exec, error) {
		m := modes{n.training["bn1"], n.training["bn2"]}
		if execs[m] != nil {
			return execs[m], nil
		}
		exec, err := model.NewExec(device, store, func(scope *model.Scope, inputs []*graph.Node) []*graph.Node {
			y, labels := inputs[0], inputs[1]
			for i, training := range []bool{m.first, m.second} {
				store.SetTraining(y.Graph(), training)
				y = nn.Linear(scope.In("fc%d", i+1), y, headFeatures)
				y = nn.ReLU(nn.Norm(scope.In("bn%d", i+1), y))
			}
			logits := nn.Linear(scope.In("fc"), y, newClasses)
			loss := pkgnn.CrossEntropy(0)([]*graph.Node{labels}, []*graph.Node{logits})
			return append([]*graph.Node{loss, logits}, scope.BuildTrainableVariablesGradientsGraph(loss)...)
		})
		execs[m] = exec
		return exec, err
	}
	data := func(name string, from, to int) (x, labels *tensors.Tensor) {
		all := weightValues(name, []int{headExamples, headInputs})
		rows := slices.Collect(slices.Chunk(all, headInputs))[from:to]
		var list []int32
		for _, row := range rows {
			label := int32(0)
			if row[0] > row[1] {
				label = 1
			}
			list = append(list, label)
		}
		return tensors.FromFlatDataAndDimensions(slices.Concat(rows...), len(rows), headInputs), tensors.FromFlatDataAndDimensions(list, len(list), 1)
	}
	x, labels := data("head.input", 0, headBatch)
	exec, err := program()
	if err == nil {
		err = exec.PreCompile(x, labels)
	}
	if err == nil {
		err = setWeights(store, func(name string, values []float32) {
			switch name {
			case "fc.weight":
				copy(values, slices.Concat(n.weight...))
			case "fc.bias":
				copy(values, n.bias)
			}
		})
	}
	if err == nil {
		o.before, err = variables(store)
	}
	if err != nil {
		return o, err
	}
	for range headEpochs {
		a.mode(n, true)
		for from := 0; from < headExamples; from += headBatch {
			if exec, err = program(); err != nil {
				return o, err
			}
			outputs, err := exec.Call(data("head.input", from, from+headBatch))
			if err != nil {
				return o, err
			}
			if err := n.descend(store, outputs[2:]); err != nil {
				return o, err
			}
		}
		a.mode(n, false)
		if exec, err = program(); err != nil {
			return o, err
		}
		outputs, err := exec.Call(data("head.test.input", 0, headTests))
		if err != nil {
			return o, err
		}
		if o.logits, err = tensors.CopyFlatData[float32](outputs[1]); err != nil {
			return o, err
		}
	}
	o.after, err = variables(store)
	return o, err
}

// variables returns the values of all variables, by name.
func variables(store *model.Store) (map[string][]float32, error) {
	all := map[string][]float32{}
	for variable := range store.IterVariables() {
		if !isWeight(variable) {
			continue
		}
		values, err := tensors.CopyFlatData[float32](variable.MustValue())
		if err != nil {
			return nil, err
		}
		all[dotted(variable.Path())] = values
	}
	return all, nil
}

// descend takes a step of gradient descent with the weights that are not frozen.
func (n *headNetwork) descend(store *model.Store, gradients []*tensors.Tensor) error {
	i := 0
	for variable := range store.IterVariables() {
		if !isWeight(variable) || !variable.Trainable {
			continue
		}
		gradient, err := tensors.CopyFlatData[float32](gradients[i])
		if err != nil {
			return err
		}
		i++
		if n.frozen[layerOf(dotted(variable.Path()))] {
			continue
		}
		weights, err := tensors.CopyFlatData[float32](variable.MustValue())
		if err != nil {
			return err
		}
		for j, g := range gradient {
			weights[j] -= headRate * g
		}
		if err := variable.SetValue(tensors.FromFlatDataAndDimensions(weights, variable.Shape().Dimensions...)); err != nil {
			return err
		}
	}
	return nil
}

const headTraining = "Prepare, and training for two epochs of two batches with SetMode(network, true) before each and SetMode(network, false) after it"

// freezes checks which weights training changes.
func (a headAnswer) freezes() error {
	o, err := a.train()
	if err != nil {
		return err
	}
	what := "the weights that change in " + headTraining
	body := o.changed(func(name string) bool { return !isStatistic(name) && !isHead(name) })
	head := o.changed(isHead)
	norms := !slices.ContainsFunc(body, func(name string) bool { return !strings.HasPrefix(name, "bn") })
	failure := &Failure{What: what, Want: "fc.weight and fc.bias", Got: few(append(head, body...))}
	switch {
	case len(body) > 0 && norms:
		failure.Hint = Hint{"norms-not-frozen", "the weights of the batch norms (γ and β) are still trained: they are layers of the body too"}
	case len(body) > 0:
		failure.Hint = Hint{"body-not-frozen", "layers of the body are still trained: call SetTrainable(layer, false) for all but the head"}
	case len(head) == 0:
		failure.Hint = Hint{"head-frozen", "nothing changes: the head is frozen. Freeze the other layers only. (A frozen head of zeros passes no gradient on, so the body does not change either, frozen or not)"}
	default:
		return nil
	}
	return failure
}

// keepsStatistics checks that running statistics do not move.
func (a headAnswer) keepsStatistics() error {
	o, err := a.train()
	if err != nil {
		return err
	}
	moved := o.changed(isStatistic)
	if len(moved) == 0 {
		return a.followsMode()
	}
	failure := &Failure{What: "the running statistics that move in " + headTraining, Want: "none", Got: few(moved)}
	failure.Hint = Hint{"running-statistics-move", "the body's batch norms are in training mode. Freezing their weights does not stop their running statistics, which follow the new images: switch all layers except the head to evaluation mode before every epoch"}
	n := newHeadNetwork()
	a.prepare(n, newClasses)
	if !n.training["bn1"] && !n.training["bn2"] {
		failure.Hint = Hint{"mode-undone", "Prepare switches the body to evaluation mode, but SetMode, which is called before each epoch, switches it back: leave the body in evaluation mode there"}
	} else if !slices.ContainsFunc(moved, func(name string) bool { return strings.HasPrefix(name, "bn1") }) ||
		!slices.ContainsFunc(moved, func(name string) bool { return strings.HasPrefix(name, "bn2") }) {
		failure.Hint = Hint{"one-norm-forgotten", "one of the batch norms is in training mode: go through all layers that Layers returns"}
	}
	return failure
}

// followsMode checks that the head is in the mode that is asked for.
func (a headAnswer) followsMode() error {
	n := newHeadNetwork()
	a.prepare(n, newClasses)
	for _, training := range []bool{true, false, true} {
		a.mode(n, training)
		if n.training["fc"] != training {
			return &Failure{What: fmt.Sprintf("the head after SetMode(network, %t)", training), Want: modeName(training), Got: modeName(!training),
				Hint: Hint{"head-does-not-follow", "the head should switch to the mode that training asks for. For a linear layer it makes no difference, but for a head with dropout it does"}}
		}
	}
	return nil
}

func modeName(training bool) string {
	if training {
		return "training mode"
	}
	return "evaluation mode"
}

// values compares the head and the logits with PyTorch's.
func (a headAnswer) values() error {
	o, err := a.train()
	if err != nil {
		return err
	}
	want := graphCases("newhead")[0].Right
	got := slices.Concat(o.after["fc.weight"], o.after["fc.bias"], o.logits)
	if failure := difference("the head's weight and bias, and the logits of three test examples, after "+headTraining, "values", []int{len(got)}, got, want.Values); failure != nil {
		failure.Want += " (PyTorch's)"
		return failure
	}
	return nil
}
