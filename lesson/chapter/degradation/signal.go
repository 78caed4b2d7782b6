package degradation

import (
	"fmt"
	"math"
	"strings"

	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/checkpoint"
	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/probe"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/run"
)

// When says whether a network is measured before or after its training.
type When bool

// The two times to measure at.
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

// SignalFigure draws the variance of the output of every block of the four networks, by the
// block's relative depth, measured on the first batch of the training images.
func (r *Result) SignalFigure(when When, caption string) (*figure.Figure, error) {
	var curves []figure.Curve
	for i, arm := range r.Arms {
		curve := figure.Curve{Name: arm.Network, Style: style(i)}
		err := arm.open(when, func(store *model.Store, recipe recipe.Recipe) error {
			activations, err := probe.Activations(r.backend, store, run.ModelPath, recipe, r.training.First(recipe.BatchSize))
			for _, activation := range activations {
				if isBlock(activation.Name) {
					curve.Y = append(curve.Y, activation.Variance)
				}
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		for place := range curve.Y {
			curve.X = append(curve.X, float64(place+1)/float64(len(curve.Y)))
		}
		curves = append(curves, curve)
	}
	return figure.Curves(fmt.Sprintf("Variance of the signal after every block, %s training", when),
		"place in the network, from the first block to the last", "variance", curves, figure.LogY(), figure.Caption(caption))
}

// isBlock reports whether the name is that of a whole block, such as layer2.0.
func isBlock(name string) bool {
	return strings.HasPrefix(name, "layer") && strings.Count(name, ".") == 1
}

// GradientFigure draws the norm of the gradient at the weights of every layer of the four
// networks, measured on the first batch of the training images.
func (r *Result) GradientFigure(when When, caption string) (*figure.Figure, error) {
	norms := make([][]probe.Norm, len(r.Arms))
	for i, arm := range r.Arms {
		err := arm.open(when, func(store *model.Store, recipe recipe.Recipe) (err error) {
			norms[i], err = probe.GradientNorms(r.backend, store, run.ModelPath, recipe, r.training.First(recipe.BatchSize))
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	var layers []string
	for _, norm := range norms[1] {
		layers = append(layers, norm.Layer)
	}
	var series []figure.Curve
	for i, arm := range r.Arms {
		curve := figure.Curve{Name: arm.Network, Style: style(i)}
		for place, norm := range norms[i] {
			curve.X = append(curve.X, float64(spread(place, len(norms[i]), len(layers))))
			curve.Y = append(curve.Y, norm.Value)
		}
		series = append(series, curve)
	}
	title := "Gradient of each layer before the first step"
	if when == AfterTraining {
		title = "Gradient of each layer after the last step"
	}
	return figure.GradientNorms(title, layers, series,
		figure.Caption(caption+"; the shallow networks' layers are spread over the deep ones'"))
}

// spread returns the layer of a deep network, from 1 to all, at the same relative depth as
// layer place, counted from 0, in a network with the given number of layers.
func spread(place, layers, all int) int {
	return 1 + int(math.Round(float64(place)/float64(layers-1)*float64(all-1)))
}

// open calls measure with a store that holds the arm's network, untrained or trained.
func (a Arm) open(when When, measure func(*model.Store, recipe.Recipe) error) error {
	r, err := run.ReadRecipe(a.Dir)
	if err != nil {
		return err
	}
	store := model.NewStore()
	defer store.Finalize()
	if when == BeforeTraining {
		err = store.SetRNGStateFromSeed(int64(r.Seed))
	} else {
		var trained *checkpoint.State
		if trained, err = checkpoint.Load(a.Weights); err == nil {
			err = trained.Restore(store, run.ModelPath)
		}
	}
	if err == nil {
		err = measure(store, r)
	}
	if err != nil {
		return fmt.Errorf("%s, %s training: %w", a.Network, when, err)
	}
	return nil
}
