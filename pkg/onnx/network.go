package onnx

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/residual-go/residual/pkg/nn"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/statedict"
)

// channels is the number of channels of an image.
const channels = 3

// network is a graph under construction. Its methods mirror the forward pass of package
// resnet.
type network struct {
	resnet.Config
	*graph
	weights map[string]statedict.Tensor
}

// value is the output of a node, [batch, channels, …].
type value struct {
	name     string
	channels int
}

// checkWeights returns an error unless the weights are exactly those of the network.
func checkWeights(config resnet.Config, weights map[string]statedict.Tensor) error {
	shapes, err := statedict.Shapes(config)
	if err != nil {
		return err
	}
	if err := statedict.Compare(shapes, weights).Err("the network"); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(weights)) {
		if err := weights[name].Validate(); err != nil {
			return fmt.Errorf("%s %w", name, err)
		}
	}
	return nil
}

// build returns the network as a graph, which shares the weights' data. The weights must be
// the network's.
func build(config resnet.Config, weights map[string]statedict.Tensor) *graph {
	n := &network{Config: config, graph: &graph{name: cmp.Or(config.Name, "network"), constants: map[string]tensor{}}, weights: weights}

	x := n.stem(value{"images", channels})
	planes := n.Width
	for stage, blocks := range n.Blocks {
		for i := range blocks {
			stride := 1
			if stage > 0 && i == 0 {
				stride = 2
			}
			x = n.block(fmt.Sprintf("layer%d.%d", stage+1, i), x, planes, stride)
		}
		planes *= 2
	}
	n.head(x)
	return n.graph
}

func (n *network) stem(x value) value {
	kernel, stride := 7, 2
	if n.Stem != resnet.ImageNetStem {
		kernel, stride = 3, 1
	}
	x = n.conv("conv1", x, resnet.Convolution{Out: n.Width, Kernel: kernel, Stride: stride, Groups: 1})
	if !n.PreActivation {
		x = n.norm("bn1", x)
		x = n.relu("relu", x)
	}
	if n.Stem != resnet.CIFARStem {
		x = n.add("maxpool", "MaxPool", x.channels, []string{x.name},
			attribute{"kernel_shape", []int{3, 3}}, attribute{"strides", []int{2, 2}}, attribute{"pads", []int{1, 1, 1, 1}})
	}
	return x
}

func (n *network) head(x value) {
	if n.PreActivation {
		x = n.norm("norm", x)
		x = n.relu("relu", x)
	}
	x = n.add("avgpool", "GlobalAveragePool", x.channels, []string{x.name})
	x = n.add("flatten", "Flatten", x.channels, []string{x.name}, attribute{"axis", 1})
	n.weight("fc.weight", n.Classes, x.channels)
	n.weight("fc.bias", n.Classes)
	n.nodes = append(n.nodes, node{"fc", "Gemm", []string{x.name, "fc.weight", "fc.bias"}, "logits",
		[]attribute{{"transB", 1}}})
}

func (n *network) block(name string, x value, planes, stride int) value {
	convolutions := n.Branch(planes, stride)
	if n.PreActivation {
		return n.preActivated(name, x, convolutions, stride)
	}
	return n.postActivated(name, x, convolutions, stride)
}

func (n *network) postActivated(name string, x value, convolutions []resnet.Convolution, stride int) value {
	y := x
	last := len(convolutions) - 1
	for i, convolution := range convolutions {
		y = n.conv(fmt.Sprintf("%s.conv%d", name, i+1), y, convolution)
		y = n.norm(fmt.Sprintf("%s.bn%d", name, i+1), y)
		if i < last {
			y = n.relu(fmt.Sprintf("%s.relu%d", name, i+1), y)
		}
	}
	if !n.Plain {
		x = n.shortcut(name+".downsample", x, convolutions[last].Out, stride)
		y = n.add(name+".add", "Add", y.channels, []string{y.name, x.name})
	}
	return n.relu(fmt.Sprintf("%s.relu%d", name, last+1), y)
}

func (n *network) preActivated(name string, x value, convolutions []resnet.Convolution, stride int) value {
	y := x
	var activated value
	for i, convolution := range convolutions {
		y = n.norm(fmt.Sprintf("%s.bn%d", name, i+1), y)
		y = n.relu(fmt.Sprintf("%s.relu%d", name, i+1), y)
		if i == 0 {
			activated = y
		}
		y = n.conv(fmt.Sprintf("%s.conv%d", name, i+1), y, convolution)
	}
	if n.Plain {
		return y
	}
	if n.changes(x, y.channels, stride) {
		x = activated
	}
	x = n.shortcut(name+".downsample", x, y.channels, stride)
	return n.add(name+".add", "Add", y.channels, []string{y.name, x.name})
}

// changes reports whether a block's shortcut is something other than the identity.
func (n *network) changes(x value, channels, stride int) bool {
	return n.Shortcut == resnet.ShortcutC || stride != 1 || x.channels != channels
}

func (n *network) shortcut(name string, x value, channels, stride int) value {
	if !n.changes(x, channels, stride) {
		return x
	}
	if n.Shortcut == resnet.ShortcutB || n.Shortcut == resnet.ShortcutC {
		x = n.conv(name+".0", x, resnet.Convolution{Out: channels, Kernel: 1, Stride: stride, Groups: 1})
		if !n.PreActivation {
			x = n.norm(name+".1", x)
		}
		return x
	}
	if stride != 1 {
		inputs := []string{x.name,
			n.integers(name+".slice.starts", 0, 0),
			n.integers(name+".slice.ends", math.MaxInt64, math.MaxInt64), // to the end
			n.integers(name+".slice.axes", 2, 3),
			n.integers(name+".slice.steps", int64(stride), int64(stride)),
		}
		x = n.add(name+".slice", "Slice", x.channels, inputs)
	}
	before, after := n.Shortcut.Padding(channels - x.channels)
	pads := n.integers(name+".pad.pads", 0, int64(before), 0, 0, 0, int64(after), 0, 0)
	return n.add(name+".pad", "Pad", channels, []string{x.name, pads})
}

func (n *network) conv(name string, x value, c resnet.Convolution) value {
	weight := n.weight(name+".weight", c.Out, x.channels/c.Groups, c.Kernel, c.Kernel)
	pad := c.Kernel / 2
	return n.add(name, "Conv", c.Out, []string{x.name, weight},
		attribute{"kernel_shape", []int{c.Kernel, c.Kernel}}, attribute{"strides", []int{c.Stride, c.Stride}},
		attribute{"pads", []int{pad, pad, pad, pad}}, attribute{"group", c.Groups})
}

func (n *network) norm(name string, x value) value {
	inputs := []string{x.name}
	for _, weight := range []string{"weight", "bias", "running_mean", "running_var"} {
		inputs = append(inputs, n.weight(name+"."+weight, x.channels))
	}
	return n.add(name, "BatchNormalization", x.channels, inputs, attribute{"epsilon", float32(nn.Epsilon)})
}

func (n *network) relu(name string, x value) value {
	return n.add(name, "Relu", x.channels, []string{x.name})
}

// add adds a node and returns its output, which has the node's name.
func (n *network) add(name, operator string, channels int, inputs []string, attributes ...attribute) value {
	n.nodes = append(n.nodes, node{name, operator, inputs, name, attributes})
	return value{name, channels}
}

// weight stores one of the weights, which has the given shape, and returns its name.
func (n *network) weight(name string, shape ...int) string {
	n.constants[name] = tensor{dims: shape, floats: n.weights[name].Data}
	return name
}

// integers stores a list of integers and returns its name.
func (n *network) integers(name string, list ...int64) string {
	n.constants[name] = tensor{dims: []int{len(list)}, integers: list}
	return name
}
