package cpu

import (
	"math"
	"unsafe"

	"github.com/gomlx/compute"
)

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
