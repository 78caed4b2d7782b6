package cpu

import (
	"maps"
	"slices"
)

// again recomputes large tensors where they are used much later, instead of keeping them in memory until then:
// the outputs of ReLUs, which the gradient uses again. They are computed from the values before the ReLU, which
// the gradient of batch normalization needs in any case. This takes little time, since a chain has these
// values in a cache at that moment, and saves more, since the main memory is slow.
//
// See granularity for which tensors are large, and how much later is. It follows decide and precedes order.
func (g *graph) again(size granularity, outputs []*tensor) {
	far := size.far
	place := make(map[*tensor]int, len(g.tensors))
	for i, t := range g.tensors {
		place[t] = i
	}
	last := func(t *tensor) int {
		n := -1
		for _, user := range t.users {
			n = max(n, place[user])
		}
		return n
	}
	copies := map[*tensor][]*tensor{} // by the tensor that they precede
	for _, t := range g.tensors {
		if t.kind != kindElement || !t.stored || !size.isAgain(t.shape.Dimensions) || slices.Contains(outputs, t) {
			continue
		}
		users := slices.SortedFunc(maps.Keys(set(t.users)), func(a, b *tensor) int { return place[a] - place[b] })
		first := slices.IndexFunc(users, func(u *tensor) bool { return place[u] > last(t)-far })
		if first < 1 || place[users[first]]-place[users[first-1]] < far {
			continue
		}
		x := t.origin()
		if x == nil || x.kind != kindParameter && last(x) < last(t) {
			continue
		}
		late := users[first:]
		t.users = slices.DeleteFunc(t.users, func(u *tensor) bool { return slices.Contains(late, u) })
		same := t.copied()
		for _, user := range late {
			user.inputs = slices.Clone(user.inputs)
			for i, input := range user.inputs {
				if input == t {
					user.inputs[i] = same
					same.users = append(same.users, user)
				}
			}
		}
		copies[late[0]] = append(copies[late[0]], same)
		place[same] = place[late[0]]
	}
	var tensors []*tensor
	for _, t := range g.tensors {
		tensors = append(append(tensors, copies[t]...), t)
	}
	g.tensors = tensors
}

func set(list []*tensor) map[*tensor]bool {
	m := map[*tensor]bool{}
	for _, t := range list {
		m[t] = true
	}
	return m
}

// origin returns the stored tensor of the same shape that t is computed from element by element, with a few
// cheap operations and numbers that are broadcast, and nil if t is computed in another way.
func (t *tensor) origin() *tensor {
	work := 0
	var found *tensor
	var visit func(t *tensor) bool
	visit = func(t *tensor) bool {
		work++
		if work > maxWork || t.op != opAdd && t.op != opSub && t.op != opMul && t.op != opMax && t.op != opMin {
			return false
		}
		for _, input := range t.inputs {
			switch {
			case input.stored && (found == nil || found == input):
				found = input
			case input.stored:
				return false
			case input.kind == kindBroadcast:
			// A value with another user may be computed in another way, such as without a fused multiply-add.
			case input.kind != kindElement || len(input.users) > 1 || !visit(input):
				return false
			}
		}
		return true
	}
	if !visit(t) {
		return nil
	}
	return found
}

// copied returns a tensor that is computed like t, without users.
func (t *tensor) copied() *tensor {
	same := *t
	same.users = nil
	same.again = t.stored
	same.inputs = slices.Clone(t.inputs)
	for i, input := range same.inputs {
		if !input.stored && input.kind == kindElement {
			input = input.copied()
			same.inputs[i] = input
		}
		input.users = append(input.users, &same)
	}
	return &same
}
