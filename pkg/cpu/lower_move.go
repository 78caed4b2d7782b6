package cpu

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
)

// moves is how a tensor is put together of others, of any type of whole bytes: transposed,
// cut out, turned round, repeated, one behind the other, or with something around it.
type moves struct {
	// filled says that the last input, a scalar, is everywhere where nothing else is.
	filled bool
	copies []strided
	// reversed has the axes that are turned round, if that is all there is to it.
	reversed []int
}

// strided copies a box of elements.
type strided struct {
	input    int
	fromAt   int // the first element
	toAt     int
	sizes    []int
	from, to []int // strides
}

// movable reports whether tensors of the shape are moved here.
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

// move lowers the operations that only move.
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

// whole copies all of a tensor of the given shape.
func whole(shape shapes.Shape, to []int) strided {
	return strided{sizes: slices.Clone(shape.Dimensions), from: strides(shape), to: slices.Clone(to)}
}

// transpose puts x's axis order[i] in place i.
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

// pad puts fill before, after and between the elements of x; a negative number of them cuts
// elements away.
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
		if p.Start < 0 { // elements i with i·step + Start ≥ 0
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

// repeat is a broadcast in memory.
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
