package architecture

import (
	"fmt"
	"strings"

	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/resnet"
)

// Inception is a module of four parallel branches whose outputs are concatenated along the
// channels: a 1×1 convolution; a 1×1 then a 3×3; a 1×1 then a 5×5; and a max pool then a 1×1.
type Inception struct {
	Name string
	// Numbers of channels, as in the paper's table: the input's and each convolution's.
	In, Conv1, Reduce3, Conv3, Reduce5, Conv5, Pool int
	// Size is the height and width of the maps, for an image of 224×224 pixels.
	Size int
}

// InceptionModules returns the nine modules of GoogLeNet in order (Szegedy et al. 2014, "Going
// Deeper with Convolutions", table 1). GoogLeNet won ImageNet the year before ResNet. The
// modules only serve to compare costs; no network is built from them.
func InceptionModules() []Inception {
	return []Inception{
		{"3a", 192, 64, 96, 128, 16, 32, 32, 28},
		{"3b", 256, 128, 128, 192, 32, 96, 64, 28},
		{"4a", 480, 192, 96, 208, 16, 48, 64, 14},
		{"4b", 512, 160, 112, 224, 24, 64, 64, 14},
		{"4c", 512, 128, 128, 256, 24, 64, 64, 14},
		{"4d", 512, 112, 144, 288, 32, 64, 64, 14},
		{"4e", 528, 256, 160, 320, 32, 128, 128, 14},
		{"5a", 832, 256, 160, 320, 32, 128, 128, 7},
		{"5b", 832, 384, 192, 384, 48, 128, 128, 7},
	}
}

// Out returns the number of output channels.
func (m Inception) Out() int { return m.Conv1 + m.Conv3 + m.Conv5 + m.Pool }

// Cost is the cost of some layers.
type Cost struct {
	// Parameters counts weights and biases.
	Parameters int64
	// MultiplyAdds is for one image of 224×224 pixels.
	MultiplyAdds int64
}

func (c Cost) plus(other Cost) Cost {
	return Cost{c.Parameters + other.Parameters, c.MultiplyAdds + other.MultiplyAdds}
}

// convolution returns the cost of a convolution with biases and an output of size×size.
func convolution(in, out, kernel, size int) Cost {
	weights := int64(kernel * kernel * in * out)
	return Cost{weights + int64(out), weights * int64(size*size)}
}

// Cost returns the cost of the module.
func (m Inception) Cost() Cost {
	var sum Cost
	for _, c := range [][3]int{
		{m.In, m.Conv1, 1},
		{m.In, m.Reduce3, 1}, {m.Reduce3, m.Conv3, 3},
		{m.In, m.Reduce5, 1}, {m.Reduce5, m.Conv5, 5},
		{m.In, m.Pool, 1},
	} {
		sum = sum.plus(convolution(c[0], c[1], c[2], m.Size))
	}
	return sum
}

// GoogLeNetCost returns the cost of the whole network with 1000 classes, without the two
// auxiliary classifiers, which are used in training only.
func GoogLeNetCost() Cost {
	sum := convolution(3, 64, 7, 112).plus(convolution(64, 64, 1, 56)).plus(convolution(64, 192, 3, 56))
	for _, m := range InceptionModules() {
		sum = sum.plus(m.Cost())
	}
	return sum.plus(convolution(1024, 1000, 1, 1)) // the linear layer
}

// module returns the module for a drawing.
func (m Inception) module() figure.Module {
	convolution := func(kernel, channels int) figure.DiagramLayer {
		return figure.DiagramLayer{Kind: "convolution", Label: fmt.Sprintf("%[1]d×%[1]d, %d", kernel, channels)}
	}
	return figure.Module{
		Title: "Inception " + m.Name,
		Input: size([]int{m.Size, m.Size, m.In}), Output: size([]int{m.Size, m.Size, m.Out()}),
		Branches: [][]figure.DiagramLayer{
			{convolution(1, m.Conv1)},
			{convolution(1, m.Reduce3), convolution(3, m.Conv3)},
			{convolution(1, m.Reduce5), convolution(5, m.Conv5)},
			{{Kind: "max pool", Label: "pool 3×3"}, convolution(1, m.Pool)},
		},
		Concatenate: true,
	}
}

// Beside draws the module beside the named blocks of a network, such as "layer1.0", for images
// of 224×224 pixels: its convolutions and pools, without norms and ReLUs.
func (m Inception) Beside(config resnet.Config, blocks ...string) (*figure.Figure, error) {
	summary, err := config.Summary(224, 224)
	if err != nil {
		return nil, err
	}
	modules := []figure.Module{m.module()}
	for _, name := range blocks {
		block, err := blockModule(summary, name)
		if err != nil {
			return nil, err
		}
		modules = append(modules, block)
	}
	return figure.Modules("A module of GoogLeNet and blocks of "+config.Name, modules,
		figure.Caption("Norms and ReLUs are left out. The numbers are the channels of each convolution."))
}

// blockModule returns the named block of a summary for a drawing.
func blockModule(summary *resnet.Summary, name string) (figure.Module, error) {
	block := figure.Module{Title: name}
	var branch, shortcut []figure.DiagramLayer
	before := summary.Input
	for _, layer := range summary.Layers {
		switch inside := blockOf(layer.Name) == name; {
		case layer.Name == name:
			block.Output = size(layer.Output)
		case inside && isShortcut(layer) && isConvolution(layer):
			shortcut = append(shortcut, boxOf(layer))
		case inside && isConvolution(layer):
			branch = append(branch, boxOf(layer))
		}
		if len(branch) == 0 && !isShortcut(layer) {
			before = layer.Output
		}
	}
	if len(branch) == 0 {
		return block, fmt.Errorf("%s has no block %q", summary.Model, name)
	}
	block.Input = size(before)
	block.Branches = [][]figure.DiagramLayer{branch, shortcut}
	return block, nil
}

// boxOf returns the box of a convolution.
func boxOf(layer resnet.Layer) figure.DiagramLayer {
	return figure.DiagramLayer{Kind: "convolution",
		Label: fmt.Sprintf("%s, %d", strings.TrimPrefix(layer.Kind, "conv "), channels(layer))}
}
