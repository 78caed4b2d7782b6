package cpu

import "slices"

// planned is a step before it is made: a loop, or the step that computes any other kind of tensor.
type planned struct {
	loop  *loop     // nil for other steps
	made  *tensor   // the tensor that another step computes
	reads []*tensor // the stored tensors that the step reads
}

// order returns the steps in the order in which they run. A tensor that a loop can compute joins
// the last earlier loop that already reads or computes one of its operands, unless it is computed again.
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
	const look = 40 // steps to look back
	for _, t := range g.tensors {
		if !t.stored {
			continue
		}
		switch t.kind {
		case kindParameter, kindConstant, kindAlias, kindPick:
			continue
		case kindElement, kindBroadcast, kindReduce:
			full, repeated := map[*tensor]bool{}, map[*tensor]bool{}
			reads(t, full, repeated)
			found := false
			for i := len(steps) - 1; i >= max(0, len(steps)-look) && !found && !t.again; i-- {
				if l := steps[i].loop; l != nil && l.joins(t, i, full, repeated, when) {
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
			for leaf := range repeated {
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

// joins reports whether the loop, step number step, can compute t too and gains by it: t has the
// shape of the loop, its operands are available by then, and the loop shares one of them or is
// small. full and repeated are the operands of t (see leaves). at returns the step that computes
// a stored tensor.
func (l *loop) joins(t *tensor, step int, full, repeated map[*tensor]bool, at func(*tensor) int) bool {
	shape := t.shape
	if t.kind == kindReduce {
		shape = t.inputs[0].shape
	}
	first := l.roots[0].tensor
	own := first.shape
	if first.kind == kindReduce {
		own = first.inputs[0].shape
	}
	if !slices.Equal(shape.Dimensions, own.Dimensions) {
		return false
	}
	if t.kind == kindReduce && l.reduces() && l.part != t.attributes.(partition) {
		return false
	}
	shared := l.size <= 4096
	for leaf := range full {
		if at(leaf) > step {
			return false
		}
		if at(leaf) == step {
			if !l.makes(leaf) {
				return false
			}
			shared = true
		}
	}
	for leaf := range repeated {
		if at(leaf) >= step {
			return false
		}
	}
	if shared {
		return true
	}
	for _, r := range l.roots {
		theirs, ignored := map[*tensor]bool{}, map[*tensor]bool{}
		r.leaves(theirs, ignored)
		for leaf := range full {
			if theirs[leaf] {
				return true
			}
		}
	}
	return false
}

func (r *root) leaves(full, repeated map[*tensor]bool) { reads(r.tensor, full, repeated) }

// reads is leaves for a root of a loop, which may also be a reduction of a stored tensor.
func reads(t *tensor, full, repeated map[*tensor]bool) {
	if t.kind == kindReduce && t.inputs[0].stored {
		full[t.inputs[0]] = true
		return
	}
	if t.kind == kindReduce {
		t = t.inputs[0]
	}
	leaves(t, full, repeated)
}

// leaves collects the stored tensors that an elementwise tensor is computed from: those of the
// same shape in full, those that are broadcast in repeated.
func leaves(t *tensor, full, repeated map[*tensor]bool) {
	for _, input := range t.inputs {
		switch {
		case t.kind == kindBroadcast:
			if _, ok := input.uniform(); !ok {
				repeated[input] = true
			}
		case input.stored:
			full[input] = true
		default:
			leaves(input, full, repeated)
		}
	}
}
