// Package transfer is the code of notebook 6, Standing on others' weights: transfer learning.
// A trained network gets a new last layer, the head, for other classes. Then either only the
// head is trained, with the rest (the body) frozen, or the whole network is fine-tuned.
// [Experiment] measures how many images of the new classes each way needs, compared with
// training from scratch.
package transfer

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/hub"
	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/nn"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/run"
	"github.com/residual-go/residual/pkg/statedict"
	"github.com/residual-go/residual/pkg/weights"
)

// Weights is a network's state dict: its tensors by name, in PyTorch's layouts.
type Weights = map[string]statedict.Tensor

// headPrefix begins the names of the head's weights. All other weights are the body's.
const headPrefix = "fc."

// evaluationBatch is the batch size of evaluations.
const evaluationBatch = 250

// Network is a network with its weights. It must not be used by several goroutines at once.
type Network struct {
	backend compute.Backend
	store   *model.Store
	recipe  recipe.Recipe
}

// New returns the recipe's network with random weights, determined by the seed.
func New(backend compute.Backend, r recipe.Recipe, seed uint64) (*Network, error) {
	store := model.NewStore()
	if err := store.SetRNGStateFromSeed(int64(seed)); err != nil {
		return nil, fmt.Errorf("make %s: %w", r.Model.Name, err)
	}
	// Declaring all variables in order before initialising any makes the weights depend on
	// the seed alone.
	if err := r.Model.Declare(store.Scope(run.ModelPath)); err != nil {
		return nil, fmt.Errorf("make %s: %w", r.Model.Name, err)
	}
	if err := store.InitializeVariables(backend, nil); err != nil {
		return nil, fmt.Errorf("make %s: %w", r.Model.Name, err)
	}
	return &Network{backend: backend, store: store, recipe: r}, nil
}

// Load returns the network with the weights in the file at path, which may be a run's
// checkpoint or any other file that package weights reads.
func Load(backend compute.Backend, path string) (*Network, error) {
	file, err := weights.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m, err := file.Model(hub.Origin{}, "")
	if err != nil {
		return nil, err
	}
	return with(backend, recipe.Recipe{Model: m.Config, Normalization: m.Normalization}, m.Tensors)
}

// with returns the recipe's network with the given weights.
func with(backend compute.Backend, r recipe.Recipe, weights Weights) (*Network, error) {
	store := model.NewStore()
	scope := store.Scope(run.ModelPath)
	if err := r.Model.Declare(scope); err != nil {
		return nil, err
	}
	if err := statedict.ToScope(scope, weights); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Model.Name, err)
	}
	return &Network{backend: backend, store: store, recipe: r}, nil
}

// Close frees the network's resources.
func (n *Network) Close() { n.store.Finalize() }

// Scope returns the scope of the network's variables.
func (n *Network) Scope() *model.Scope { return n.store.Scope(run.ModelPath) }

// Weights returns a copy of the network's weights, including the running statistics.
func (n *Network) Weights() (Weights, error) { return statedict.FromScope(n.Scope()) }

// WithNewHead returns a network with n's body and a new head for the given number of classes,
// with random weights determined by the seed. All its variables are trainable except the
// running statistics.
func (n *Network) WithNewHead(classes int, seed uint64) (*Network, error) {
	r := n.recipe
	r.Model.Classes = classes
	fresh, err := New(n.backend, r, seed)
	if err != nil {
		return nil, err
	}
	defer fresh.Close()
	return n.WithHeadOf(fresh)
}

// WithHeadOf returns a network with n's body and other's head.
func (n *Network) WithHeadOf(other *Network) (*Network, error) {
	weights, err := n.Weights()
	if err != nil {
		return nil, err
	}
	theirs, err := other.Weights()
	if err != nil {
		return nil, err
	}
	for name, tensor := range theirs {
		if strings.HasPrefix(name, headPrefix) {
			weights[name] = tensor
		}
	}
	return with(n.backend, other.recipe, weights)
}

// FreezeBody makes all weights except the head's untrainable. [Network.Train] still updates
// the running statistics, unless [Training.Evaluation] is set.
func (n *Network) FreezeBody() {
	for variable := range n.Scope().IterVariables() {
		if name, _ := resnet.StateDictKey(n.Scope(), variable); !strings.HasPrefix(name, headPrefix) {
			variable.SetTrainable(false)
		}
	}
}

// Evaluate tests the network on images, with running statistics.
func (n *Network) Evaluate(ctx context.Context, images *dataset.Images) (*infer.Result, error) {
	network, err := infer.New(n.backend, n.store, run.ModelPath, n.recipe.Model, n.recipe.Normalization)
	if err != nil {
		return nil, err
	}
	defer network.Finalize()
	return network.Evaluate(ctx, images, evaluationBatch, nil)
}

// Changes returns the largest absolute difference between two states of a network in the
// body's weights, in its running statistics, and in the head.
func Changes(before, after Weights) (body, statistics, head float64) {
	for name, tensor := range before {
		largest := &body
		switch {
		case strings.HasPrefix(name, headPrefix):
			largest = &head
		case strings.HasSuffix(name, "."+nn.MeanName), strings.HasSuffix(name, "."+nn.VarianceName):
			largest = &statistics
		}
		for i, value := range tensor.Data {
			*largest = max(*largest, math.Abs(float64(after[name].Data[i])-float64(value)))
		}
	}
	return body, statistics, head
}

// Split divides images by class: into those of the first classes, as many as given, and the
// others, whose labels are renumbered from 0.
func Split(images *dataset.Images, classes int) (first, others *dataset.Images) {
	var indices [2][]int
	for i, label := range images.Labels {
		side := 0
		if int(label) >= classes {
			side = 1
		}
		indices[side] = append(indices[side], i)
	}
	first, others = images.Pick(indices[0]), images.Pick(indices[1])
	first.Classes, others.Classes = images.Classes[:classes], images.Classes[classes:]
	for i := range others.Labels {
		others.Labels[i] -= int32(classes)
	}
	first.Name = fmt.Sprintf("%s, the first %d classes", images.Name, classes)
	others.Name = fmt.Sprintf("%s, the last %d classes", images.Name, len(others.Classes))
	return first, others
}
