// Package transfer puts a trained network to another use: its last layer is replaced by a
// new one for other classes, and then only that layer is trained on the features of the
// others, which stay frozen, or all of it, which is fine-tuning. [Experiment] measures how
// many images of the new classes that takes, against a network that starts from nothing.
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

// Weights are all numbers of a network, by their names and in the layouts of PyTorch.
type Weights = map[string]statedict.Tensor

// headPrefix is what the names of the last layer's weights begin with. The rest is the body.
const headPrefix = "fc."

// evaluationBatch is how many images go through a network at once.
const evaluationBatch = 250

// Network is a network whose weights can be changed. It is for one goroutine at a time.
type Network struct {
	backend compute.Backend
	store   *model.Store
	recipe  recipe.Recipe
}

// New returns the recipe's network with random weights that the seed makes.
func New(backend compute.Backend, r recipe.Recipe, seed uint64) (*Network, error) {
	store := model.NewStore()
	if err := store.SetRNGStateFromSeed(int64(seed)); err != nil {
		return nil, fmt.Errorf("make %s: %w", r.Model.Name, err)
	}
	// All of them, in their order, before the first is initialised: a seed then always
	// gives the same weights.
	if err := r.Model.Declare(store.Scope(run.ModelPath)); err != nil {
		return nil, fmt.Errorf("make %s: %w", r.Model.Name, err)
	}
	if err := store.InitializeVariables(backend, nil); err != nil {
		return nil, fmt.Errorf("make %s: %w", r.Model.Name, err)
	}
	return &Network{backend: backend, store: store, recipe: r}, nil
}

// Load returns the network whose weights are in the file at path: a run's checkpoint, or
// any other that package weights reads.
func Load(backend compute.Backend, path string) (*Network, error) {
	file, err := weights.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m, _, err := file.Model(hub.Origin{}, "")
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

// Close frees what the network holds.
func (n *Network) Close() { n.store.Finalize() }

// Scope returns where the network's variables are.
func (n *Network) Scope() *model.Scope { return n.store.Scope(run.ModelPath) }

// Weights returns a copy of all the network's numbers, running statistics among them.
func (n *Network) Weights() (Weights, error) { return statedict.FromScope(n.Scope()) }

// WithNewHead returns a network with n's body and a new last layer of so many classes, at
// random by the seed. All its variables are trainable but the running statistics.
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

// WithHeadOf returns a network with n's body and other's last layer.
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

// FreezeBody keeps [Network.Train] from changing any weight but those of the last layer.
// It does not keep it from changing running statistics: see [Training.Evaluation].
func (n *Network) FreezeBody() {
	for variable := range n.Scope().IterVariables() {
		if name, _ := resnet.StateDictKey(n.Scope(), variable); !strings.HasPrefix(name, headPrefix) {
			variable.SetTrainable(false)
		}
	}
}

// Evaluate returns how the network does on images, with running statistics.
func (n *Network) Evaluate(ctx context.Context, images *dataset.Images) (*infer.Result, error) {
	network, err := infer.New(n.backend, n.store, run.ModelPath, n.recipe.Model, n.recipe.Normalization)
	if err != nil {
		return nil, err
	}
	defer network.Finalize()
	return network.Evaluate(ctx, images, evaluationBatch, nil)
}

// Changes returns the largest change of any number between two states of a network: of the
// body's weights, of its running statistics, and of the head.
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

// Split divides images by their classes: into those of the first so many and those of the
// others, whose labels then count from 0 again.
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
