package block

import (
	"fmt"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/resnet"
)

// Func builds a block on x, [batch, height, width, channels], in training mode. get returns a
// weight of the block by its name in torchvision, such as conv1.weight,
// [height, width, in, out], or bn1.bias, [1, 1, 1, channels]. It panics if the block has no
// such weight.
type Func func(x *graph.Node, get func(name string) *graph.Node) *graph.Node

// The network's input: enough random images for batch statistics, and small enough for a
// ResNet-50 to be fast.
const (
	compareImages = 8
	compareSide   = 32
	compareSeed   = 1
)

// Compare returns the largest absolute difference between the output of the named block, such
// as "layer1.0", and the output of build for the same input. The network of config runs in
// training mode, with random weights, on random images.
func Compare(backend compute.Backend, config resnet.Config, name string, build Func) (float64, error) {
	return atBlock(backend, config, name, scatterNorms, func(scope *model.Scope, in, out *graph.Node) *graph.Node {
		get := func(weight string) *graph.Node {
			path := scope.Scope() + "/" + strings.ReplaceAll(weight, ".", "/")
			variable := scope.Store().GetVariable(path)
			if variable == nil {
				panic(fmt.Errorf("block %s has no weight %q", name, weight))
			}
			value := variable.NodeValue(in.Graph())
			if value.Rank() == 1 {
				value = graph.Reshape(value, 1, 1, 1, value.Shape().Dim(0))
			}
			return value
		}
		return graph.Sub(build(in, get), out)
	})
}

// IdentityError returns the largest absolute difference between the input and the output of
// the named block, in the network of config with random weights. A block that changes the
// shape is an error.
func IdentityError(backend compute.Backend, config resnet.Config, name string) (float64, error) {
	prepare := scatterNorms
	if config.ZeroInitResidual { // γ = 0 is the point
		prepare = nil
	}
	return atBlock(backend, config, name, prepare, change(name))
}

// Zeroed returns what the named block does if the weights of its convolutions are all 0 and its
// batch norms are new (γ = 1, β = 0): the largest absolute difference between its input and its
// output, and the largest absolute value of the output. A block that changes the shape is an
// error.
func Zeroed(backend compute.Backend, config resnet.Config, name string) (difference, output float64, err error) {
	zero := func(_ compute.Backend, store *model.Store) error {
		for variable := range blockScope(store, name).IterVariables() {
			if variable.Shape().Rank() == 4 {
				if err := multiply(variable, 0); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if difference, err = atBlock(backend, config, name, zero, change(name)); err != nil {
		return 0, 0, err
	}
	output, err = atBlock(backend, config, name, zero, func(_ *model.Scope, in, out *graph.Node) *graph.Node { return out })
	return difference, output, err
}

// change returns the function that subtracts a block's output from its input.
func change(name string) func(scope *model.Scope, in, out *graph.Node) *graph.Node {
	return func(_ *model.Scope, in, out *graph.Node) *graph.Node {
		if !in.Shape().Equal(out.Shape()) {
			panic(fmt.Errorf("block %s cannot be the identity: its input is %s and its output %s", name, in.Shape(), out.Shape()))
		}
		return graph.Sub(in, out)
	}
}

// blockScope returns the scope of the named block's weights.
func blockScope(store *model.Store, name string) *model.Scope {
	return store.Scope("/model/" + strings.ReplaceAll(name, ".", "/"))
}

// atBlock returns the largest absolute value of difference, which is called with the named
// block's scope, input and output. Before that, prepare may change the random weights; it may be
// nil.
func atBlock(backend compute.Backend, config resnet.Config, name string,
	prepare func(compute.Backend, *model.Store) error, difference func(scope *model.Scope, in, out *graph.Node) *graph.Node) (float64, error) {
	store := model.NewStore()
	defer store.Finalize()
	err := store.SetRNGStateFromSeed(compareSeed)
	if err == nil {
		err = config.Declare(store.Scope("/model"))
	}
	if err == nil {
		err = store.InitializeVariables(backend, nil)
	}
	if err == nil && prepare != nil {
		err = prepare(backend, store)
	}
	if err != nil {
		return 0, fmt.Errorf("compare block %s: %w", name, err)
	}
	largest, err := model.CallOnce(backend, store, func(_ *model.Scope, g *graph.Graph) *graph.Node {
		store.SetTraining(g, true)
		pixels := store.RandomNormal(g, shapes.Make(resnet.DType, compareImages, compareSide, compareSide, 3))
		// Taps come in order. A block's input is the last value before the block's own layers.
		// Convolutions and batch norms are left out, since they are inside blocks.
		var last, in, out *graph.Node
		config.Forward(store.Scope("/model"), pixels, func(tap string, x *graph.Node) {
			if out == nil && strings.HasPrefix(tap, name+".") && in == nil {
				in = last
			}
			if tap == name {
				out = x
			}
			if !strings.Contains(tap, ".conv") && !strings.Contains(tap, ".bn") {
				last = x
			}
		})
		if in == nil || out == nil {
			panic(fmt.Errorf("%s has no block %q", config.Name, name))
		}
		return graph.ReduceAllMax(graph.Abs(difference(blockScope(store, name), in, out)))
	})
	if err != nil {
		return 0, fmt.Errorf("compare block %s: %w", name, err)
	}
	return float64(tensors.ToScalar[float32](largest)), nil
}

// scatterNorms gives every γ a random value around 1 and every β one around 0. Initially all
// are equal, which would hide a γ or β used in the wrong place.
func scatterNorms(backend compute.Backend, store *model.Store) error {
	for variable := range store.Scope("/model").IterVariables() {
		var centre float64
		switch {
		case variable.Shape().Rank() != 1:
			continue
		case variable.Name() == "weight":
			centre = 1
		case variable.Name() != "bias":
			continue
		}
		value, err := model.CallOnce(backend, store, func(_ *model.Scope, g *graph.Graph) *graph.Node {
			return graph.AddScalar(graph.MulScalar(store.RandomNormal(g, variable.Shape()), 0.2), centre)
		})
		if err != nil {
			return err
		}
		if err := variable.SetValue(value); err != nil {
			return err
		}
	}
	return nil
}
