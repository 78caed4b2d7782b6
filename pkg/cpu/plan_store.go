package cpu

import "slices"

// reachable keeps only the parameters and the tensors that outputs depend on, and fills in their users.
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

// maxWork is the largest number of operations that is repeated rather than storing their result.
const maxWork = 4

// decide marks the tensors that are stored. An elementwise tensor is stored only if a step other
// than a loop reads it, or if several loops do and computing it in each costs more than reading
// it.
func (g *graph) decide(outputs []*tensor) {
	isOutput := map[*tensor]bool{}
	for _, t := range outputs {
		isOutput[t] = true
	}
	// homes maps an elementwise tensor to the stored tensor for which it is computed, nil if
	// there is none, or several if there are more.
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

// light reports whether computing t again reads no more memory than reading t would.
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
