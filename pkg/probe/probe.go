// Package probe looks inside a network as it processes one batch, without changing it: at the
// outputs of its layers, at their mean and variance, and at the norms of its gradients.
package probe

import (
	"fmt"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/nn"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/resnet"
)

// Norm is the Euclidean norm of the loss's gradient with respect to one weight.
type Norm struct {
	// Layer is the name of the layer with the weight: conv1, layer1.0.conv1, …, fc.
	Layer string
	Value float64
}

// GradientNorms returns the gradient norms of the convolutions and of the linear layer, in order
// from the images to the logits. The network is in training mode, and all images are one batch;
// frozen parts and, with the recipe's FreezeNorms, all batch norms use their running statistics.
// Projections in shortcuts are omitted, because they are not on the main path.
//
// The network's variables are those under path in the store. Variables that do not exist or have
// no values are created and initialised there, from the store's random state.
func GradientNorms(backend compute.Backend, store *model.Store, path string, r recipe.Recipe, images *dataset.Images) ([]Norm, error) {
	copied, err := initialized(backend, store, path, r)
	if err != nil {
		return nil, fmt.Errorf("gradient norms: %w", err)
	}
	defer copied.Finalize()

	var weights []*model.Variable
	var norms []Norm
	scope := copied.Scope(path)
	for variable := range scope.IterVariables() {
		key, _ := resnet.StateDictKey(scope, variable)
		if variable.Name() != "weight" || variable.Shape().Rank() < 2 || strings.Contains(key, ".downsample.") {
			continue
		}
		weights = append(weights, variable)
		norms = append(norms, Norm{Layer: strings.TrimSuffix(key, ".weight")})
	}
	values, err := model.CallOnce(backend, copied, func(_ *model.Scope, pixels, labels *graph.Node) *graph.Node {
		g := pixels.Graph()
		copied.SetTraining(g, true)
		logits := r.Model.ForwardTraining(copied.Scope(path), r.Normalization.Apply(pixels), r.Training())
		loss := nn.CrossEntropy(r.LabelSmoothing)([]*graph.Node{labels}, []*graph.Node{logits})
		nodes := make([]*graph.Node, len(weights))
		for i, weight := range weights {
			nodes[i] = weight.NodeValue(g)
		}
		gradients := graph.Gradient(loss, nodes...)
		for i, gradient := range gradients {
			gradients[i] = graph.Sqrt(graph.ReduceAllSum(graph.Square(gradient)))
		}
		return graph.Stack(gradients, 0)
	}, pixelsOf(images), tensors.FromFlatDataAndDimensions(images.Labels, images.Len(), 1))
	if err != nil {
		return nil, fmt.Errorf("gradient norms: %w", err)
	}
	flat, err := tensors.CopyFlatData[float32](values)
	if err != nil {
		return nil, fmt.Errorf("gradient norms: %w", err)
	}
	for i := range norms {
		norms[i].Value = float64(flat[i])
	}
	return norms, nil
}

// Activation summarises one value of the forward pass over a batch.
type Activation struct {
	// Name is the name that a [resnet.Tap] receives: conv1, bn1, relu, layer1.0.conv1, …
	Name string
	// Mean and Variance are over all elements: images, positions and channels.
	Mean, Variance float64
}

// Activations returns the mean and variance of each activation of the forward pass, each tensor
// that a [resnet.Tap] receives, in order. The network is in training mode, and all images are one
// batch: batch norms use its statistics, so the network need not have been trained. As in
// [GradientNorms], variables that do not exist or have no values are created and initialised.
func Activations(backend compute.Backend, store *model.Store, path string, r recipe.Recipe, images *dataset.Images) ([]Activation, error) {
	copied, err := initialized(backend, store, path, r)
	if err != nil {
		return nil, fmt.Errorf("activations: %w", err)
	}
	defer copied.Finalize()

	var found []Activation
	moments, err := model.CallOnce(backend, copied, func(_ *model.Scope, pixels *graph.Node) *graph.Node {
		copied.SetTraining(pixels.Graph(), true)
		found = nil
		var moments []*graph.Node
		r.Model.Forward(copied.Scope(path), r.Normalization.Apply(pixels), func(name string, x *graph.Node) {
			found = append(found, Activation{Name: name})
			mean := graph.ReduceAllMean(x)
			moments = append(moments, mean, graph.ReduceAllMean(graph.Square(graph.Sub(x, mean))))
		})
		return graph.Stack(moments, 0)
	}, pixelsOf(images))
	if err != nil {
		return nil, fmt.Errorf("activations: %w", err)
	}
	flat, err := tensors.CopyFlatData[float32](moments)
	if err != nil {
		return nil, fmt.Errorf("activations: %w", err)
	}
	for i := range found {
		found[i].Mean, found[i].Variance = float64(flat[2*i]), float64(flat[2*i+1])
	}
	return found, nil
}

// initialized initialises the network's variables if they have no values, and returns a copy of
// the store, because a forward pass in training mode changes the running statistics.
func initialized(backend compute.Backend, store *model.Store, path string, r recipe.Recipe) (*model.Store, error) {
	if store.Scope(path).NumVariables() == 0 {
		if err := r.Model.Declare(store.Scope(path)); err != nil {
			return nil, err
		}
	}
	if err := store.InitializeVariables(backend, nil); err != nil {
		return nil, err
	}
	return store.Clone()
}

// pixelsOf returns the images as a tensor, [images, height, width, 3].
func pixelsOf(images *dataset.Images) *tensors.Tensor {
	return tensors.FromFlatDataAndDimensions(images.Pixels, images.Len(), images.Height, images.Width, 3)
}
