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

// Resident yields the same batches as a [Batches], byte for byte, but makes them on the device.
// All images are kept there as bytes, in variables of a store, together with the order of the
// epoch. The graph gathers a batch from them and draws the random numbers of the augmentation.
// The host sends only the order, once per epoch, and eight bytes per batch and device: the epoch
// and the position in the order.
//
// Resident implements GoMLX's train.Dataset. Its batches have no labels and one input, int32
// [2·shares]; their Spec is the number of images in each share. [Resident.Load] turns them into
// images and labels.
type Resident struct {
	batches               *Batches
	shares                int
	pixels, labels, order *model.Variable
}

// Resident puts the images into variables of the store, under a path that nothing else uses.
// shares is the number of devices that split each batch. Batches that cannot be split into equal
// shares are an error.
func (b *Batches) Resident(store *model.Store, path string, shares int) (*Resident, error) {
	for _, size := range []int{min(b.options.BatchSize, b.images.Len()), b.lastBatch()} {
		if size%shares != 0 {
			return nil, fmt.Errorf("%s: a batch of %d images cannot be split equally between %d devices; change the batch size or the number of images, or drop the last batch",
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

// lastBatch returns the size of the last batch of an epoch.
func (b *Batches) lastBatch() int {
	if rest := b.images.Len() % b.options.BatchSize; rest != 0 && !b.options.DropLast {
		return rest
	}
	return b.options.BatchSize
}

// Name returns the name of the images.
func (r *Resident) Name() string { return r.batches.Name() }

// Iter yields the batches from FirstStep on, to the end of the last epoch. It sends the order of
// an epoch to the device before the first batch.
func (r *Resident) Iter() iter.Seq2[train.Batch, error] {
	return func(yield func(train.Batch, error) bool) {
		b := r.batches
		for epoch, step := -1, b.options.FirstStep; b.options.Epochs == 0 || step < b.options.Epochs*b.StepsPerEpoch(); step++ {
			at, from, end := b.place(step)
			if at != epoch {
				epoch = at
				if err := r.setOrder(epoch); err != nil {
					yield(train.Batch{}, err)
					return
				}
			}
			share := (end - from) / r.shares
			input := make([]int32, 0, 2*r.shares)
			for i := range r.shares {
				input = append(input, int32(epoch), int32(from+i*share))
			}
			if !yield(train.Batch{Inputs: []*tensors.Tensor{tensors.FromFlatDataAndDimensions(input, len(input))}, Spec: share}, nil) {
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

// Load builds the graph that makes a batch: it returns the images, bytes
// [n, height, width, 3], and their labels, int32 [n, 1]. input is the input of the batch or,
// with several devices, this device's share of it, int32 [2]; n is the Spec of the batch.
//
// It panics if input has a different shape, as graph-building functions do.
func (r *Resident) Load(input *graph.Node, n int) (pixels, labels *graph.Node) {
	input.AssertDims(2)
	g := input.Graph()
	value := func(i int) *graph.Node {
		return graph.Reshape(graph.Slice(input, graph.AxisElem(i)))
	}
	epoch, from := value(0), value(1)
	place := graph.Add(graph.Iota(g, shapes.Make(dtypes.Int32, n, 1), 0), from)
	index := graph.Gather(r.order.NodeValue(g), place)
	labels = graph.ExpandAxes(graph.Gather(r.labels.NodeValue(g), graph.ExpandAxes(index, -1)), -1)
	if a := r.batches.options.Augment; a != (Augment{}) {
		return r.augment(epoch, index), labels
	}
	return graph.Gather(r.pixels.NodeValue(g), graph.ExpandAxes(index, -1)), labels
}
