package cpu

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
)

// pooling is a window that moves over some axes; those after them, over which it does not,
// are taken together: they are computed side by side.
type pooling struct {
	kind    compute.ReduceOpType
	axes    []windowAxis
	inner   int // elements of the axes after the window's
	inSize  int
	outSize int
}

// windowAxis is one axis of a window.
type windowAxis struct {
	in, out, size, stride, padding int
	inS, outS                      int // strides, in elements
}

// newPooling returns the window over an input of shape in, or nil for one with holes, or a
// kind that is not there.
func newPooling(w window, in, out shapes.Shape) *pooling {
	dilated := func(d []int) bool { return slices.ContainsFunc(d, func(n int) bool { return n != 1 }) }
	if dilated(w.inputDilations) || dilated(w.windowDilations) ||
		w.kind != compute.ReduceOpMax && w.kind != compute.ReduceOpMin && w.kind != compute.ReduceOpSum {
		return nil
	}
	p := &pooling{kind: w.kind, inner: 1, inSize: in.Size(), outSize: out.Size()}
	inS, outS := strides(in), strides(out)
	for i := in.Rank() - 1; i >= 0; i-- {
		size := valueOr(w.size, i, 1)
		a := windowAxis{in: in.Dimensions[i], out: out.Dimensions[i], size: size, stride: valueOr(w.strides, i, size), inS: inS[i], outS: outS[i]}
		ends := 0
		if len(w.paddings) > 0 {
			a.padding, ends = w.paddings[i][0], w.paddings[i][1]
		}
		if len(p.axes) == 0 && a.size == 1 && a.stride == 1 && a.padding == 0 && ends == 0 {
			p.inner *= a.in
			continue
		}
		p.axes = append([]windowAxis{a}, p.axes...)
	}
	if len(p.axes) == 0 {
		p.axes = []windowAxis{{in: 1, out: 1, size: 1, stride: 1}}
	}
	return p
}

func (g *graph) pool(x *tensor, w window, shape shapes.Shape) *tensor {
	p := newPooling(w, x.shape, shape)
	if p == nil {
		return nil
	}
	return g.make(kindWindow, 0, shape, p, x)
}

// unpool is the gradient of pooling for the extreme: source goes to where in each window
// the operand has it, to the first of equals.
func (g *graph) unpool(operand, source *tensor, w window, shape shapes.Shape) *tensor {
	p := newPooling(w, operand.shape, source.shape)
	// Windows that overlap add up where they meet; images do not.
	if p == nil {
		return nil
	}
	return g.make(kindScatter, 0, shape, p, operand, source)
}
