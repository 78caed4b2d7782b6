package degradation

import (
	"errors"
	"fmt"
	"math"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/probe"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/run"
)

// Start is one of the ways in which a network can be built and initialised, to compare the
// gradients with which its training would start.
type Start struct {
	// Shortcuts and Norms say whether the network has shortcuts and batch norms.
	Shortcuts, Norms bool
	// Small divides all initial weights of convolutions by √2: their variance is then 1/fan-out, that of
	// Glorot and Bengio (2010) for layers with as many inputs as outputs, instead of 2/fan-out, that
	// of He et al. (2015), which makes up for the half of the values that a ReLU cuts off.
	Small bool
}

// Starts returns the six ways to start that the notebook compares: without shortcuts and with, each
// without batch norms and small weights, without batch norms, and with batch norms. (In front of a
// batch norm, the size of the weights makes no difference to the output.)
func Starts() []Start {
	var all []Start
	for _, shortcuts := range []bool{false, true} {
		all = append(all, Start{Shortcuts: shortcuts, Small: true}, Start{Shortcuts: shortcuts}, Start{Shortcuts: shortcuts, Norms: true})
	}
	return all
}

// String returns a name such as "plain, no norms, small weights".
func (s Start) String() string {
	name, norms := "plain", ", batch norms"
	if s.Shortcuts {
		name = "residual"
	}
	if !s.Norms {
		norms = ", no norms"
	}
	if s.Small {
		norms += ", small weights"
	}
	return name + norms
}

// style is that of the course for the network, thin without batch norms, and dotted with small weights.
func (s Start) style() figure.Style {
	family := figure.Plain
	if s.Shortcuts {
		family = figure.Residual
	}
	style := figure.NetworkStyle(family, figure.Deep)
	style.Thin = !s.Norms
	if s.Small {
		style.Dash = figure.Dotted
	}
	return style
}

// Gradients are the norms of the gradient at the start of a training.
type Gradients struct {
	Start Start
	// Norms has the norm at each convolution and at the linear layer, from the images to the logits.
	Norms []probe.Norm
}

// Ratio returns the norm at the first convolution as a multiple of the norm at the last.
func (g Gradients) Ratio() float64 { return g.Norms[0].Value / g.Norms[len(g.Norms)-2].Value }

// GradientsAtStart measures the gradient of a new network of the given depth, with the experiment's
// width, stem and seed, on the first batch of the images.
func (e Experiment) GradientsAtStart(backend compute.Backend, images *dataset.Images, depth int, start Start) (Gradients, error) {
	norms, err := e.normsAtStart(backend, images, depth, start)
	if err != nil {
		return Gradients{}, fmt.Errorf("%d layers, %s: %w", depth, start, err)
	}
	return Gradients{start, norms}, nil
}

func (e Experiment) normsAtStart(backend compute.Backend, images *dataset.Images, depth int, start Start) ([]probe.Norm, error) {
	config, err := resnet.CIFAR(depth, e.Width)
	if err != nil {
		return nil, err
	}
	config.Stem, config.Classes, config.Plain = e.Stem, len(images.Classes), !start.Shortcuts
	store := model.NewStore()
	defer store.Finalize()
	scope := store.Scope(run.ModelPath)
	if err := errors.Join(store.SetRNGStateFromSeed(int64(e.Recipe.Seed)), config.Declare(scope)); err != nil {
		return nil, err
	}
	if err := store.InitializeVariables(backend, nil); err != nil {
		return nil, err
	}
	if start.Small {
		for variable := range scope.IterVariables() {
			if variable.Shape().Rank() != 4 {
				continue
			}
			value, err := variable.Value()
			if err != nil {
				return nil, err
			}
			if err := tensors.MutableFlatData(value, func(flat []float32) {
				for i := range flat {
					flat[i] /= math.Sqrt2
				}
			}); err != nil {
				return nil, err
			}
		}
	}
	r := e.Recipe
	r.Model = config
	// A new batch norm that uses its running mean of 0 and its running variance of 1 passes its input
	// on, up to a factor of 0.999995: that is a network without batch norms.
	r.FreezeNorms = !start.Norms
	return probe.GradientNorms(backend, store, run.ModelPath, r, images.First(r.BatchSize))
}

// StartFigure draws the gradient of every layer before the first step, for networks of one depth.
func StartFigure(all []Gradients, caption string) (*figure.Figure, error) {
	var layers []string
	var series []figure.Curve
	for _, g := range all {
		layers = nil
		curve := figure.Curve{Name: g.Start.String(), Style: g.Start.style()}
		for _, norm := range g.Norms {
			layers = append(layers, norm.Layer)
			curve.Y = append(curve.Y, norm.Value)
		}
		series = append(series, curve)
	}
	return figure.GradientNorms("Gradient before the first step, with and without batch norms and shortcuts",
		layers, series, figure.Caption(caption))
}
