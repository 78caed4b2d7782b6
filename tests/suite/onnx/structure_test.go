package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/resnet"
)

// check returns an error if the model breaks one of ONNX's rules. It checks names, order,
// types, and the shapes of all values for one image of the given size.
func (m *modelProto) check(height, width int64) error {
	g := m.graph
	switch {
	case m.irVersion != 8 || len(m.opsets) != 1 || m.opsets[""] != 17:
		return fmt.Errorf("version %d with operator sets %v, want 8 with 17 in the default domain", m.irVersion, m.opsets)
	case g == nil || g.name == "" || len(g.inputs) != 1 || len(g.outputs) != 1 || len(g.nodes) == 0:
		return errors.New("no graph with a name, nodes, one input and one output")
	case g.inputs[0].kind != 1 || g.outputs[0].kind != 1:
		return errors.New("the input or the output is not float32")
	}
	shapes := map[string][]int64{g.inputs[0].name: {1, 3, height, width}}
	constants := map[string]tensorProto{}
	used := map[string]bool{g.outputs[0].name: true}
	for _, t := range g.initializers {
		size := map[int64]int64{1: 4, 7: 8}[t.kind]
		for _, dim := range t.dims {
			size *= dim
		}
		switch {
		case t.name == "" || shapes[t.name] != nil:
			return fmt.Errorf("a second constant %q", t.name)
		case size == 0 || size != int64(len(t.raw)):
			return fmt.Errorf("%s of kind %d and shape %v has %d bytes", t.name, t.kind, t.dims, len(t.raw))
		}
		shapes[t.name], constants[t.name] = t.dims, t
	}
	names := map[string]bool{}
	for _, n := range g.nodes {
		if n.name == "" || names[n.name] {
			return fmt.Errorf("a second node %q", n.name)
		}
		names[n.name] = true
		for _, input := range n.inputs {
			if shapes[input] == nil {
				return fmt.Errorf("%s comes before its input %q", n.name, input)
			}
			used[input] = true
		}
		if len(n.outputs) != 1 || n.outputs[0] == "" || shapes[n.outputs[0]] != nil {
			return fmt.Errorf("%s has the outputs %q, want one that no other node has", n.name, n.outputs)
		}
		shape, err := n.shape(shapes, constants)
		if err != nil {
			return fmt.Errorf("%s (%s): %w", n.name, n.operator, err)
		}
		shapes[n.outputs[0]] = shape
	}
	for name := range shapes {
		if !used[name] {
			return fmt.Errorf("nothing uses %s", name)
		}
	}
	got, want := shapes[g.outputs[0].name], g.outputs[0].dims
	if len(got) != 2 || len(want) != 2 || want[0] != "batch" || fmt.Sprint(got[1]) != want[1] {
		return fmt.Errorf("the output has shape %v and declares %v", got, want)
	}
	return nil
}

// shape returns the shape of the node's output, by the rules of its operator.
func (n nodeProto) shape(shapes map[string][]int64, constants map[string]tensorProto) ([]int64, error) {
	inputs := make([][]int64, len(n.inputs))
	for i, name := range n.inputs {
		inputs[i] = shapes[name]
	}
	bad := fmt.Errorf("inputs %v, attributes %v %v", inputs, n.ints, n.floats)
	x := slices.Clone(inputs[0])
	switch n.operator {
	case "Relu":
		return x, nil
	case "Add":
		if len(inputs) != 2 || !slices.Equal(x, inputs[1]) {
			return nil, bad
		}
		return x, nil
	case "BatchNormalization":
		if len(inputs) != 5 || n.floats["epsilon"] != 1e-5 {
			return nil, bad
		}
		for _, perChannel := range inputs[1:] {
			if !slices.Equal(perChannel, x[1:2]) {
				return nil, bad
			}
		}
		return x, nil
	case "Conv", "MaxPool":
		kernel, strides, pads := n.ints["kernel_shape"], n.ints["strides"], n.ints["pads"]
		if len(x) != 4 || len(kernel) != 2 || len(strides) != 2 || len(pads) != 4 {
			return nil, bad
		}
		if n.operator == "Conv" {
			weight, group := inputs[1], n.ints["group"]
			if len(weight) != 4 || len(group) != 1 || weight[1]*group[0] != x[1] || weight[0]%group[0] != 0 || !slices.Equal(weight[2:], kernel) {
				return nil, bad
			}
			if len(inputs) == 3 && !slices.Equal(inputs[2], weight[:1]) {
				return nil, bad
			}
			x[1] = weight[0]
		}
		for axis := range 2 {
			x[2+axis] = (x[2+axis]+pads[axis]+pads[2+axis]-kernel[axis])/strides[axis] + 1
		}
		return x, nil
	case "Slice":
		if len(inputs) != 5 {
			return nil, bad
		}
		starts, ends, axes, steps := constants[n.inputs[1]].integers(), constants[n.inputs[2]].integers(), constants[n.inputs[3]].integers(), constants[n.inputs[4]].integers()
		for i, axis := range axes {
			if starts[i] != 0 || ends[i] != math.MaxInt64 {
				return nil, bad
			}
			x[axis] = (x[axis] + steps[i] - 1) / steps[i]
		}
		return x, nil
	case "Pad":
		pads := constants[n.inputs[1]].integers()
		if len(inputs) != 2 || len(pads) != 2*len(x) {
			return nil, bad
		}
		for axis := range x {
			x[axis] += pads[axis] + pads[len(x)+axis]
		}
		return x, nil
	case "GlobalAveragePool":
		return []int64{x[0], x[1], 1, 1}, nil
	case "Flatten":
		if len(x) != 4 || !slices.Equal(n.ints["axis"], []int64{1}) {
			return nil, bad
		}
		return []int64{x[0], x[1] * x[2] * x[3]}, nil
	case "Gemm":
		if len(inputs) != 3 || len(inputs[1]) != 2 || !slices.Equal(n.ints["transB"], []int64{1}) || inputs[1][1] != x[1] || !slices.Equal(inputs[2], inputs[1][:1]) {
			return nil, bad
		}
		return []int64{x[0], inputs[1][0]}, nil
	}
	return nil, errors.New("an operator that this check does not know")
}

func (m *modelProto) count(operator string) int {
	count := 0
	for _, n := range m.graph.nodes {
		if n.operator == operator {
			count++
		}
	}
	return count
}

// constant returns the stored tensor of the given name.
func (m *modelProto) constant(name string) *tensorProto {
	at := slices.IndexFunc(m.graph.initializers, func(t tensorProto) bool { return t.name == name })
	return &m.graph.initializers[at]
}

func TestStructure(t *testing.T) {
	configs := kinds()
	for _, name := range []string{"resnet20", "plain20"} {
		config, err := resnet.ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		configs[name] = config
	}
	for name, config := range configs {
		m := random(t, config, 35, 48)
		norms := 0
		for tensor := range m.Tensors {
			if strings.HasSuffix(tensor, ".running_mean") {
				norms++
			}
		}
		for _, fold := range []bool{false, true} {
			read, err := decode(write(t, m, fold))
			if err == nil {
				err = read.check(35, 48)
			}
			if err != nil {
				t.Errorf("%s, folded %v: %v", name, fold, err)
				continue
			}
			got := read.count("BatchNormalization")
			switch {
			case !fold && got != norms:
				t.Errorf("%s has %d batch normalisations, want %d", name, got, norms)
			case fold && !config.PreActivation && got != 0:
				t.Errorf("%s has %d batch normalisations, want all folded", name, got)
			case fold && got >= norms:
				t.Errorf("%s has %d batch normalisations of %d, want some folded", name, got, norms)
			}
			if fold {
				continue
			}
			// Every tensor is stored unchanged.
			stored := map[string]tensorProto{}
			for _, tensor := range read.graph.initializers {
				stored[tensor.name] = tensor
			}
			for key, tensor := range m.Tensors {
				got := stored[key]
				if fmt.Sprint(got.dims) != fmt.Sprint(tensor.Shape) || !slices.Equal(got.floats(), tensor.Data) {
					t.Errorf("%s: %s has changed", name, key)
				}
			}
		}
	}
}

// The file has every fact that is known about the network, and leaves out the others.
func TestMetadata(t *testing.T) {
	config := kinds()["CIFAR stem, basic, A"]
	m := random(t, config, 5, 7)
	m.Transform = picture.Transform{}
	read, err := decode(write(t, m, false))
	if err != nil {
		t.Fatal(err)
	}
	const architecture = `{"name":"tiny","stem":"cifar","block":"basic","blocks":[1,2],"width":3,"shortcut":"A","classes":4}`
	if got, want := fmt.Sprint(read.metadata), fmt.Sprint(map[string]string{"architecture": architecture}); got != want {
		t.Errorf("metadata %s, want %s", got, want)
	}
	if got, want := read.graph.inputs[0].dims, []string{"batch", "3", "height", "width"}; !slices.Equal(got, want) {
		t.Errorf("without a transform the input is %v, want %v", got, want)
	}

	accuracy := 0.8125
	m.Transform = picture.Transform{Resize: 6, Height: 5, Width: 7}
	m.Normalization = dataset.Normalization{Mean: [3]float32{0.5, 0.25, 0}, Std: [3]float32{1, 0.5, 0.25}}
	m.Classes, m.Recipe, m.Data, m.Accuracy = []string{"Katze", "犬", "<c>", "d"}, "fast", "images in \xff", &accuracy
	read, err = decode(write(t, m, false))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"architecture": architecture, "classes": `["Katze","犬","\u003cc\u003e","d"]`, "mean": "[0.5,0.25,0]", "std": "[1,0.5,0.25]",
		"transform": `{"resize":6,"height":5,"width":7}`, "recipe": "fast", "data": "images in \uFFFD", "accuracy": "0.8125",
	}
	if fmt.Sprint(read.metadata) != fmt.Sprint(want) {
		t.Errorf("metadata %v, want %v", read.metadata, want)
	}
	if got, want := read.graph.inputs[0].dims, []string{"batch", "3", "5", "7"}; !slices.Equal(got, want) {
		t.Errorf("the input is %v, want %v", got, want)
	}
	if read.graph.inputs[0].name != "images" || read.graph.outputs[0].name != "logits" || read.graph.name != "tiny" {
		t.Errorf("the graph %s has input %s and output %s", read.graph.name, read.graph.inputs[0].name, read.graph.outputs[0].name)
	}
}

// TestCheckFails shows that check can fail.
func TestCheckFails(t *testing.T) {
	content := write(t, random(t, kinds()["ImageNet stem, grouped, A"], 35, 48), true)
	for want, spoil := range map[string]func(m *modelProto){
		"operator sets":     func(m *modelProto) { m.opsets[""] = 16 },
		"before its input":  func(m *modelProto) { g := m.graph; g.nodes[0], g.nodes[1] = g.nodes[1], g.nodes[0] },
		"a second node":     func(m *modelProto) { m.graph.nodes[2].name = m.graph.nodes[1].name },
		"no other node has": func(m *modelProto) { m.graph.nodes[2].outputs = m.graph.nodes[1].outputs },
		"a second constant": func(m *modelProto) {
			m.graph.initializers = append(m.graph.initializers, m.graph.initializers[0])
		},
		"nothing uses":     func(m *modelProto) { m.graph.nodes[0].inputs = m.graph.nodes[0].inputs[:2] },
		"bytes":            func(m *modelProto) { m.graph.initializers[3].raw = m.graph.initializers[3].raw[4:] },
		"attributes":       func(m *modelProto) { m.graph.nodes[0].ints["group"] = []int64{2} },
		"the output has":   func(m *modelProto) { m.graph.outputs[0].dims[1] = "5" },
		"does not know":    func(m *modelProto) { m.graph.nodes[1].operator = "Selu" },
		"(Add)":            func(m *modelProto) { m.constant("layer1.0.downsample.pad.pads").raw[8]++ },
		"no graph with a ": func(m *modelProto) { m.graph.nodes = nil },
	} {
		m, err := decode(slices.Clone(content))
		if err != nil {
			t.Fatal(err)
		}
		spoil(m)
		if err := m.check(35, 48); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	if _, err := decode(content[:len(content)-1]); err == nil {
		t.Error("a truncated file was decoded")
	}
}
