// Package inside looks into a trained network: at the filters of its first layer, at the
// maps between its stages, at where in an image it finds its classes (class activation
// maps, Zhou et al. 2016), and at what it does when blocks are taken out of it (Veit et
// al. 2016).
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

// Weights are all numbers of a network, by their names and in the layouts of PyTorch.
type Weights = map[string]statedict.Tensor

// evaluationBatch is how many images go through a network at once.
const evaluationBatch = 250

// Network is a trained network that can be looked into. It has weights of its own, a copy
// of those it was opened with. It is for one goroutine at a time.
type Network struct {
	recipe  recipe.Recipe
	backend compute.Backend
	store   *model.Store
	whole   Weights
	infer   *infer.Network
}

// Open returns the network that the recipe trained, with the weights that lie at
// [run.ModelPath] in trained, which stays as it is.
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

// Close frees what the network holds.
func (n *Network) Close() {
	n.infer.Finalize()
	n.store.Finalize()
}

func (n *Network) set(weights Weights) error {
	return statedict.ToScope(n.store.Scope(run.ModelPath), weights)
}

// Evaluate returns how the network does on images without the blocks of the given names,
// see [Without]. The next call has them back.
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

// Outputs returns what the layers of the given names, those of [resnet.Tap], give for
// images.
func (n *Network) Outputs(images *dataset.Images, layers ...string) ([]probe.Output, error) {
	return probe.Outputs(n.backend, n.store, run.ModelPath, n.recipe, images, layers...)
}

// Filters returns the filters of the first layer as small colour images. A filter has a
// weight for red, green and blue at each of its places: 0 is drawn as middle grey, and the
// filter's largest weight, up or down, as full colour, so that the shape of every filter
// shows, whatever its size.
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

// row returns the numbers of t that belong to index i of its first axis.
func row(t statedict.Tensor, i int) []float32 {
	size := len(t.Data) / t.Shape[0]
	return t.Data[i*size : (i+1)*size]
}

// Strongest returns the numbers of the channels of an image's maps that have the highest
// means, the strongest first, so many of them.
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
