package cpu

import (
	"cmp"
	"reflect"
	"slices"
	"unsafe"
)

// slotKind says who owns the memory of a slot.
type slotKind uint8

const (
	slotArena slotKind = iota
	slotInput
	slotConstant
	slotOutput
)

// slot is memory for a tensor, or for temporary values of a step.
type slot struct {
	kind  slotKind
	bytes int
	index int            // number of the input or output
	data  unsafe.Pointer // data of a constant
	// first and last are the steps between which the slot must keep its contents.
	first, last int
	// shares is the slot whose memory this one takes over, or -1.
	shares int
	offset int // position in the arena, in bytes
}

// slot adds a slot and returns its number.
func (p *plan) slot(kind slotKind, bytes int) int {
	p.slots = append(p.slots, slot{kind: kind, bytes: bytes, first: p.now, last: p.now, shares: -1})
	return len(p.slots) - 1
}

// temporary returns a slot that is in use only during the step that is being made.
func (p *plan) temporary(bytes int) int { return p.slot(slotArena, bytes) }

// zeros returns a slot that holds at least the given number of zero bytes.
func (p *plan) zeros(bytes int) int {
	p.zeroBytes = max(p.zeroBytes, bytes)
	p.zeroSlots = append(p.zeroSlots, p.slot(slotConstant, bytes))
	return p.zeroSlots[len(p.zeroSlots)-1]
}

// assign gives every stored tensor a slot, and sets between which steps each slot is in use.
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
			t.slot = -1 // their outputs, of kindPick, have slots
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

// share lets the output of a loop take over the memory of an operand that is read for the last
// time there.
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

// overwrites reports whether slot out can take over the memory of slot x: no instruction of the
// loop reads x after out is written.
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

// layOut places the slots in the arena: the largest first, each at the lowest offset that no slot
// in use at the same time occupies.
func (p *plan) layOut() {
	// Slots that take over each other's memory form one piece.
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
	if p.zeroBytes > 0 {
		zeros := newBlock(p.zeroBytes)
		p.keep = append(p.keep, zeros)
		for _, i := range p.zeroSlots {
			p.slots[i].data = zeros.pointer()
		}
	}
}
