package degradation

import (
	"fmt"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/probe"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/run"
)

// When is a time in a network's life.
type When bool

const (
	BeforeTraining When = false
	AfterTraining  When = true
)

// String returns "before" or "after".
func (w When) String() string {
	if w == AfterTraining {
		return "after"
	}
	return "before"
}

// SignalFigure draws, for the four networks, the variance of what leaves every block, by
// the block's place as a share of all blocks, measured on the first batch of images.
func (r *Result) SignalFigure(backend compute.Backend, images *dataset.Images, when When, caption string) (*figure.Figure, error) {
	var curves []figure.Curve
	for i, arm := range r.Arms {
		store, recipe, err := arm.weights(when)
		if err != nil {
			return nil, err
		}
		activations, err := probe.Activations(backend, store, run.ModelPath, recipe, images.First(recipe.Batch))
		store.Finalize()
		if err != nil {
			return nil, err
		}
		curve := figure.Curve{Name: arm.Network, Style: style(i)}
		for _, activation := range activations {
			if isBlock(activation.Name) {
				curve.Y = append(curve.Y, activation.Variance)
			}
		}
		for place := range curve.Y {
			curve.X = append(curve.X, float64(place+1)/float64(len(curve.Y)))
		}
		curves = append(curves, curve)
	}
	return figure.Curves(fmt.Sprintf("Variance of the signal behind every block, %s training", when),
		"place in the network, from the first block to the last", "variance", curves, figure.LogY(), figure.Caption(caption))
}

// isBlock reports whether a layer is a whole block, as layer2.0.
func isBlock(name string) bool {
	return strings.HasPrefix(name, "layer") && strings.Count(name, ".") == 1
}

// GradientFigure draws, for the four networks, the norm of the gradient at the weights of
// every layer, measured on the first batch of images.
func (r *Result) GradientFigure(backend compute.Backend, images *dataset.Images, when When, caption string) (*figure.Figure, error) {
	norms := make([][]probe.Norm, len(r.Arms))
	for i, arm := range r.Arms {
		store, recipe, err := arm.weights(when)
		if err != nil {
			return nil, err
		}
		norms[i], err = probe.GradientNorms(backend, store, run.ModelPath, recipe, images.First(recipe.Batch))
		store.Finalize()
		if err != nil {
			return nil, err
		}
	}
	return r.normsFigure(fmt.Sprintf("Gradient at every layer, %s training", when), caption, norms)
}

// weights returns a store with the arm's network, as it began or as it ended.
func (a Arm) weights(when When) (*model.Store, recipe.Recipe, error) {
	r, err := run.ReadRecipe(a.Dir)
	if err != nil {
		return nil, r, err
	}
	store := model.NewStore()
	if when == BeforeTraining {
		return store, r, store.SetRNGStateFromSeed(int64(r.Seed))
	}
	checkpoint, err := run.LoadCheckpoint(a.Weights)
	if err == nil {
		err = checkpoint.Restore(store)
	}
	return store, r, err
}
