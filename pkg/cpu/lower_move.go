package cpu

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
)

// moves describes how a tensor is assembled from its inputs by strided copies: transposed,
// sliced, reversed, repeated, concatenated or padded. Its type may be any whose size is 1, 2, 4
// or 8 bytes.
type moves struct {
	// filled is set if the last input, a scalar, fills the elements that no copy writes.
	filled bool
	copies []strided
	// reversed lists the reversed axes if this is a reversal and nothing else.
	reversed []int
}

// strided copies a box of elements.
type strided struct {
	input    int
	fromAt   int // the first element in the input
	toAt     int // and in the output
	sizes    []int
	from, to []int // strides
}

// movable reports whether tensors of the shape's type can be moved natively.
func movable(shape shapes.Shape) bool {
	if shape.DType.IsPacked() {
		return false
	}
	switch shape.DType.Size() {
	case 1, 2, 4, 8:
		return true
	}
	return false
}

// move lowers the operations that only move elements.
func (g *graph) move(n *node, in []*tensor, shape shapes.Shape) *tensor {
	x := in[0]
	switch n.op {
	case compute.OpTypeTranspose:
		return g.transpose(x, n.attributes.(transposition).axes)
	case compute.OpTypeReverse:
		axes := n.attributes.(reversal).axes
		c := whole(x.shape, strides(shape))
		c.from = slices.Clone(c.from)
		for _, axis := range axes {
			c.fromAt += (x.shape.Dimensions[axis] - 1) * c.from[axis]
			c.from[axis] = -c.from[axis]
		}
		return g.make(kindMove, 0, shape, &moves{copies: []strided{c}, reversed: axes}, x)
	case compute.OpTypeSlice:
		s := n.attributes.(slicing)
		c := whole(shape, strides(shape))
		own := strides(x.shape)
		for i := range own {
			step := valueOr(s.strides, i, 1)
			c.fromAt += s.starts[i] * own[i]
			c.from[i] = own[i] * step
		}
		return g.make(kindMove, 0, shape, &moves{copies: []strided{c}}, x)
	case compute.OpTypeConcatenate:
		if len(in) == 1 {
			return x
		}
		axis, to := n.attributes.(concatenation).axis, strides(shape)
		m := &moves{}
		at := 0
		for i, part := range in {
			c := whole(part.shape, to)
			c.input, c.toAt = i, at*to[axis]
			m.copies = append(m.copies, c)
			at += part.shape.Dimensions[axis]
		}
		return g.make(kindMove, 0, shape, m, in...)
	default:
		return g.pad(x, in[1], n.attributes.(padding).axes)
	}
}

// whole returns the copy of a whole tensor to an output with the strides to.
func whole(shape shapes.Shape, to []int) strided {
	return strided{sizes: slices.Clone(shape.Dimensions), from: strides(shape), to: slices.Clone(to)}
}

// transpose returns x with its axes in a different order: axis i of the result is axis order[i] of x.
func (g *graph) transpose(x *tensor, order []int) *tensor {
	dims, own := make([]int, len(order)), strides(x.shape)
	from := make([]int, len(order))
	still, last := true, -1
	for i, axis := range order {
		dims[i], from[i] = x.shape.Dimensions[axis], own[axis]
		if dims[i] != 1 {
			still = still && axis > last
			last = axis
		}
	}
	if still {
		return g.reshape(x, dims...)
	}
	shape := shapes.Make(x.shape.DType, dims...)
	c := strided{sizes: dims, from: from, to: strides(shape)}
	return g.make(kindMove, 0, shape, &moves{copies: []strided{c}}, x)
}

// pad puts the scalar fill before, after and between the elements of x. A negative number of
// elements before or after cuts off as many.
func (g *graph) pad(x, fill *tensor, pads []compute.PadAxis) *tensor {
	dims := slices.Clone(x.shape.Dimensions)
	for i, p := range pads {
		dims[i] += p.Start + p.End + max(0, dims[i]-1)*p.Interior
	}
	shape := shapes.Make(x.shape.DType, dims...)
	to := strides(shape)
	c := whole(x.shape, to)
	for i, p := range pads {
		step := 1 + p.Interior
		first := 0
		if p.Start < 0 { // the first element i with i·step + Start ≥ 0
			first = (-p.Start + step - 1) / step
		}
		last := x.shape.Dimensions[i] - 1
		if room := dims[i] - 1 - p.Start; room < last*step {
			last = room / step
			if room < 0 {
				last = -1
			}
		}
		c.sizes[i] = max(0, last-first+1)
		c.fromAt += first * c.from[i]
		c.toAt += (p.Start + first*step) * to[i]
		c.to[i] = to[i] * step
	}
	m := &moves{filled: true}
	if !slices.Contains(c.sizes, 0) {
		m.copies = []strided{c}
	}
	return g.make(kindMove, 0, shape, m, x, fill)
}

// repeat is broadcast for types that loops do not read: a copy in memory.
func (g *graph) repeat(x *tensor, shape shapes.Shape, place []int) *tensor {
	if !movable(shape) {
		panic("repeat: type " + shape.DType.String())
	}
	c := whole(shape, strides(shape))
	own := strides(x.shape)
	clear(c.from)
	for i, axis := range place {
		if x.shape.Dimensions[i] != 1 {
			c.from[axis] = own[i]
		}
	}
	return g.make(kindMove, 0, shape, &moves{copies: []strided{c}}, x)
}
