package inside

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/nn"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/statedict"
)

// Block describes a block of a network.
type Block struct {
	// Name is the prefix of the names of the block's layers, such as layer1.0.
	Name string
	// Changes reports whether the block's output has a different shape from its input.
	Changes bool
}

// Blocks returns the blocks of a network in order, from input to output.
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

// Without returns the weights of a network with some of its blocks removed. It does not change
// weights. The layers of a removed block stay, with weights that cancel their effect:
//
//   - In a residual network, the branch's last batch norm gets γ = 0 and β = 0 or, with
//     PreActivation, the branch's last convolution gets zero weights. The branch is then 0,
//     and only the shortcut and the ReLU after it, if any, remain.
//   - In a plain network, each convolution gets the identity kernel: a 1 in the middle, from
//     each channel to itself. The batch norms get statistics and weights with no effect. The
//     block's input comes from a ReLU and is not negative, so the block's own ReLUs have no
//     effect either, and the block is the identity.
//
// A plain block that changes the shape, inside or overall, cannot be the identity. That is an
// error, and so is any block of a plain pre-activation network, whose input may be negative.
func Without(config resnet.Config, weights Weights, blocks ...string) (Weights, error) {
	all := Blocks(config)
	changed := maps.Clone(weights)
	for _, name := range blocks {
		i := slices.IndexFunc(all, func(b Block) bool { return b.Name == name })
		switch {
		case i < 0:
			return nil, fmt.Errorf("%s has no block %q", config.Name, name)
		case config.Plain && (all[i].Changes || config.Block == resnet.Bottleneck):
			return nil, fmt.Errorf("block %s of %s cannot be removed: it changes the shape and has no shortcut", name, config.Name)
		case config.Plain && config.PreActivation:
			return nil, fmt.Errorf("block %s of %s cannot be removed: it begins with a ReLU, and its input may be negative", name, config.Name)
		}
		for key, tensor := range weights {
			if layer, found := strings.CutPrefix(key, name+"."); found {
				changed[key] = silent(config, layer, tensor)
			}
		}
	}
	return changed, nil
}

// Removable returns the names of the blocks that [Without] can remove from the plain network and from its residual
// twin: those that keep the shape.
func Removable(config resnet.Config) []string {
	var names []string
	for _, block := range Blocks(config) {
		if !block.Changes {
			names = append(names, block.Name)
		}
	}
	return names
}

// WithoutEach returns the accuracy on images without one block at a time, for each of [Blocks]. It is
// NaN for a block that cannot be removed.
func (n *Network) WithoutEach(ctx context.Context, images *dataset.Images) ([]float64, error) {
	var accuracies []float64
	for _, block := range Blocks(n.recipe.Model) {
		if n.recipe.Model.Plain && block.Changes {
			accuracies = append(accuracies, math.NaN())
			continue
		}
		result, err := n.Evaluate(ctx, images, block.Name)
		if err != nil {
			return nil, err
		}
		accuracies = append(accuracies, result.Top1)
	}
	return accuracies, nil
}

// Losses returns what is lost, in percentage points from the least to the most, between the accuracy of the whole
// network and those of WithoutEach.
func Losses(whole float64, without []float64) []float64 {
	var losses []float64
	for _, accuracy := range without {
		if !math.IsNaN(accuracy) {
			losses = append(losses, 100*(whole-accuracy))
		}
	}
	slices.Sort(losses)
	return losses
}

// WithoutSome returns the accuracy on images without as many of the removable blocks as each count
// says, as the mean over random orders of removing them. The same seed gives the same orders.
func (n *Network) WithoutSome(ctx context.Context, images *dataset.Images, counts []int, orders int, seed uint64) ([]float64, error) {
	names := Removable(n.recipe.Model)
	random := rand.New(rand.NewPCG(seed, 0))
	means := make([]float64, len(counts))
	for range orders {
		random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		for k, count := range counts {
			if count < 0 || count > len(names) {
				return nil, fmt.Errorf("remove %d blocks of %s: want 0 to %d", count, n.recipe.Model.Name, len(names))
			}
			result, err := n.Evaluate(ctx, images, names[:count]...)
			if err != nil {
				return nil, err
			}
			means[k] += result.Top1 / float64(orders)
		}
	}
	return means, nil
}

// silent returns the value of a layer's tensor in a removed block.
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
		return filled(tensor.Shape, 1-nn.Epsilon) // the batch norm adds ε, which gives 1
	case config.Plain,
		!config.PreActivation && kind == fmt.Sprintf("bn%d", last) && (name == nn.GammaName || name == nn.BetaName),
		config.PreActivation && kind == fmt.Sprintf("conv%d", last):
		return filled(tensor.Shape, 0)
	}
	return tensor
}

// filled returns a tensor with all elements set to value.
func filled(shape []int, value float32) statedict.Tensor {
	size := 1
	for _, dim := range shape {
		size *= dim
	}
	return statedict.Tensor{Shape: shape, Data: slices.Repeat([]float32{value}, size)}
}

// identityKernel returns the weight, [out, in, height, width], of a convolution that returns
// its input. out must equal in, and height and width must be odd.
func identityKernel(shape []int) statedict.Tensor {
	kernel := filled(shape, 0)
	area := shape[2] * shape[3]
	for channel := range shape[0] {
		kernel.Data[(channel*shape[1]+channel)*area+area/2] = 1
	}
	return kernel
}
