package cpu

import "github.com/gomlx/compute/shapes"

// partition is a tensor's shape seen as [outer, middle, inner], of which a reduction reduces the
// middle axis.
type partition struct{ outer, middle, inner int }

// reduce reduces x over the axes, or over all axes if there are none.
func (g *graph) reduce(op opcode, x *tensor, axes []int, shape shapes.Shape) *tensor {
	dims := x.shape.Dimensions
	if len(axes) == 0 {
		axes = make([]int, len(dims))
		for i := range axes {
			axes[i] = i
		}
	}
	reduced := make([]bool, len(dims))
	for _, axis := range axes {
		reduced[axis] = dims[axis] != 1
	}
	// Axes of size 1 do not matter. The reduced axes must be adjacent.
	first, last := -1, -1
	for i := range dims {
		if reduced[i] {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	if first < 0 {
		return g.reshape(x, shape.Dimensions...)
	}
	for i := first; i <= last; i++ {
		if !reduced[i] && dims[i] != 1 {
			return g.reduceScattered(op, x, reduced, shape)
		}
	}
	p := partition{1, 1, 1}
	for i, d := range dims {
		switch {
		case i < first:
			p.outer *= d
		case i <= last:
			p.middle *= d
		default:
			p.inner *= d
		}
	}
	return g.make(kindReduce, op, shape, p, x)
}

// reduceScattered reduces axes that are not adjacent: it transposes them to the end first.
func (g *graph) reduceScattered(op opcode, x *tensor, reduced []bool, shape shapes.Shape) *tensor {
	var order, tail []int
	for i := range reduced {
		if reduced[i] {
			tail = append(tail, i)
		} else {
			order = append(order, i)
		}
	}
	x = g.transpose(x, append(order, tail...))
	axes := make([]int, len(tail))
	for i := range axes {
		axes[i] = len(order) + i
	}
	return g.reduce(op, x, axes, shape)
}
