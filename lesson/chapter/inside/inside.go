// Package inside is the code of notebook 7, Looking inside: the filters of a trained
// network's first layer, the feature maps after its stages, the places in an image that
// speak for a class (class activation maps, Zhou et al. 2016), and the effect of removing
// blocks (Veit et al. 2016).
package inside

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/probe"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/run"
	"github.com/residual-go/residual/pkg/statedict"
	"github.com/residual-go/residual/pkg/weights"
)

// Weights is a network's state dict: its tensors by name, in PyTorch's layouts.
type Weights = map[string]statedict.Tensor

// evaluationBatch is the batch size of evaluations.
const evaluationBatch = 250

// Network is a trained network to look into. It has its own copy of the weights it was opened
// with. It must not be used by several goroutines at once.
type Network struct {
	recipe  recipe.Recipe
	backend compute.Backend
	store   *model.Store
	whole   Weights // those of the network without lesions
	infer   *infer.Network
}

// Open returns the recipe's network with a copy of the weights at [run.ModelPath] in trained.
func Open(backend compute.Backend, trained *model.Store, r recipe.Recipe) (*Network, error) {
	whole, err := statedict.FromScope(trained.Scope(run.ModelPath))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", r.Model.Name, err)
	}
	store := model.NewStore()
	if err := r.Model.Declare(store.Scope(run.ModelPath)); err != nil {
		return nil, fmt.Errorf("open %s: %w", r.Model.Name, err)
	}
	n := &Network{recipe: r, backend: backend, store: store, whole: whole}
	if err := n.set(whole); err != nil {
		return nil, fmt.Errorf("open %s: %w", r.Model.Name, err)
	}
	if n.infer, err = infer.New(backend, store, run.ModelPath, r.Model, r.Normalization); err != nil {
		return nil, err
	}
	return n, nil
}

// FromModel returns the network of m with a copy of its weights.
func FromModel(backend compute.Backend, m *weights.Model) (*Network, error) {
	store := model.NewStore()
	defer store.Finalize()
	if err := m.Restore(store, run.ModelPath); err != nil {
		return nil, fmt.Errorf("open %s: %w", m.Config.Name, err)
	}
	return Open(backend, store, recipe.Recipe{Model: m.Config, Normalization: m.Normalization})
}

// Close frees the network's resources.
func (n *Network) Close() {
	n.infer.Finalize()
	n.store.Finalize()
}

func (n *Network) set(weights Weights) error {
	return statedict.ToScope(n.store.Scope(run.ModelPath), weights)
}

// Evaluate tests the network on images, with the named blocks removed for this call as
// described for [Without].
func (n *Network) Evaluate(ctx context.Context, images *dataset.Images, without ...string) (*infer.Result, error) {
	weights, err := Without(n.recipe.Model, n.whole, without...)
	if err != nil {
		return nil, err
	}
	if err := n.set(weights); err != nil {
		return nil, err
	}
	result, err := n.infer.Evaluate(ctx, images, evaluationBatch, nil)
	return result, errors.Join(err, n.set(n.whole))
}

// Outcome has the indices of the images that a network gets right and of those that it gets wrong.
type Outcome struct{ Right, Wrong []int }

// Sort tests the network on images and sorts them by the outcome.
func (n *Network) Sort(ctx context.Context, images *dataset.Images) (*Outcome, error) {
	result, err := n.Evaluate(ctx, images)
	if err != nil {
		return nil, err
	}
	var o Outcome
	for i, guess := range result.Guesses {
		if guess == int(images.Labels[i]) {
			o.Right = append(o.Right, i)
		} else {
			o.Wrong = append(o.Wrong, i)
		}
	}
	return &o, nil
}

// Outputs returns the outputs of the named layers for images. The names are those of
// [resnet.Tap].
func (n *Network) Outputs(images *dataset.Images, layers ...string) ([]probe.Output, error) {
	return probe.Outputs(n.backend, n.store, run.ModelPath, n.recipe, images, layers...)
}

// Filters returns the filters of the first layer as small colour images. A filter has a weight
// for red, green and blue at each position. A weight of 0 is drawn as mid-grey, and the
// filter's largest absolute weight at full intensity, so that every filter is visible
// whatever its scale.
func (n *Network) Filters() []figure.Tile {
	weight := n.whole["conv1.weight"] // [out, red green blue, height, width]
	height, width := weight.Shape[2], weight.Shape[3]
	tiles := make([]figure.Tile, weight.Shape[0])
	for i := range tiles {
		filter := row(weight, i)
		largest := math.SmallestNonzeroFloat64
		for _, w := range filter {
			largest = max(largest, math.Abs(float64(w)))
		}
		tile := figure.Tile{Height: height, Width: width, Pixels: make([]byte, len(filter)), Caption: fmt.Sprint(i)}
		for place := range height * width {
			for colour := range 3 {
				w := float64(filter[colour*height*width+place])
				tile.Pixels[place*3+colour] = byte(math.Round(127.5 + 127.5*w/largest))
			}
		}
		tiles[i] = tile
	}
	return tiles
}

// Parts says what kind of pattern a filter of the first layer is, in shares of its energy, the sum
// of the squares of its weights.
type Parts struct {
	// Grey is the share of what is the same for red, green and blue; the rest compares colours.
	Grey float64
	// Flat is the share of what is the same at every position; the rest compares positions.
	Flat float64
}

// Parts returns the parts of the filters of the first layer; NaN for a filter without weights.
func (n *Network) Parts() []Parts {
	weight := n.whole["conv1.weight"] // [out, red green blue, height, width]
	area := weight.Shape[2] * weight.Shape[3]
	parts := make([]Parts, weight.Shape[0])
	for i := range parts {
		filter := row(weight, i)
		var energy, grey, flat float64
		for place := range area {
			mean := 0.0
			for colour := range 3 {
				w := float64(filter[colour*area+place])
				energy += w * w
				mean += w / 3
			}
			grey += 3 * mean * mean
		}
		for colour := range 3 {
			mean := 0.0
			for _, w := range filter[colour*area : (colour+1)*area] {
				mean += float64(w) / float64(area)
			}
			flat += float64(area) * mean * mean
		}
		parts[i] = Parts{Grey: grey / energy, Flat: flat / energy}
	}
	return parts
}

// row returns the elements of t at index i of its first axis.
func row(t statedict.Tensor, i int) []float32 {
	size := len(t.Data) / t.Shape[0]
	return t.Data[i*size : (i+1)*size]
}

// Shares returns the values as shares of the highest, which stay 0 if none is positive.
func Shares(values []float64) []float64 {
	highest := math.SmallestNonzeroFloat64
	for _, value := range values {
		highest = max(highest, value)
	}
	shares := make([]float64, len(values))
	for i, value := range values {
		shares[i] = value / highest
	}
	return shares
}

// Strongest returns the indices of the channels with the highest mean in one image's maps,
// at most the given number of them, with the strongest first.
func Strongest(output probe.Output, image, channels int) []int {
	strength := map[int]float64{}
	for channel := range output.Shape[3] {
		for _, value := range output.Map(image, channel) {
			strength[channel] += value
		}
	}
	order := slices.SortedFunc(maps.Keys(strength), func(a, b int) int {
		switch {
		case strength[a] > strength[b]:
			return -1
		case strength[a] < strength[b]:
			return 1
		}
		return a - b
	})
	return order[:min(channels, len(order))]
}
