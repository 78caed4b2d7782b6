package cpu

import (
	"math"
	"slices"
	"unsafe"

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
		size := or(w.size, i, 1)
		a := windowAxis{in: in.Dimensions[i], out: out.Dimensions[i], size: size, stride: or(w.strides, i, size), inS: inS[i], outS: outS[i]}
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

// independent reports whether positions along the first axis have nothing in common.
func (p *pooling) independent() bool {
	a := p.axes[0]
	return a.size == 1 && a.stride == 1 && a.padding == 0 && a.in == a.out
}

// place is an output position, and where its window's elements are in the input, in the
// order of the window: both for the first image.
type place struct {
	out  int
	from []int
}

// places lists the positions; of the first index of the first axis only, if those are
// independent.
func (p *pooling) places() []place {
	list := []place{{0, []int{0}}}
	for i, a := range p.axes {
		if i == 0 && p.independent() {
			continue
		}
		var next []place
		for _, q := range list {
			for o := range a.out {
				r := place{out: q.out + o*a.outS}
				for _, at := range q.from {
					for k := range a.size {
						if i := o*a.stride + k - a.padding; i >= 0 && i < a.in {
							r.from = append(r.from, at+i*a.inS)
						}
					}
				}
				next = append(next, r)
			}
		}
		list = next
	}
	return list
}

// images returns how many tasks there are, and how far apart in the input and the output.
func (p *pooling) images() (n, inS, outS int) {
	if !p.independent() {
		return 1, 0, 0
	}
	return p.axes[0].out, p.axes[0].inS, p.axes[0].outS
}

// windowStep pools.
type windowStep struct {
	pooling
	places  []place
	in, out int // slots
}

func newWindowStep(p *pooling, in, out int) *windowStep {
	return &windowStep{*p, p.places(), in, out}
}

func (s *windowStep) run(r *run) error {
	n, _, _ := s.images()
	return r.do(s, n)
}

func (s *windowStep) task(r *run, _ *scratch, i int) {
	k := r.kernels()
	op, start := opMax, float32(math.Inf(-1))
	switch s.kind {
	case compute.ReduceOpMin:
		op, start = opMin, float32(math.Inf(1))
	case compute.ReduceOpSum:
		op, start = opAdd, 0
	}
	_, inS, outS := s.images()
	in, out := unsafe.Add(r.pointer(s.in), 4*i*inS), unsafe.Add(r.pointer(s.out), 4*i*outS)
	for j := range s.places {
		p := &s.places[j]
		dst := unsafe.Add(out, 4*p.out)
		if len(p.from) == 0 {
			k.Fill((*float32)(dst), start, s.inner)
			continue
		}
		copy(floatsAt(dst, s.inner), floatsAt(unsafe.Add(in, 4*p.from[0]), s.inner))
		for _, at := range p.from[1:] {
			apply(k, op, dst, dst, unsafe.Add(in, 4*at), nil, s.inner)
		}
	}
}

// scatterStep is the gradient of pooling.
type scatterStep struct {
	pooling
	places               []place
	operand, source, out int // slots
}

func newScatterStep(p *pooling, operand, source, out int) *scatterStep {
	return &scatterStep{*p, p.places(), operand, source, out}
}

func (s *scatterStep) run(r *run) error {
	n, _, _ := s.images()
	return r.do(s, n)
}

func (s *scatterStep) task(r *run, _ *scratch, i int) {
	n, inS, outS := s.images()
	operand := floatsAt(r.pointer(s.operand), s.inSize)[i*inS:]
	source := floatsAt(r.pointer(s.source), s.outSize)[i*outS:]
	out := floatsAt(r.pointer(s.out), s.inSize)[i*inS:]
	clear(out[:s.inSize/n])
	highest := s.kind == compute.ReduceOpMax
	for j := range s.places {
		p := &s.places[j]
		if len(p.from) == 0 {
			continue
		}
		for c := range s.inner {
			best := p.from[0]
			value := operand[best+c]
			for _, w := range p.from[1:] {
				if v := operand[w+c]; highest && v > value || !highest && v < value || v != v {
					best, value = w, v
				}
			}
			out[best+c] += source[p.out+c]
		}
	}
}
