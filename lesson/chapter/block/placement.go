package block

import (
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/nn"
)

// Placement is the place of the last ReLU in a residual block.
type Placement int

const (
	// ReLUAfter is ReLU(x + g(x)), the block of He et al. 2015.
	ReLUAfter Placement = iota
	// ReLUBefore is x + ReLU(g(x)), which can only add to x.
	ReLUBefore
	// ReLUNowhere is x + g(x), with the ReLUs before the convolutions of g: pre-activation
	// (He et al. 2016).
	ReLUNowhere
)

// Placements lists all placements.
var Placements = []Placement{ReLUAfter, ReLUBefore, ReLUNowhere}

// String describes the placement in words.
func (p Placement) String() string {
	return [...]string{"ReLU after the addition", "ReLU before the addition", "no ReLU on the path"}[p]
}

// SignalMeans returns the mean of the signal before the first block and after each block, in
// a stack of the given number of blocks. A block has two convolutions with batch norms and
// random weights. The input of the first, [batch, side, side, channels], is the ReLU of
// normal values.
func SignalMeans(backend compute.Backend, placement Placement, blocks int, seed int64) ([]float64, error) {
	store := model.NewStore()
	defer store.Finalize()
	if err := store.SetRNGStateFromSeed(seed); err != nil {
		return nil, fmt.Errorf("means: %w", err)
	}
	stacked, err := model.CallOnce(backend, store, func(scope *model.Scope, g *graph.Graph) *graph.Node {
		x := relu(store.RandomNormal(g, shapes.Make(dtypes.Float32, batch, side, side, channels)))
		means := []*graph.Node{graph.ReduceAllMean(x)}
		for block := range blocks {
			x = placement.join(scope.In("block%d", block), x)
			means = append(means, graph.ReduceAllMean(x))
		}
		return graph.Stack(means, 0)
	})
	if err != nil {
		return nil, fmt.Errorf("means: %w", err)
	}
	flat, err := tensors.CopyFlatData[float32](stacked)
	if err != nil {
		return nil, fmt.Errorf("means: %w", err)
	}
	means := make([]float64, len(flat))
	for i, mean := range flat {
		means[i] = float64(mean)
	}
	return means, nil
}

// join applies one block to x.
func (p Placement) join(scope *model.Scope, x *graph.Node) *graph.Node {
	y := x
	if p == ReLUNowhere {
		for _, name := range []string{"conv1", "conv2"} {
			y = convolve(scope.In("%s", name), relu(normalize(y)), channels)
		}
		return graph.Add(x, y)
	}
	y = relu(normalize(convolve(scope.In("conv1"), y, channels)))
	y = normalize(convolve(scope.In("conv2"), y, channels))
	if p == ReLUBefore {
		return graph.Add(x, relu(y))
	}
	return relu(graph.Add(x, y))
}

// normalize is an untrained batch norm: it gives each channel mean 0 and variance 1 over the
// batch and all positions.
func normalize(x *graph.Node) *graph.Node {
	centred := graph.Sub(x, graph.ReduceAndKeep(x, graph.ReduceMean, 0, 1, 2))
	variance := graph.ReduceAndKeep(graph.Square(centred), graph.ReduceMean, 0, 1, 2)
	return graph.Div(centred, graph.Sqrt(graph.AddScalar(variance, nn.Epsilon)))
}
