package cpu

import (
	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	"github.com/pkg/errors"
)

// plan is what is decided once, when a graph is compiled: which tensors are stored, the
// steps, and where in memory everything is.
type plan struct {
	backend   *Backend
	slots     []slot
	steps     []step
	now       int // the step that is being made
	zeroBytes int // bytes of zeros that steps need
	zeroSlots []int
	arena     int // bytes
	keep      []any
	// rows and cols are the tables of contractions, which those of the same sizes share.
	rows map[string]*rowsTables
	cols map[string]*colsTables

	inputs  []shapes.Shape
	outputs []shapes.Shape
	// results says where each output comes from.
	results []result
}

// result is an output: a slot of its own, or a copy of another.
type result struct {
	slot int
	own  bool
	// donor is the input whose memory the output takes over if it is donated, or -1.
	donor int
}

// compile makes the executable of a builder's main function.
func compile(b *builder) (compute.Executable, error) {
	p, steps, err := newPlan(b)
	if err != nil {
		return nil, errors.WithMessagef(err, "compile %s", b.Name())
	}
	p.share(steps)
	p.layOut()
	return newExecutable(b, p), nil
}

// newPlan makes the plan of a builder's main function, but for where its memory is.
func newPlan(b *builder) (*plan, []*planned, error) {
	g, parameters, outputs := lowerAll(b)
	g.reachable(parameters, outputs)
	g.decide(outputs)
	steps := g.order()
	p := &plan{backend: b.backend, rows: map[string]*rowsTables{}, cols: map[string]*colsTables{}}
	for _, output := range b.main.outputs {
		p.outputs = append(p.outputs, output.node.shapes[output.output])
	}
	p.assign(g, parameters, outputs, steps)
	for i, s := range steps {
		p.now = i
		made, err := p.make(s)
		if err != nil {
			return nil, nil, err
		}
		p.steps = append(p.steps, made)
	}
	return p, steps, nil
}

func newExecutable(b *builder, p *plan) *executable {
	e := &executable{plan: p, name: b.Name(), placement: b.placement}
	for _, parameter := range b.main.parameters {
		e.names = append(e.names, parameter.node.attributes.(string))
	}
	return e
}
