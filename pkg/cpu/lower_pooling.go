package cpu

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
)

// pooling describes a window that moves over the axes of a tensor. The last axes, along which
// the window has size 1 and stride 1, are merged into one: their elements are computed together.
type pooling struct {
	kind    compute.ReduceOpType
	axes    []spatialAxis
	inner   int // size of the merged axes
	inSize  int
	outSize int
}

// newPooling returns the pooling of an input of shape in, or nil if the window or the input is
// dilated or the kind of reduction has no native form.
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
		a := spatialAxis{
			in: in.Dimensions[i], ker: size, out: out.Dimensions[i], inS: inS[i], outS: outS[i],
			stride: valueOr(w.strides, i, size), kernelDilation: 1, inputDilation: 1,
		}
		ends := 0
		if len(w.paddings) > 0 {
			a.padding, ends = w.paddings[i][0], w.paddings[i][1]
		}
		if len(p.axes) == 0 && a.ker == 1 && a.stride == 1 && a.padding == 0 && ends == 0 {
			p.inner *= a.in
			continue
		}
		p.axes = append([]spatialAxis{a}, p.axes...)
	}
	if len(p.axes) == 0 {
		p.axes = []spatialAxis{{in: 1, ker: 1, out: 1, stride: 1, kernelDilation: 1, inputDilation: 1}}
	}
	return p
}

// pool reduces x over the window, or returns nil if there is no native form.
func (g *graph) pool(x *tensor, w window, shape shapes.Shape) *tensor {
	p := newPooling(w, x.shape, shape)
	if p == nil {
		return nil
	}
	return g.make(kindWindow, 0, shape, p, x)
}

// unpool is the gradient of max and min pooling: each element of source is added where the
// window has its maximum or minimum in operand, the first one among equals.
func (g *graph) unpool(operand, source *tensor, w window, shape shapes.Shape) *tensor {
	p := newPooling(w, operand.shape, source.shape)
	if p == nil {
		return nil
	}
	return g.make(kindScatter, 0, shape, p, operand, source)
}
