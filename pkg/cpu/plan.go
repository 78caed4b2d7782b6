package cpu

import (
	"cmp"
	"reflect"
	"slices"
	"unsafe"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	"github.com/pkg/errors"
)

// step is a piece of work: all of a graph's are done in order.
type step interface{ run(r *run) error }

// slotKind is whose memory a slot is.
type slotKind uint8

const (
	slotArena slotKind = iota
	slotInput
	slotConstant
	slotOutput
)

// slot is memory for a tensor, or for what a step needs while it runs.
type slot struct {
	kind  slotKind
	bytes int
	index int            // of the input or output
	data  unsafe.Pointer // of constants
	// first and last are the steps between which it must keep its contents.
	first, last int
	// shares is the slot whose memory it takes over, or -1.
	shares int
	offset int // in the arena
}

// planned is a step before it is made.
type planned struct {
	loop  *loop
	made  *tensor   // of other steps
	reads []*tensor // that are stored
}

// plan is what is decided once, when a graph is compiled: which tensors are stored, the
// steps, and where in memory everything is.
type plan struct {
	backend *Backend
	slots   []slot
	steps   []step
	now     int // the step that is being made
	zeroes  int // bytes of zeros that steps need
	zeroAt  []int
	arena   int // bytes
	keep    []any
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

func (p *plan) slot(kind slotKind, bytes int) int {
	p.slots = append(p.slots, slot{kind: kind, bytes: bytes, first: p.now, last: p.now, shares: -1})
	return len(p.slots) - 1
}

// temporary returns a slot that lives as long as the step that is being made.
func (p *plan) temporary(bytes int) int { return p.slot(slotArena, bytes) }

// zeros returns a slot of so many zeros.
func (p *plan) zeros(bytes int) int {
	p.zeroes = max(p.zeroes, bytes)
	p.zeroAt = append(p.zeroAt, p.slot(slotConstant, bytes))
	return p.zeroAt[len(p.zeroAt)-1]
}

// lowerAll makes tensors of the recorded operations that the outputs need.
func lowerAll(b *builder) (g *graph, parameters, outputs []*tensor) {
	needed := map[*node]bool{}
	var mark func(v *value)
	mark = func(v *value) {
		if v == nil || needed[v.node] {
			return
		}
		needed[v.node] = true
		for _, input := range v.node.inputs {
			mark(input)
		}
	}
	for _, output := range b.main.outputs {
		mark(output)
	}
	g = newGraph()
	made := map[*node][]*tensor{}
	get := func(v *value) *tensor {
		if v == nil {
			return nil
		}
		return made[v.node][v.output]
	}
	for _, parameter := range b.main.parameters {
		t := g.make(kindParameter, 0, parameter.node.shapes[0], nil)
		made[parameter.node] = []*tensor{g.widen(t)}
		parameters = append(parameters, t)
	}
	for _, n := range b.nodes {
		if !needed[n] || n.op == compute.OpTypeParameter {
			continue
		}
		in := make([]*tensor, len(n.inputs))
		for i, input := range n.inputs {
			in[i] = get(input)
		}
		lowered := g.lower(n, in)
		if lowered == nil {
			lowered = g.delegate(n, in)
		}
		made[n] = lowered
	}
	for _, output := range b.main.outputs {
		outputs = append(outputs, g.narrow(get(output), output.shape().DType))
	}
	return g, parameters, outputs
}

// reachable leaves only the tensors that outputs come from, and fills in their users.
func (g *graph) reachable(parameters, outputs []*tensor) {
	used := make([]bool, len(g.tensors))
	for _, t := range slices.Concat(parameters, outputs) {
		used[t.id] = true
	}
	for i := len(g.tensors) - 1; i >= 0; i-- {
		if used[i] {
			for _, input := range g.tensors[i].inputs {
				if input != nil {
					used[input.id] = true
				}
			}
		}
	}
	var kept []*tensor
	for i, t := range g.tensors {
		if !used[i] {
			continue
		}
		kept = append(kept, t)
		for _, input := range t.inputs {
			if input != nil {
				input.users = append(input.users, t)
			}
		}
	}
	g.tensors = kept
}

// maxWork is how much may be computed again in place of being stored.
const maxWork = 4

// decide marks the tensors that are stored. Element by element ones are only if something
// else than a loop needs them, or if several loops do and it costs more to compute them in
// each than to read them.
func (g *graph) decide(outputs []*tensor) {
	isOutput := map[*tensor]bool{}
	for _, t := range outputs {
		isOutput[t] = true
	}
	// homes are the stored tensors that a tensor is computed for: nil for none yet, and
	// several for more than one.
	several := &tensor{}
	homes := make(map[*tensor]*tensor, len(g.tensors))
	for i := len(g.tensors) - 1; i >= 0; i-- {
		t := g.tensors[i]
		if t.kind != kindElement && t.kind != kindBroadcast {
			t.stored = true
			continue
		}
		t.stored = isOutput[t]
		var home *tensor
		for _, user := range t.users {
			if user.kind != kindElement && user.kind != kindReduce {
				t.stored = true
				break
			}
			at := user
			if !user.stored {
				at = homes[user]
			}
			if home != nil && home != at {
				home = several
			} else {
				home = at
			}
		}
		if t.kind == kindElement && home == several && !light(t) {
			t.stored = true
		}
		homes[t] = home
	}
}

// light reports whether computing t again reads no more memory than t itself would take.
func light(t *tensor) bool {
	work := 0
	full := map[*tensor]bool{}
	var visit func(t *tensor)
	visit = func(t *tensor) {
		switch {
		case t.kind == kindBroadcast:
		case t.kind == kindElement && !t.stored && work <= maxWork:
			work++
			for _, input := range t.inputs {
				visit(input)
			}
		default:
			full[t] = true
		}
	}
	visit(t)
	return work <= maxWork && len(full) <= 1
}

// order returns the steps. A tensor that a loop can make joins the last loop before it that
// has the data in its hands.
func (g *graph) order() []*planned {
	var steps []*planned
	at := map[*tensor]int{}
	when := func(t *tensor) int {
		for t.kind == kindAlias || t.kind == kindPick {
			t = t.inputs[0]
		}
		if n, ok := at[t]; ok {
			return n
		}
		return -1
	}
	const look = 40 // steps back
	for _, t := range g.tensors {
		if !t.stored {
			continue
		}
		switch t.kind {
		case kindParameter, kindConstant, kindAlias, kindPick:
			continue
		case kindElement, kindBroadcast, kindReduce:
			full, spread := map[*tensor]bool{}, map[*tensor]bool{}
			reads(t, full, spread)
			found := false
			for i := len(steps) - 1; i >= max(0, len(steps)-look) && !found; i-- {
				if l := steps[i].loop; l != nil && l.joins(t, i, full, spread, when) {
					l.add(t)
					at[t] = i
					found = true
				}
			}
			if !found {
				l := &loop{}
				l.add(t)
				at[t] = len(steps)
				steps = append(steps, &planned{loop: l})
			}
			s := steps[at[t]]
			for leaf := range full {
				s.reads = append(s.reads, leaf)
			}
			for leaf := range spread {
				s.reads = append(s.reads, leaf)
			}
			continue
		}
		at[t] = len(steps)
		s := &planned{made: t}
		for _, input := range t.inputs {
			if input != nil {
				s.reads = append(s.reads, input)
			}
		}
		steps = append(steps, s)
	}
	return steps
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

// assign gives every stored tensor its slot, and the slots their times.
func (p *plan) assign(g *graph, parameters, outputs []*tensor, steps []*planned) {
	isInput := map[*tensor]int{}
	for i, t := range parameters {
		isInput[t] = i
		p.inputs = append(p.inputs, t.shape)
	}
	for _, t := range g.tensors {
		if !t.stored {
			continue
		}
		switch t.kind {
		case kindParameter:
			t.slot = p.slot(slotInput, byteSize(t.shape))
			p.slots[t.slot].index, p.slots[t.slot].first = isInput[t], -1
		case kindConstant:
			t.slot = p.slot(slotConstant, byteSize(t.shape))
			flat := t.attributes.(constant).flat
			p.keep = append(p.keep, flat)
			p.slots[t.slot].data = reflect.ValueOf(flat).UnsafePointer()
		case kindAlias:
			t.slot = t.inputs[0].slot
		case kindDelegate, kindMoments, kindAllReduce:
			t.slot = -1 // their outputs have them
		default:
			t.slot = p.slot(slotArena, byteSize(t.shape))
			p.slots[t.slot].first = -1
		}
	}
	for i, s := range steps {
		p.now = i
		written := []*tensor{}
		if s.loop != nil {
			for _, r := range s.loop.roots {
				written = append(written, r.tensor)
			}
		} else if s.made.slot >= 0 {
			written = append(written, s.made)
		} else {
			written = append(written, s.made.users...)
		}
		for _, t := range written {
			p.slots[t.slot].first, p.slots[t.slot].last = i, i
		}
		for _, t := range s.reads {
			if t.slot >= 0 {
				p.slots[t.slot].last = max(p.slots[t.slot].last, i)
			}
		}
	}
	for i, t := range outputs {
		r := result{slot: t.slot, donor: -1}
		s := &p.slots[t.slot]
		if s.kind == slotArena {
			s.kind, s.index, r.own = slotOutput, i, true
		}
		s.last = len(steps)
		p.results = append(p.results, r)
	}
}

// make makes a step.
func (p *plan) make(s *planned) (step, error) {
	if s.loop != nil {
		s.loop.compile(p)
		return s.loop, nil
	}
	t := s.made
	in := make([]int, len(t.inputs))
	for i, input := range t.inputs {
		if input != nil {
			in[i] = input.slot
		}
	}
	switch t.kind {
	case kindContract:
		c := t.attributes.(*contraction)
		if c.cols {
			return newColsStep(c, p.backend.kernels, p, in[0], in[1], t.slot), nil
		}
		if c.winograd(p.backend.kernels.Lanes) {
			return newWinogradStep(c, p.backend.kernels, p, in[0], in[1], t.slot), nil
		}
		return newRowsStep(c, p.backend.kernels, p, in[0], in[1], t.slot), nil
	case kindMoments:
		x := t.inputs[0]
		features := t.attributes.(moments).features
		slots := [2]int{-1, -1}
		for _, user := range t.users {
			slots[user.attributes.(pick).output] = user.slot
		}
		for i, s := range slots {
			if s < 0 {
				slots[i] = p.temporary(4 * features)
			}
		}
		return newMomentsStep(x.shape.Size()/features, features, p, in[0], slots[0], slots[1]), nil
	case kindMove:
		return newMoveStep(t.attributes.(*moves), t.shape, in, t.slot), nil
	case kindMatch:
		return &matchStep{in[0], in[1], t.slot, t.op == opEqual, t.inputs[0].shape.DType, t.shape.Size()}, nil
	case kindWindow:
		return newWindowStep(t.attributes.(*pooling), in[0], t.slot), nil
	case kindAllReduce:
		return newAllReduceStep(t, in), nil
	case kindScatter:
		return newScatterStep(t.attributes.(*pooling), in[0], in[1], t.slot), nil
	default:
		return newDelegateStep(p.backend, t, in)
	}
}

// share lets loops write over what they read last.
func (p *plan) share(steps []*planned) {
	for i, s := range steps {
		l := s.loop
		if l == nil {
			continue
		}
		taken := map[int]bool{}
		for _, r := range l.roots {
			if r.tensor.kind == kindReduce {
				continue
			}
			out := &p.slots[r.slot]
			for _, x := range l.slots {
				from := &p.slots[x]
				if x == r.slot || taken[x] || from.bytes != out.bytes || from.last != i || from.first == i || !l.overwrites(r.slot, x) {
					continue
				}
				switch {
				case out.kind == slotArena && from.kind == slotArena && out.last > i:
					out.shares = x
				case out.kind == slotOutput && from.kind == slotInput:
					for j := range p.results {
						if p.results[j].own && p.results[j].slot == r.slot {
							p.results[j].donor = from.index
						}
					}
				default:
					continue
				}
				taken[x] = true
				break
			}
		}
	}
}

// overwrites reports whether nothing in the loop reads slot x once out is written.
func (l *loop) overwrites(out, x int) bool {
	o, i := slices.Index(l.slots, out), slices.Index(l.slots, x)
	if l.bytes[o] != l.bytes[i] || slices.ContainsFunc(l.expands, func(e expansion) bool { return e.slot == x }) {
		return false
	}
	is := func(r ref, index int) bool { return r.kind == refMemory && r.index == index }
	for _, r := range l.roots {
		if is(r.from, i) || is(r.with, i) {
			return false
		}
	}
	written := false
	for _, in := range l.program {
		row := func(r ref) bool { return r.kind == refRow && r.index == i }
		if row(in.a) || row(in.b) || row(in.c) {
			return false
		}
		if written && (is(in.a, i) || is(in.b, i) || is(in.c, i)) {
			return false
		}
		written = written || is(in.dst, o)
	}
	return true
}

// layOut places the slots in the arena: the largest first, each as low as those that live
// at the same time allow.
func (p *plan) layOut() {
	// A slot that takes over another's memory makes one piece of both.
	type piece struct {
		slots                      []int
		bytes, first, last, offset int
	}
	pieces := map[int]*piece{}
	root := func(i int) int {
		for p.slots[i].shares >= 0 {
			i = p.slots[i].shares
		}
		return i
	}
	for i := range p.slots {
		s := &p.slots[i]
		if s.kind != slotArena || s.bytes == 0 || s.first < 0 {
			continue
		}
		at := root(i)
		q, ok := pieces[at]
		if !ok {
			q = &piece{bytes: (s.bytes + alignment - 1) &^ (alignment - 1), first: s.first, last: s.last}
			pieces[at] = q
		}
		q.slots = append(q.slots, i)
		q.first, q.last = min(q.first, s.first), max(q.last, s.last)
	}
	var order []*piece
	for _, q := range pieces {
		order = append(order, q)
	}
	slices.SortFunc(order, func(a, b *piece) int {
		return cmp.Or(cmp.Compare(b.bytes, a.bytes), cmp.Compare(a.first, b.first), cmp.Compare(a.slots[0], b.slots[0]))
	})
	var placed []*piece // by offset
	for _, q := range order {
		at := 0
		for _, other := range placed {
			if other.last < q.first || q.last < other.first {
				continue
			}
			if at+q.bytes <= other.offset {
				break
			}
			at = max(at, other.offset+other.bytes)
		}
		q.offset = at
		i, _ := slices.BinarySearchFunc(placed, q, func(a, b *piece) int { return cmp.Compare(a.offset, b.offset) })
		placed = slices.Insert(placed, i, q)
		p.arena = max(p.arena, at+q.bytes)
		for _, i := range q.slots {
			p.slots[i].offset = at
		}
	}
	if p.zeroes > 0 {
		zeros := newBlock(p.zeroes)
		p.keep = append(p.keep, zeros)
		for _, i := range p.zeroAt {
			p.slots[i].data = zeros.pointer()
		}
	}
}

// describe is for tests and profiles: a line for each step.
func (p *plan) describe() []string {
	var lines []string
	for _, s := range p.steps {
		lines = append(lines, reflect.TypeOf(s).Elem().Name())
	}
	return lines
}
