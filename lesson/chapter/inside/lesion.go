package inside

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/residual-go/residual/pkg/nn"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/statedict"
)

// Block is a block of a network.
type Block struct {
	// Name is that of its layers' names: layer1.0.
	Name string
	// Changes says that what leaves the block has another shape than what goes in.
	Changes bool
}

// Blocks returns the blocks of a network, from the images on.
func Blocks(config resnet.Config) []Block {
	var blocks []Block
	for stage, count := range config.Blocks {
		for i := range count {
			blocks = append(blocks, Block{
				Name:    fmt.Sprintf("layer%d.%d", stage+1, i),
				Changes: i == 0 && (stage > 0 || config.Block == resnet.Bottleneck),
			})
		}
	}
	return blocks
}

// Without returns the weights of a network with some of its blocks taken out; weights stay
// as they are. The layers stay too, and are given weights that make nothing of their input:
//
//   - In a residual network the branch's last batch norm gets γ = 0 and β = 0 or, with
//     PreActivation, the branch's last convolution the weight 0. Then the branch is 0, and
//     the block is its shortcut, with the ReLU behind it.
//   - In a plain network the convolutions get the kernel that has a 1 in its middle, from
//     each channel to itself, and the batch norms the statistics and weights that change
//     nothing. What comes in has been through a ReLU and is not negative, so the block's
//     own ReLUs change nothing either: it is the identity.
//
// A plain block that changes the shape, on its way or in all, cannot be the identity, and
// is an error; so is one of a pre-activation plain network, where what comes in may be
// negative.
func Without(config resnet.Config, weights Weights, blocks ...string) (Weights, error) {
	all := Blocks(config)
	changed := maps.Clone(weights)
	for _, name := range blocks {
		i := slices.IndexFunc(all, func(b Block) bool { return b.Name == name })
		switch {
		case i < 0:
			return nil, fmt.Errorf("%s has no block %q", config.Name, name)
		case config.Plain && (all[i].Changes || config.Block == resnet.Bottleneck):
			return nil, fmt.Errorf("block %s of %s changes the shape: nothing is left to put in its place", name, config.Name)
		case config.Plain && config.PreActivation:
			return nil, fmt.Errorf("block %s of %s begins with a ReLU that would not pass everything on", name, config.Name)
		}
		for key, tensor := range weights {
			if layer, found := strings.CutPrefix(key, name+"."); found {
				changed[key] = silent(config, layer, tensor)
			}
		}
	}
	return changed, nil
}

// silent returns what a layer's tensor is in a block that was taken out.
func silent(config resnet.Config, layer string, tensor statedict.Tensor) statedict.Tensor {
	last := 2
	if config.Block == resnet.Bottleneck {
		last = 3
	}
	kind, name, _ := strings.Cut(layer, ".")
	switch {
	case config.Plain && strings.HasPrefix(kind, "conv"):
		return identityKernel(tensor.Shape)
	case config.Plain && name == nn.GammaName:
		return filled(tensor.Shape, 1)
	case config.Plain && name == nn.VarianceName:
		return filled(tensor.Shape, 1-epsilon) // and ε makes it 1
	case config.Plain,
		!config.PreActivation && kind == fmt.Sprintf("bn%d", last) && (name == nn.GammaName || name == nn.BetaName),
		config.PreActivation && kind == fmt.Sprintf("conv%d", last):
		return filled(tensor.Shape, 0)
	}
	return tensor
}

// epsilon is what the batch norms of package resnet add to the variance.
const epsilon = 1e-5

// filled returns a tensor of one value.
func filled(shape []int, value float32) statedict.Tensor {
	size := 1
	for _, dim := range shape {
		size *= dim
	}
	return statedict.Tensor{Shape: shape, Data: slices.Repeat([]float32{value}, size)}
}

// identityKernel returns the weight [out, in, height, width] of a convolution that gives
// its input back; out is in, and height and width are odd.
func identityKernel(shape []int) statedict.Tensor {
	kernel := filled(shape, 0)
	area := shape[2] * shape[3]
	for channel := range shape[0] {
		kernel.Data[(channel*shape[1]+channel)*area+area/2] = 1
	}
	return kernel
}
