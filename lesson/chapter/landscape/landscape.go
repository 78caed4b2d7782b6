// Package landscape is the code of notebook 8, The landscape: a map of the loss around a
// trained network (Li et al. 2018, "Visualizing the Loss Landscape of Neural Nets",
// https://arxiv.org/abs/1712.09913). It measures the loss at the weights θ + a·δ + b·η for a
// grid of a and b. δ and η are two random directions in which every filter has the norm of
// the corresponding filter of θ.
package landscape

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"math/rand/v2"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/nn"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/run"
	"github.com/residual-go/residual/pkg/statedict"
)

// Weights is a network's state dict: its tensors by name, in PyTorch's layouts. In these, the
// weights of one filter of a convolution, or of one output of a linear layer, are contiguous.
type Weights = map[string]statedict.Tensor

// Direction returns a random direction for the weights: Gaussian values, scaled so that every
// filter, and the weights of every output of the linear layer, has the same Euclidean norm as
// in weights. As in Li et al., the direction is 0 for batch norms and biases; they are left
// out of the result. The same seed gives the same direction.
func Direction(weights Weights, seed uint64) Weights {
	direction := Weights{}
	for key, tensor := range weights {
		if len(tensor.Shape) < 2 {
			continue
		}
		// A random generator for each tensor makes the values independent of the map's order.
		name := fnv.New64a()
		name.Write([]byte(key))
		random := rand.New(rand.NewPCG(seed, name.Sum64()))
		moved := make([]float32, len(tensor.Data))
		for i := range moved {
			moved[i] = float32(random.NormFloat64())
		}
		filter := len(moved) / tensor.Shape[0]
		for from := 0; from < len(moved); from += filter {
			scale := norm(tensor.Data[from:from+filter]) / norm(moved[from:from+filter])
			for i := from; i < from+filter; i++ {
				moved[i] *= float32(scale)
			}
		}
		direction[key] = statedict.Tensor{Shape: tensor.Shape, Data: moved}
	}
	return direction
}

func norm(xs []float32) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}

// Move returns weights + a·along + b·across, where along and across come from [Direction].
func Move(weights, along, across Weights, a, b float64) Weights {
	moved := maps.Clone(weights)
	for key, tensor := range along {
		data := make([]float32, len(tensor.Data))
		for i, w := range weights[key].Data {
			data[i] = w + float32(a)*tensor.Data[i] + float32(b)*across[key].Data[i]
		}
		moved[key] = statedict.Tensor{Shape: tensor.Shape, Data: data}
	}
	return moved
}

// Grid describes the points at which the loss is measured.
type Grid struct {
	// Span is the range of a and b, which run from −Span to Span.
	Span float64
	// Points is the number of points along each axis. If it is odd, the centre of the grid is
	// the trained network.
	Points int
	// Seed determines the two directions.
	Seed uint64
	// Stored uses the batch norms' running statistics, as Li et al. do, instead of those of
	// the current images. The running statistics belong to the trained weights and are wrong
	// for moved ones. The loss then also rises for that reason, an effect training never sees.
	Stored bool
}

// At returns the values of a, which are also those of b.
func (g Grid) At() []float64 {
	at := make([]float64, g.Points)
	for i := range at {
		at[i] = g.Span * (2*float64(i)/float64(g.Points-1) - 1)
	}
	return at
}

// Surface is the loss over a grid.
type Surface struct {
	// At holds the values of a, which are also those of b.
	At []float64
	// Loss is indexed by b, then a: Loss[j][i] is the loss at θ + At[i]·δ + At[j]·η.
	Loss [][]float64
	// Centre is the loss at θ.
	Centre float64
}

// Surface measures the loss of the recipe's network at every point of the grid around weights,
// on all images as one batch. The loss is the cross-entropy, without the recipe's label
// smoothing and weight decay. Surface calls done, if it is not nil, after every point with the
// number of points measured so far and in total.
func (g Grid) Surface(ctx context.Context, backend compute.Backend, r recipe.Recipe, weights Weights, images *dataset.Images, done func(points, of int)) (*Surface, error) {
	if err := g.check(); err != nil {
		return nil, err
	}
	meter, err := newMeter(backend, r, images, !g.Stored)
	if err != nil {
		return nil, fmt.Errorf("surface of %s: %w", r.Model.Name, err)
	}
	defer meter.close()
	s := &Surface{At: g.At()}
	if s.Centre, err = meter.loss(weights); err != nil {
		return nil, fmt.Errorf("surface of %s: %w", r.Model.Name, err)
	}
	along, across := Direction(weights, 2*g.Seed), Direction(weights, 2*g.Seed+1)
	for j, b := range s.At {
		s.Loss = append(s.Loss, make([]float64, g.Points))
		for i, a := range s.At {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if s.Loss[j][i], err = meter.loss(Move(weights, along, across, a, b)); err != nil {
				return nil, fmt.Errorf("surface of %s: %w", r.Model.Name, err)
			}
			if done != nil {
				done(j*g.Points+i+1, g.Points*g.Points)
			}
		}
	}
	return s, nil
}

// Hollows returns the number of grid points, other than those at the edge, at which the loss is lower than
// at all eight neighbours. It is 1 for a bowl.
func (s *Surface) Hollows() int {
	hollows := 0
	for j := 1; j < len(s.At)-1; j++ {
		for i := 1; i < len(s.At)-1; i++ {
			lower := true
			for _, row := range s.Loss[j-1 : j+2] {
				for _, loss := range row[i-1 : i+2] {
					lower = lower && s.Loss[j][i] <= loss
				}
			}
			if lower {
				hollows++
			}
		}
	}
	return hollows
}

// Line is the loss along the first direction.
type Line struct {
	// At holds the values of a, and Loss the loss at θ + a·δ.
	At, Loss []float64
}

// Line is like Surface but measures only along the first direction, at b = 0, which takes much less time
// for the same number of points.
func (g Grid) Line(ctx context.Context, backend compute.Backend, r recipe.Recipe, weights Weights, images *dataset.Images) (*Line, error) {
	if err := g.check(); err != nil {
		return nil, err
	}
	meter, err := newMeter(backend, r, images, !g.Stored)
	if err != nil {
		return nil, fmt.Errorf("line of %s: %w", r.Model.Name, err)
	}
	defer meter.close()
	l := &Line{At: g.At()}
	along := Direction(weights, 2*g.Seed)
	for _, a := range l.At {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		loss, err := meter.loss(Move(weights, along, along, a, 0))
		if err != nil {
			return nil, fmt.Errorf("line of %s: %w", r.Model.Name, err)
		}
		l.Loss = append(l.Loss, loss)
	}
	return l, nil
}

// Bends returns how often the loss turns from falling to rising or back along the line, not counting turns of
// less than the given share of the loss there. It is 1 for a bowl.
func (l *Line) Bends(share float64) int {
	bends, direction, extreme := 0, 0, l.Loss[0]
	for _, loss := range l.Loss[1:] {
		up, down := loss > extreme*(1+share), loss < extreme*(1-share)
		switch {
		case direction == 0 && (up || down), direction > 0 && down, direction < 0 && up:
			if direction != 0 {
				bends++
			}
			direction = 1
			if down {
				direction = -1
			}
			extreme = loss
		case direction > 0 && loss > extreme, direction < 0 && loss < extreme:
			extreme = loss
		}
	}
	return bends
}

func (g Grid) check() error {
	if g.Points < 2 || !(g.Span > 0) {
		return fmt.Errorf("grid of %d points over ±%g: want at least 2 points and a span above 0", g.Points, g.Span)
	}
	return nil
}

// Lowest returns the grid point with the lowest loss, and that loss.
func (s *Surface) Lowest() (a, b, loss float64) {
	loss = math.Inf(1)
	for j, row := range s.Loss {
		for i, value := range row {
			if value < loss {
				a, b, loss = s.At[i], s.At[j], value
			}
		}
	}
	return a, b, loss
}

// Rim returns the mean loss over the grid points whose distance from the centre differs from
// distance by less than half a grid step.
func (s *Surface) Rim(distance float64) float64 {
	half := (s.At[1] - s.At[0]) / 2
	sum, points := 0.0, 0
	for j, row := range s.Loss {
		for i, value := range row {
			if math.Abs(math.Hypot(s.At[i], s.At[j])-distance) < half {
				sum += value
				points++
			}
		}
	}
	return sum / float64(points)
}

// meter measures the loss of one network for different weights.
type meter struct {
	store          *model.Store
	exec           *model.Exec
	pixels, labels *tensors.Tensor
}

func newMeter(backend compute.Backend, r recipe.Recipe, images *dataset.Images, batchStatistics bool) (*meter, error) {
	if images.Len() == 0 {
		return nil, fmt.Errorf("%s has no images", images.Name)
	}
	store := model.NewStore()
	if err := r.Model.Declare(store.Scope(run.ModelPath)); err != nil {
		return nil, err
	}
	exec, err := model.NewExec(backend, store, func(_ *model.Scope, pixels, labels *graph.Node) *graph.Node {
		// In training mode, batch norms use the statistics of the batch. They also update the
		// running ones, which does no harm: every measurement sets them again.
		store.SetTraining(pixels.Graph(), batchStatistics)
		logits := r.Model.Forward(store.Scope(run.ModelPath), r.Normalization.Apply(pixels))
		return nn.CrossEntropy(0)([]*graph.Node{labels}, []*graph.Node{logits})
	})
	if err != nil {
		return nil, err
	}
	return &meter{store, exec,
		tensors.FromFlatDataAndDimensions(images.Pixels, images.Len(), images.Height, images.Width, 3),
		tensors.FromFlatDataAndDimensions(images.Labels, images.Len(), 1)}, nil
}

func (m *meter) loss(weights Weights) (float64, error) {
	if err := statedict.ToScope(m.store.Scope(run.ModelPath), weights); err != nil {
		return 0, err
	}
	output, err := m.exec.Call1(m.pixels, m.labels)
	if err != nil {
		return 0, err
	}
	defer output.FinalizeAll()
	loss, err := tensors.CopyFlatData[float32](output)
	if err != nil {
		return 0, err
	}
	return float64(loss[0]), nil
}

func (m *meter) close() {
	m.exec.Finalize()
	m.store.Finalize()
}
