package onnx

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/nn"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/statedict"
	"github.com/residual-go/residual/pkg/weights"
)

// tests/suite/onnx tests whole files, and what other programs compute with them.

// smallest returns a network of one block, with weights of zero.
func smallest() *weights.Model {
	m := &weights.Model{
		Config:  resnet.Config{Name: "smallest", Stem: resnet.CIFARStem, Blocks: []int{1}, Width: 2, Classes: 3},
		Tensors: map[string]statedict.Tensor{},
	}
	add := func(name string, shape ...int) {
		size := 1
		for _, dim := range shape {
			size *= dim
		}
		m.Tensors[name] = statedict.Tensor{Shape: shape, Data: make([]float32, size)}
	}
	add("conv1.weight", 2, 3, 3, 3)
	add("layer1.0.conv1.weight", 2, 2, 3, 3)
	add("layer1.0.conv2.weight", 2, 2, 3, 3)
	for _, norm := range []string{"bn1", "layer1.0.bn1", "layer1.0.bn2"} {
		for _, name := range []string{"weight", "bias", "running_mean", "running_var"} {
			add(norm+"."+name, 2)
		}
	}
	add("fc.weight", 3, 2)
	add("fc.bias", 3)
	return m
}

func TestWriteRefuses(t *testing.T) {
	if err := Write(io.Discard, smallest(), Options{}); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(m *weights.Model){
		"resnet: 0 classes":                func(m *weights.Model) { m.Config.Classes = 0 },
		"missing layer1.0.bn2.running_var": func(m *weights.Model) { delete(m.Tensors, "layer1.0.bn2.running_var") },
		"mismatched fc.bias (shape [2], want [3])": func(m *weights.Model) {
			m.Tensors["fc.bias"] = statedict.Tensor{Shape: []int{2}, Data: make([]float32, 2)}
		},
		"fc.bias has shape [3] and 2 elements": func(m *weights.Model) {
			m.Tensors["fc.bias"] = statedict.Tensor{Shape: []int{3}, Data: make([]float32, 2)}
		},
		"unexpected bn2.weight": func(m *weights.Model) { m.Tensors["bn2.weight"] = m.Tensors["bn1.weight"] },
	} {
		m := smallest()
		spoil(m)
		var wrote bytes.Buffer
		err := Write(&wrote, m, Options{})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "write an ONNX model: ") || wrote.Len() > 0 {
			t.Errorf("error %v after %d bytes, want one with %q and no bytes", err, wrote.Len(), want)
		}
	}
}

func TestWriteReturnsTheWritersErrors(t *testing.T) {
	full := errors.New("the disk is full")
	var whole bytes.Buffer
	if err := Write(&whole, smallest(), Options{}); err != nil {
		t.Fatal(err)
	}
	for _, room := range []int{0, whole.Len() / 2, whole.Len() - 1} {
		if err := Write(&limited{room, full}, smallest(), Options{}); !errors.Is(err, full) {
			t.Errorf("with room for %d bytes of %d: error %v, want %v", room, whole.Len(), err, full)
		}
	}
	if err := Write(&limited{whole.Len(), full}, smallest(), Options{}); err != nil {
		t.Error(err)
	}
}

// limited is a writer with room for a limited number of bytes.
type limited struct {
	room int
	full error
}

func (l *limited) Write(p []byte) (int, error) {
	if l.room -= len(p); l.room < 0 {
		return 0, l.full
	}
	return len(p), nil
}

// TestTooLarge has a graph of just over 2 GiB, in which all weights share the same memory.
func TestTooLarge(t *testing.T) {
	g := &graph{constants: map[string]tensor{}}
	n := node{operator: "Sum"}
	shared := make([]float32, 1<<20)
	for i := range 1 << 9 {
		name := fmt.Sprint(i)
		n.inputs = append(n.inputs, name)
		g.constants[name] = tensor{dims: []int{len(shared)}, floats: shared}
	}
	g.nodes = []node{n}
	if err := g.write(io.Discard, nil); err == nil || !strings.Contains(err.Error(), "do not fit into one file") {
		t.Errorf("error %v for 2 GiB of weights, want one", err)
	}
	delete(g.constants, "0")
	full := errors.New("the disk is full")
	if err := g.write(&limited{0, full}, nil); !errors.Is(err, full) {
		t.Errorf("4 MiB less: %v, want the error of the first write", err)
	}
}

func TestFoldLeavesTheModelAlone(t *testing.T) {
	m := smallest()
	for name, tensor := range m.Tensors {
		for i := range tensor.Data {
			tensor.Data[i] = float32(len(name)+i) / 8
		}
	}
	before := fmt.Sprint(m.Tensors)
	if err := Write(io.Discard, m, Options{Fold: true}); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(m.Tensors) != before {
		t.Error("folding changed the model's own weights")
	}
}

// TestFolded folds a convolution of two channels whose standard deviations are 2 and 1/2, and
// compares with results computed by hand.
func TestFolded(t *testing.T) {
	g := &graph{constants: map[string]tensor{
		"w":     {dims: []int{2, 1, 1, 2}, floats: []float32{1, 2, 3, 4}},
		"gamma": {dims: []int{2}, floats: []float32{3, -1}}, "beta": {dims: []int{2}, floats: []float32{10, 20}},
		"mean": {dims: []int{2}, floats: []float32{4, 5}}, "variance": {dims: []int{2}, floats: []float32{4 - nn.Epsilon, 0.25 - nn.Epsilon}},
	}}
	got := g.folded(node{"c", "Conv", []string{"x", "w"}, "c", nil}, node{"n", "BatchNormalization", []string{"c", "gamma", "beta", "mean", "variance"}, "n", nil})
	if want := (node{"c", "Conv", []string{"x", "w", "c.bias"}, "n", nil}); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got the node %v, want %v", got, want)
	}
	for name, want := range map[string][]float32{"w": {1.5, 3, -6, -8}, "c.bias": {4, 30}} {
		for i, x := range g.constants[name].floats {
			if math.Abs(float64(x-want[i])) > 1e-6 {
				t.Errorf("%s is %v, want %v", name, g.constants[name].floats, want)
			}
		}
	}
}

// The batch normalisations that stay are those after an addition or a pool, or after a
// convolution whose output something else uses too.
func TestWhatFolds(t *testing.T) {
	for _, test := range []struct {
		config resnet.Config
		stay   []string
	}{
		{resnet.Config{Stem: resnet.ImageNetStem, Shortcut: resnet.ShortcutB}, nil},
		{resnet.Config{Stem: resnet.CIFARStem, Plain: true}, nil},
		{resnet.Config{Stem: resnet.CIFARStem, PreActivation: true}, []string{"layer1.0.bn1", "layer2.0.bn1", "norm"}},
		{resnet.Config{Stem: resnet.CIFARStem, PreActivation: true, Shortcut: resnet.ShortcutC}, []string{"layer2.0.bn1", "norm"}},
		{resnet.Config{Stem: resnet.ImageNetStem, PreActivation: true, Plain: true}, []string{"layer1.0.bn1"}},
	} {
		config := test.config
		config.Blocks, config.Width, config.Classes = []int{1, 1}, 2, 2
		g := build(config, nil) // the weights are not needed
		for name, tensor := range g.constants {
			size := 1
			for _, dim := range tensor.dims {
				size *= dim
			}
			if tensor.integers == nil {
				tensor.floats = make([]float32, size)
			}
			g.constants[name] = tensor
		}
		g.fold()
		var stay []string
		for _, node := range g.nodes {
			if node.operator == "BatchNormalization" {
				stay = append(stay, node.name)
			}
		}
		if !slices.Equal(stay, test.stay) {
			t.Errorf("%+v: %v stay, want %v", config, stay, test.stay)
		}
		for _, name := range g.stored() {
			norm, _, _ := strings.Cut(name, ".running_mean")
			if norm != name && !slices.Contains(stay, norm) {
				t.Errorf("%+v: %s is stored, and its normalisation is folded", config, name)
			}
		}
	}
}
