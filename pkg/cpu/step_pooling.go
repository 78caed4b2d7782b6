package cpu

import (
	"math"
	"slices"
	"unsafe"

	"github.com/gomlx/compute"
)

// independent reports whether the window does not reach across the first axis, whose positions
// (the images of a batch) are then computed independently.
func (p *pooling) independent() bool {
	a := p.axes[0]
	return a.ker == 1 && a.stride == 1 && a.padding == 0 && a.in == a.out
}

// places lists the output positions, each with the elements of its window that are not in the
// padding. If the images are independent, it lists the positions of the first image only.
func (p *pooling) places() []position {
	axes := p.axes
	if p.independent() {
		axes = axes[1:]
	}
	list := positions(axes)
	for i := range list {
		list[i].in = slices.DeleteFunc(list[i].in, func(at int) bool { return at < 0 })
	}
	return list
}

// images returns the number of tasks, and the distance between their data in the input and in
// the output.
func (p *pooling) images() (n, inS, outS int) {
	if !p.independent() {
		return 1, 0, 0
	}
	return p.axes[0].out, p.axes[0].inS, p.axes[0].outS
}

// windowStep computes pooling. Each task is an image.
type windowStep struct {
	pooling
	places  []position
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
		if len(p.in) == 0 {
			k.Fill((*float32)(dst), start, s.inner)
			continue
		}
		copy(floatsAt(dst, s.inner), floatsAt(unsafe.Add(in, 4*p.in[0]), s.inner))
		for _, at := range p.in[1:] {
			apply(k, op, dst, dst, unsafe.Add(in, 4*at), nil, s.inner)
		}
	}
}

// scatterStep computes the gradient of max and min pooling. Each task is an image.
type scatterStep struct {
	pooling
	places               []position
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
		if len(p.in) == 0 {
			continue
		}
		for c := range s.inner {
			best := p.in[0]
			value := operand[best+c]
			for _, w := range p.in[1:] {
				if v := operand[w+c]; highest && v > value || !highest && v < value || v != v {
					best, value = w, v
				}
			}
			out[best+c] += source[p.out+c]
		}
	}
}
