package parity

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/nn"
	"github.com/residual-go/residual/pkg/optim"
	"github.com/residual-go/residual/pkg/resnet"
)

// The tolerances of the comparison, relative to the largest element of each tensor. PyTorch
// in float32 differs from PyTorch in float64 by up to 1e-5 (tests/reference/parity.py checks this).
// No tensor needs an absolute tolerance: none of the networks has a gradient that should be 0.
const (
	logitsTolerance     = 2e-5
	lossTolerance       = 1e-5
	gradientTolerance   = 1e-4
	statisticsTolerance = 1e-5
	weightsTolerance    = 2e-5
	// Five steps change the weights by less than their size, so the same error counts for more.
	changeTolerance = 2e-4
)

// netSpec is a network as tests/reference/parity.py describes it.
type netSpec struct {
	Name           string  `json:"name"`
	Stem           string  `json:"stem"`
	Block          string  `json:"block"`
	Plain          bool    `json:"plain"`
	PreActivation  bool    `json:"pre_activation"`
	Shortcut       string  `json:"shortcut"`
	Blocks         []int   `json:"blocks"`
	Width          int     `json:"width"`
	Groups         int     `json:"groups"`
	WidthPerGroup  int     `json:"width_per_group"`
	StrideFirst    bool    `json:"stride_first"`
	Classes        int     `json:"classes"`
	LabelSmoothing float64 `json:"label_smoothing"`
	SGD            sgdSpec `json:"sgd"`
	Freeze         string  `json:"freeze"`
	FreezeNorms    bool    `json:"freeze_norms"`
}

// sgdSpec has the settings of torch.optim.SGD.
type sgdSpec struct {
	LR          float64 `json:"lr"`
	Momentum    float64 `json:"momentum"`
	Nesterov    bool    `json:"nesterov"`
	WeightDecay float64 `json:"weight_decay"`
	SpareNorms  bool    `json:"spare_norms"`
}

func (s sgdSpec) builder() *optim.SGDBuilder {
	return optim.SGD().LearningRate(s.LR).Momentum(s.Momentum).Nesterov(s.Nesterov).
		WeightDecay(s.WeightDecay).DecayNormsAndBiases(!s.SpareNorms)
}

func (s netSpec) config() resnet.Config {
	return resnet.Config{
		Name:          s.Name,
		Stem:          map[string]resnet.Stem{"cifar": resnet.CIFARStem, "cifar-pool": resnet.CIFARPoolStem, "imagenet": resnet.ImageNetStem}[s.Stem],
		Block:         map[string]resnet.Block{"basic": resnet.Basic, "bottleneck": resnet.Bottleneck}[s.Block],
		Shortcut:      map[string]resnet.Shortcut{"A": resnet.ShortcutA, "B": resnet.ShortcutB, "C": resnet.ShortcutC, "pad-end": resnet.ShortcutPadEnd}[s.Shortcut],
		Plain:         s.Plain,
		PreActivation: s.PreActivation,
		Blocks:        s.Blocks,
		Width:         s.Width,
		Groups:        s.Groups,
		WidthPerGroup: s.WidthPerGroup,
		StrideFirst:   s.StrideFirst,
		Classes:       s.Classes,
	}
}

// network is a network in Go. Its state is read and set with PyTorch's keys and layouts.
type network struct {
	spec      netSpec
	backend   compute.Backend
	store     *model.Store
	variables map[string]*model.Variable // by key
}

// newNetwork makes the network's variables, with random values.
func newNetwork(backend compute.Backend, spec netSpec, images *tensors.Tensor) (*network, error) {
	n := &network{spec: spec, backend: backend, store: model.NewStore(), variables: map[string]*model.Variable{}}
	if _, err := n.call(false, n.forward, images); err != nil {
		return nil, err
	}
	root := n.scope(n.store.RootScope())
	for variable := range n.store.IterVariables() {
		key, ok := resnet.StateDictKey(root, variable)
		switch {
		case ok && n.variables[key] != nil:
			return nil, fmt.Errorf("two variables have the key %s", key)
		case ok:
			n.variables[key] = variable
		case strings.HasPrefix(variable.Path(), root.Scope()):
			return nil, fmt.Errorf("variable %s has no key", variable.Path())
		}
	}
	return n, nil
}

// scope returns the scope of the network's variables.
func (n *network) scope(scope *model.Scope) *model.Scope {
	return scope.At("network")
}

// call runs a graph in training or evaluation mode and returns its outputs.
func (n *network) call(training bool, build func(*model.Scope, []*graph.Node) []*graph.Node, inputs ...any) ([]array, error) {
	exec, err := model.NewExec(n.backend, n.store, func(scope *model.Scope, inputs []*graph.Node) []*graph.Node {
		n.store.SetTraining(inputs[0].Graph(), training)
		return build(scope, inputs)
	})
	if err != nil {
		return nil, err
	}
	defer exec.Finalize()
	results, err := exec.Call(inputs...)
	if err != nil {
		return nil, err
	}
	var outputs []array
	for _, result := range results {
		outputs = append(outputs, fromTensor(result))
	}
	return outputs, nil
}

// forward returns the logits of inputs, a batch of images.
func (n *network) forward(scope *model.Scope, inputs []*graph.Node) []*graph.Node {
	training := resnet.Training{Freeze: n.spec.Freeze, FreezeNorms: n.spec.FreezeNorms}
	return []*graph.Node{n.spec.config().ForwardTraining(n.scope(scope), inputs[0], training)}
}

// loss returns the loss and the logits of inputs, images and labels.
func (n *network) loss(scope *model.Scope, inputs []*graph.Node) []*graph.Node {
	logits := n.forward(scope, inputs[:1])
	return []*graph.Node{nn.CrossEntropy(n.spec.LabelSmoothing)(inputs[1:], logits), logits[0]}
}

// gradients runs the network forward and backward; the running statistics change.
func (n *network) gradients(images, labels *tensors.Tensor) (loss, logits array, gradients arrays, err error) {
	var keys []string
	outputs, err := n.call(true, func(scope *model.Scope, inputs []*graph.Node) []*graph.Node {
		outputs := n.loss(scope, inputs)
		var weights []*graph.Node
		for key, variable := range n.variables {
			if variable.Trainable {
				keys = append(keys, key)
				weights = append(weights, variable.NodeValue(outputs[0].Graph()))
			}
		}
		return append(outputs, graph.Gradient(outputs[0], weights...)...)
	}, images, labels)
	if err != nil {
		return array{}, array{}, nil, err
	}
	gradients = arrays{}
	for i, key := range keys {
		gradients[key] = toPyTorch(outputs[2+i])
	}
	return outputs[0], outputs[1], gradients, nil
}

// train takes one step of SGD for each row of labels, on the same images, and returns the
// losses.
func (n *network) train(images *tensors.Tensor, labels array) (array, error) {
	sgd := n.spec.SGD.builder().Done()
	exec, err := model.NewExec(n.backend, n.store, func(scope *model.Scope, images, labels *graph.Node) *graph.Node {
		n.store.SetTraining(images.Graph(), true)
		loss := n.loss(scope, []*graph.Node{images, labels})[0]
		sgd.UpdateGraph(scope, images.Graph(), loss)
		return loss
	})
	if err != nil {
		return array{}, err
	}
	defer exec.Finalize()
	path := array{shape: labels.shape[:1]}
	for step := range labels.shape[0] {
		loss, err := exec.Call1(images, labelTensor(labels.at(step)))
		if err != nil {
			return array{}, err
		}
		path.data = append(path.data, tensors.ToScalar[float32](loss))
	}
	return path, nil
}

// state returns a copy of the state dict.
func (n *network) state() (arrays, error) {
	state := arrays{}
	for key, variable := range n.variables {
		value, err := variable.Value()
		if err != nil {
			return nil, err
		}
		state[key] = toPyTorch(fromTensor(value))
	}
	return state, nil
}

// setState sets every variable to its value in a state dict, which must have those keys
// and no others.
func (n *network) setState(state arrays) error {
	now, err := n.state()
	if err != nil {
		return err
	}
	for key := range state {
		if n.variables[key] == nil {
			return fmt.Errorf("PyTorch's %s is no variable", key)
		}
	}
	for key, variable := range n.variables {
		value, ok := state[key]
		switch {
		case !ok:
			return fmt.Errorf("variable %s is not PyTorch's", key)
		case !slices.Equal(value.shape, now[key].shape):
			return fmt.Errorf("%s is %v, PyTorch's is %v", key, now[key].shape, value.shape)
		}
		if err := variable.SetValue(fromPyTorch(value).tensor()); err != nil {
			return err
		}
	}
	return nil
}

// toPyTorch brings a variable to PyTorch's layout: convolutions from [height, width, in,
// out] to [out, in, height, width], linear layers from [in, out] to [out, in].
func toPyTorch(a array) array {
	switch len(a.shape) {
	case 4:
		return a.permute(3, 2, 0, 1)
	case 2:
		return a.permute(1, 0)
	}
	return a
}

// fromPyTorch is the inverse of toPyTorch.
func fromPyTorch(a array) array {
	switch len(a.shape) {
	case 4:
		return a.permute(2, 3, 1, 0)
	case 2:
		return a.permute(1, 0)
	}
	return a
}

// labelTensor returns a row of labels as the loss expects them, int32 [batch, 1].
func labelTensor(labels array) *tensors.Tensor {
	var data []int32
	for _, label := range labels.data {
		data = append(data, int32(label))
	}
	return tensors.FromFlatDataAndDimensions(data, len(data), 1)
}

// imageTensor returns images of bytes as the network sees them.
func imageTensor(images array) *tensors.Tensor {
	a := array{images.shape, slices.Clone(images.data)}
	for i := range a.data {
		a.data[i] = (a.data[i] - 128) / 64
	}
	return a.tensor()
}

// check compares the network that spec describes with PyTorch's values. It returns the largest
// difference of each kind of value, and an error with all that are too large.
func check(backend compute.Backend, spec netSpec, reference arrays) (worst map[string]float64, err error) {
	images, labels := imageTensor(reference["images"]), reference["labels"]
	initial := reference.under("init/")
	n, err := newNetwork(backend, spec, images)
	if err != nil {
		return nil, err
	}
	if err := n.setState(initial); err != nil {
		return nil, err
	}

	worst = map[string]float64{}
	var wrong []error
	expect := func(kind string, got, want arrays, tolerance float64) {
		d, err := compare(got, want, tolerance)
		worst[kind] = max(worst[kind], d)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", kind, err))
		}
	}

	evaluated, err := n.call(false, n.forward, images)
	if err != nil {
		return nil, err
	}
	expect("logits", arrays{"in evaluation": evaluated[0]}, arrays{"in evaluation": reference["logits_eval"]}, logitsTolerance)
	state, err := n.state()
	if err != nil {
		return nil, err
	}
	expect("state after evaluation", state, initial, 0)

	loss, logits, gradients, err := n.gradients(images, labelTensor(labels.at(0)))
	if err != nil {
		return nil, err
	}
	expect("logits", arrays{"in training": logits}, arrays{"in training": reference["logits_train"]}, logitsTolerance)
	expect("loss", arrays{"first": loss}, arrays{"first": reference["losses"].at(0)}, lossTolerance)
	expect("gradients", gradients, reference.under("grad/"), gradientTolerance)
	if state, err = n.state(); err != nil {
		return nil, err
	}
	maps.DeleteFunc(state, func(key string, _ array) bool { return !strings.Contains(key, "running_") })
	expect("statistics", state, reference.under("stats/"), statisticsTolerance)

	if err := n.setState(initial); err != nil {
		return nil, err
	}
	path, err := n.train(images, labels)
	if err != nil {
		return nil, err
	}
	expect("loss", arrays{"in five steps": path}, arrays{"in five steps": reference["losses"]}, lossTolerance)
	if state, err = n.state(); err != nil {
		return nil, err
	}
	final := reference.under("final/")
	expect("weights", state, final, weightsTolerance)
	expect("change", state.minus(initial), final.minus(initial), changeTolerance)
	return worst, errors.Join(wrong...)
}

// networks reads every network in testdata, with its values.
func networks(t *testing.T) (specs []netSpec, references []arrays) {
	t.Helper()
	files, err := filepath.Glob("testdata/net-*.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		var spec netSpec
		references = append(references, load(t, strings.TrimSuffix(filepath.Base(file), ".safetensors"), &spec))
		specs = append(specs, spec)
	}
	return specs, references
}

func TestNetworks(t *testing.T) {
	specs, references := networks(t)
	if len(specs) == 0 {
		t.Fatal("no networks in testdata")
	}
	for name, backend := range backends(t) {
		for i, spec := range specs {
			t.Run(name+"/"+spec.Name, func(t *testing.T) {
				worst, err := check(backend, spec, references[i])
				if err != nil {
					t.Error(err)
				}
				for kind, d := range worst {
					t.Logf("%-12s %.1e", kind, d)
				}
			})
		}
	}
}

// The comparison has to notice a network or an optimiser that is almost right.
func TestNetworksNoticeMistakes(t *testing.T) {
	for name, backend := range backends(t) {
		for _, mistake := range []struct {
			network, what string
			make          func(*netSpec)
		}{
			{"cifar-basic-a", "shortcut", func(s *netSpec) { s.Plain = true }},
			{"cifar-basic-a", "projection", func(s *netSpec) { s.Shortcut = "B" }},
			{"cifar-basic-c", "projection", func(s *netSpec) { s.Shortcut = "B" }},
			{"cifar-basic-a", "order", func(s *netSpec) { s.PreActivation = true }},
			{"cifar-basic-pad-end", "padding", func(s *netSpec) { s.Shortcut = "A" }},
			{"cifar-pool-basic-b", "pool", func(s *netSpec) { s.Stem = "cifar" }},
			{"imagenet-bottleneck-stride-first", "place of the stride", func(s *netSpec) { s.StrideFirst = false }},
			{"imagenet-bottleneck-grouped", "groups", func(s *netSpec) { s.Groups, s.WidthPerGroup = 1, 128 }},
			{"cifar-basic-b", "smoothing", func(s *netSpec) { s.LabelSmoothing = 0 }},
			{"cifar-basic-b", "learning rate", func(s *netSpec) { s.SGD.LR *= 1.001 }},
			{"cifar-basic-b", "momentum", func(s *netSpec) { s.SGD.Momentum = 0.899 }},
			{"cifar-basic-b", "Nesterov", func(s *netSpec) { s.SGD.Nesterov = false }},
			{"cifar-basic-c", "no Nesterov", func(s *netSpec) { s.SGD.Nesterov = true }},
			{"cifar-basic-b", "weight decay", func(s *netSpec) { s.SGD.WeightDecay = 0 }},
			{"cifar-basic-b", "decay of norms", func(s *netSpec) { s.SGD.SpareNorms = true }},
			{"cifar-basic-plain", "no decay of norms", func(s *netSpec) { s.SGD.SpareNorms = false }},
			{"frozen-layer1", "less frozen", func(s *netSpec) { s.Freeze = "stem" }},
			{"frozen-layer1", "more frozen", func(s *netSpec) { s.Freeze = "layer2" }},
			{"frozen-layer1", "all norms frozen", func(s *netSpec) { s.FreezeNorms = true }},
			{"frozen-norms", "norms not frozen", func(s *netSpec) { s.FreezeNorms = false }},
			{"frozen-body", "the last norm not frozen", func(s *netSpec) { s.Freeze = "layer2" }},
		} {
			t.Run(name+"/"+mistake.network+"/"+mistake.what, func(t *testing.T) {
				var spec netSpec
				reference := load(t, "net-"+mistake.network, &spec)
				mistake.make(&spec)
				_, err := check(backend, spec, reference)
				if err == nil {
					t.Fatal("nothing noticed")
				}
				t.Log(err)
			})
		}
	}
}
