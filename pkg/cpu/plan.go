package cpu

import (
	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	"github.com/pkg/errors"
)

// plan is the result of compiling a graph: the steps in order, and where in memory each of their
// operands is.
type plan struct {
	backend     *Backend
	slots       []slot
	steps       []step
	now         int   // number of the step being built
	zeroBytes   int   // size of the largest block of zeros that a step needs
	zeroSlots   []int // slots for zeros, which all share one block
	arena       int   // size in bytes
	granularity granularity
	keep        []any // keeps the memory that slots point to from being collected
	// rows and cols are the tables of contractions by their sizes. Contractions of the same
	// sizes share them.
	rows map[string]*rowsTables
	cols map[string]*colsTables

	inputs  []shapes.Shape
	outputs []shapes.Shape
	// results has an entry for each output.
	results []result
}

// result says where an output comes from: it has a slot of its own, or is copied from another.
type result struct {
	slot int
	own  bool
	// donor is the input whose memory the output takes over if the input is donated, or -1.
	donor int
}

// compile returns the executable of a builder's main function.
func compile(b *builder) (compute.Executable, error) {
	p, steps, err := newPlan(b)
	if err != nil {
		return nil, errors.WithMessagef(err, "compile %s", b.Name())
	}
	p.share(steps)
	p.chain()
	p.layOut()
	return newExecutable(b, p), nil
}

// newPlan returns the plan of a builder's main function, without the layout of its memory.
func newPlan(b *builder) (*plan, []*planned, error) {
	g, parameters, outputs := lowerAll(b)
	g.reachable(parameters, outputs)
	g.decide(outputs)
	granularity := b.backend.granularity()
	g.again(granularity, outputs)
	steps := g.order()
	p := &plan{backend: b.backend, granularity: granularity, rows: map[string]*rowsTables{}, cols: map[string]*colsTables{}}
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
