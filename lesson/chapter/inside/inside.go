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

// row returns the elements of t at index i of its first axis.
func row(t statedict.Tensor, i int) []float32 {
	size := len(t.Data) / t.Shape[0]
	return t.Data[i*size : (i+1)*size]
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
