package dataset

import (
	"math/rand/v2"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
)

// Augment is the random augmentation of training images.
type Augment struct {
	// Crop pads the image with that many black pixels on each side and then crops a random
	// part of the original size. He et al. 2015 use 4.
	Crop int `json:"crop,omitempty"`
	// Flip mirrors the image left to right half of the time.
	Flip bool `json:"flip,omitempty"`
	// Cutout blacks out a square with that many pixels on a side, centred on a random pixel
	// (DeVries and Taylor 2017).
	Cutout int `json:"cutout,omitempty"`
}

// augment writes the image with the given index to out, augmented for the epoch. Every image
// has its own random numbers, so that its augmentation does not depend on its neighbours.
func (b *Batches) augment(out, image []byte, epoch, index int) {
	a := b.options.Augment
	if a == (Augment{}) {
		copy(out, image)
		return
	}
	height, width := b.images.Height, b.images.Width
	random := rand.New(rand.NewPCG(b.options.Seed, augmentStream^uint64(epoch)<<32^uint64(index)))
	top, left := random.IntN(2*a.Crop+1)-a.Crop, random.IntN(2*a.Crop+1)-a.Crop
	flip := a.Flip && random.IntN(2) == 1
	centreY, centreX := random.IntN(height), random.IntN(width)
	for y := range height {
		for x := range width {
			fromY, fromX := y+top, x+left
			if flip {
				fromX = width - 1 - x + left
			}
			pixel := out[(y*width+x)*3:][:3]
			switch {
			case fromY < 0 || fromY >= height || fromX < 0 || fromX >= width,
				within(y-centreY, a.Cutout) && within(x-centreX, a.Cutout):
				clear(pixel)
			default:
				copy(pixel, image[(fromY*width+fromX)*3:])
			}
		}
	}
}

// within reports whether an offset from the centre is inside a square with the given side.
func within(offset, side int) bool {
	return -side/2 <= offset && offset < side-side/2
}

// augment is Batches.augment in a graph, for the images with the given indices, int32 [n]. Both
// draw the same random numbers and give the same bytes. Crop and flip take no passes of their
// own over the images: they are part of the indices by which the pixels are gathered.
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
		// x, or width−1−x where flip is 1.
		flip := draw(2)
		fromX = graph.Add(fromX, graph.Mul(flip, shift(graph.MulScalar(x, -2), width-1)))
	}
	centreY, centreX := draw(height), draw(width)

	all := []int{n, height, width}
	black := graph.LogicalOr(graph.BroadcastToDims(outside(fromY, 0, height), all...), graph.BroadcastToDims(outside(fromX, 0, width), all...))
	if a.Cutout > 0 {
		first, end := -a.Cutout/2, a.Cutout-a.Cutout/2 // as in within
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

// outside reports where x is below first, or end or above.
func outside(x *graph.Node, first, end int) *graph.Node {
	g := x.Graph()
	return graph.LogicalOr(graph.LessThan(x, graph.Const(g, int32(first))), graph.GreaterOrEqual(x, graph.Const(g, int32(end))))
}
