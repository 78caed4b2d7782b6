package nn

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/support/exceptions"
)

// Pad does what GoMLX's [graph.Pad] does, and has a gradient. It inserts fill, a scalar of x's
// dtype, before, after and between the elements along each axis. axes[i] applies to axis i; axes
// without an entry are not padded. A negative Start or End cuts elements off. Gradients flow to
// x, but not to fill, which is treated as a constant.
//
// Pad consists of concatenations and slices, which every backend can differentiate.
//
// [graph.Pad]: https://pkg.go.dev/github.com/gomlx/gomlx/core/graph#Pad
func Pad(x, fill *graph.Node, axes ...compute.PadAxis) *graph.Node {
	if len(axes) > x.Rank() {
		exceptions.Panicf("Pad: padding for %d axes, but x has shape %s", len(axes), x.Shape())
	}
	fill = graph.StopGradient(fill)
	for axis, pad := range axes {
		if pad.Interior < 0 {
			exceptions.Panicf("Pad: interior padding of %d on axis %d, want at least 0", pad.Interior, axis)
		}
		if size := x.Shape().Dim(axis); size+(size-1)*pad.Interior+pad.Start+pad.End <= 0 {
			exceptions.Panicf("Pad: (%d, %d) leaves nothing of axis %d of %s", pad.Start, pad.End, axis, x.Shape())
		}
		if pad.Interior > 0 {
			x = padBetween(x, fill, axis, pad.Interior)
		}
		parts := []*graph.Node{x}
		if pad.Start > 0 {
			parts = slices.Insert(parts, 0, filled(x, fill, axis, pad.Start))
		}
		if pad.End > 0 {
			parts = append(parts, filled(x, fill, axis, pad.End))
		}
		if len(parts) > 1 {
			x = graph.Concatenate(parts, axis)
		}
		if pad.Start < 0 || pad.End < 0 {
			x = graph.SliceAxis(x, axis, graph.AxisRange(max(0, -pad.Start), x.Shape().Dim(axis)-max(0, -pad.End)))
		}
	}
	return x
}

// filled returns a tensor of x's shape, but with n elements along axis, all equal to fill.
func filled(x, fill *graph.Node, axis, n int) *graph.Node {
	dims := slices.Clone(x.Shape().Dimensions)
	dims[axis] = n
	return graph.BroadcastToShape(fill, shapes.Make(x.DType(), dims...))
}

// padBetween inserts n fills between neighbours along axis: it puts n fills after every element,
// and then cuts off those after the last.
func padBetween(x, fill *graph.Node, axis, n int) *graph.Node {
	dims := slices.Clone(x.Shape().Dimensions)
	size := dims[axis]
	x = graph.ExpandAxes(x, axis+1)
	x = graph.Concatenate([]*graph.Node{x, filled(x, fill, axis+1, n)}, axis+1)
	dims[axis] = size * (n + 1)
	x = graph.Reshape(x, dims...)
	return graph.SliceAxis(x, axis, graph.AxisRange(0, dims[axis]-n))
}
