package dataset

import (
	"fmt"
	"iter"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train"
)

// Resident yields the batches of a [Batches], the same images in the same order with the same
// crops, flips and cutouts, but has them made on the device. All images lie there as bytes, in
// variables of a store, and so does the order of the epoch; a batch is gathered from them in
// the graph, which draws the random numbers too. What comes from the host is the epoch and where
// a share of a batch begins, eight bytes, and once an epoch its order.
//
// It implements GoMLX's train.Dataset. Its batches have one input, int32 [2·shares], no labels,
// and as Spec the number of images of each share; [Resident.Load] turns them into images and
// labels.
type Resident struct {
	batches               *Batches
	shares                int
	pixels, labels, order *model.Variable
}

// Resident puts the images into variables under path of the store, which they share with
// nothing else. shares is the number of devices that each take their part of a batch, 1 for
// one device. A batch that cannot be shared out equally is an error.
func (b *Batches) Resident(store *model.Store, path string, shares int) (*Resident, error) {
	for _, size := range []int{min(b.options.BatchSize, b.images.Len()), b.lastBatch()} {
		if size%shares != 0 {
			return nil, fmt.Errorf("%s: a batch of %d images cannot be shared out to %d devices; change the batch or the subset, or drop the last batch",
				b.images.Name, size, shares)
		}
	}
	scope := store.Scope(path)
	keep := func(name string, value *tensors.Tensor) *model.Variable {
		return scope.VariableWithValue(name, value).SetTrainable(false)
	}
	n := b.images.Len()
	return &Resident{batches: b, shares: shares,
		pixels: keep("pixels", tensors.FromFlatDataAndDimensions(b.images.Pixels, n, b.images.Height, b.images.Width, 3)),
		labels: keep("labels", tensors.FromFlatDataAndDimensions(b.images.Labels, n)),
		order:  keep("order", tensors.FromShape(shapes.Make(dtypes.Int32, n))),
	}, nil
}

// lastBatch is the size of the last batch of an epoch.
func (b *Batches) lastBatch() int {
	if rest := b.images.Len() % b.options.BatchSize; rest != 0 && !b.options.DropLast {
		return rest
	}
	return b.options.BatchSize
}

// Name is that of the images.
func (r *Resident) Name() string { return r.batches.Name() }

// Iter walks over the batches from FirstStep on, for Epochs epochs. The order of an epoch is
// put on the device when its first batch is asked for.
func (r *Resident) Iter() iter.Seq2[train.Batch, error] {
	return func(yield func(train.Batch, error) bool) {
		b := r.batches
		for epoch, step := -1, b.options.FirstStep; b.options.Epochs == 0 || step < b.options.Epochs*b.StepsPerEpoch(); step++ {
			if at := step / b.StepsPerEpoch(); at != epoch {
				epoch = at
				if err := r.setOrder(epoch); err != nil {
					yield(train.Batch{}, err)
					return
				}
			}
			from := step % b.StepsPerEpoch() * b.options.BatchSize
			share := (min(from+b.options.BatchSize, b.images.Len()) - from) / r.shares
			at := make([]int32, 0, 2*r.shares)
			for i := range r.shares {
				at = append(at, int32(epoch), int32(from+i*share))
			}
			if !yield(train.Batch{Inputs: []*tensors.Tensor{tensors.FromFlatDataAndDimensions(at, len(at))}, Spec: share}, nil) {
				return
			}
		}
	}
}

func (r *Resident) setOrder(epoch int) error {
	order := make([]int32, r.batches.images.Len())
	for i, index := range r.batches.order(epoch) {
		order[i] = int32(index)
	}
	if err := r.order.SetValue(tensors.FromFlatDataAndDimensions(order, len(order))); err != nil {
		return fmt.Errorf("%s: set the order of epoch %d: %w", r.Name(), epoch+1, err)
	}
	return nil
}

// Load returns, in the graph of at, the images that a batch stands for: bytes
// [n, height, width, 3], and their labels, int32 [n, 1]. at is the batch's input, or this
// device's share of it, int32 [2], and n its Spec.
//
// As a graph-building function it panics on an at of another shape.
func (r *Resident) Load(at *graph.Node, n int) (pixels, labels *graph.Node) {
	at.AssertDims(2)
	g := at.Graph()
	number := func(i int) *graph.Node {
		return graph.Reshape(graph.Slice(at, graph.AxisElem(i)))
	}
	epoch, from := number(0), number(1)
	place := graph.Add(graph.Iota(g, shapes.Make(dtypes.Int32, n, 1), 0), from)
	index := graph.Gather(r.order.NodeValue(g), place)
	labels = graph.ExpandAxes(graph.Gather(r.labels.NodeValue(g), graph.ExpandAxes(index, -1)), -1)
	if a := r.batches.options.Augment; a != (Augment{}) {
		return r.augment(epoch, index), labels
	}
	return graph.Gather(r.pixels.NodeValue(g), graph.ExpandAxes(index, -1)), labels
}

// augment is Batches.augment for the images at the given indices, int32 [n], in a graph.
// Every pixel of the result is looked up where it comes from: crop and flip are no passes
// over the images, but part of the gathering.
func (r *Resident) augment(epoch, index *graph.Node) *graph.Node {
	a, g := r.batches.options.Augment, index.Graph()
	n, height, width := index.Shape().Dim(0), r.batches.images.Height, r.batches.images.Width

	stream := graph.BitwiseXor(graph.Const(g, uint64(augmentStream)), graph.BitwiseXor(
		graph.BitwiseShiftLeft(graph.ConvertDType(epoch, dtypes.Uint64), graph.Const(g, uint64(32))),
		graph.ConvertDType(index, dtypes.Uint64)))
	random := &pcg{graph.Add(graph.ZerosLike(stream), graph.Const(g, r.batches.options.Seed)), stream}
	draw := func(bound int) *graph.Node { return graph.Reshape(random.intN(bound), n, 1, 1) }
	shift := func(x *graph.Node, by int) *graph.Node { return graph.AddScalar(x, float64(by)) }

	top, left := shift(draw(2*a.Crop+1), -a.Crop), shift(draw(2*a.Crop+1), -a.Crop)
	y := graph.Iota(g, shapes.Make(dtypes.Int32, 1, height, 1), 1)
	x := graph.Iota(g, shapes.Make(dtypes.Int32, 1, 1, width), 2)
	fromY, fromX := graph.Add(y, top), graph.Add(x, left)
	if a.Flip {
		// x, or width−1−x where the number is 1.
		flip := draw(2)
		fromX = graph.Add(fromX, graph.Mul(flip, shift(graph.MulScalar(x, -2), width-1)))
	}
	centreY, centreX := draw(height), draw(width)

	all := []int{n, height, width}
	black := graph.LogicalOr(graph.BroadcastToDims(outside(fromY, 0, height), all...), graph.BroadcastToDims(outside(fromX, 0, width), all...))
	if a.Cutout > 0 {
		first, end := -a.Cutout/2, a.Cutout-a.Cutout/2 // as within
		black = graph.LogicalOr(black, graph.LogicalNot(graph.LogicalOr(
			graph.BroadcastToDims(outside(graph.Sub(y, centreY), first, end), all...),
			graph.BroadcastToDims(outside(graph.Sub(x, centreX), first, end), all...))))
	}
	place := func(x *graph.Node) *graph.Node {
		return graph.ExpandAxes(graph.BroadcastToDims(x, all...), -1)
	}
	clamp := func(x *graph.Node, end int) *graph.Node {
		return graph.Max(graph.Min(x, graph.Const(g, int32(end-1))), graph.Const(g, int32(0)))
	}
	from := graph.Concatenate([]*graph.Node{
		place(graph.Reshape(index, n, 1, 1)), place(clamp(fromY, height)), place(clamp(fromX, width)),
	}, -1)
	pixels := graph.Gather(r.pixels.NodeValue(g), from)
	return graph.Where(graph.BroadcastToDims(graph.ExpandAxes(black, -1), n, height, width, 3), graph.ZerosLike(pixels), pixels)
}

// outside reports where x is not in first … end−1.
func outside(x *graph.Node, first, end int) *graph.Node {
	g := x.Graph()
	return graph.LogicalOr(graph.LessThan(x, graph.Const(g, int32(first))), graph.GreaterOrEqual(x, graph.Const(g, int32(end))))
}
