package cpu

import "slices"

// chain joins steps that follow each other to chains, where each can compute some images of a batch apart
// from the others. In the training of a network these are normalization, ReLU, convolution and the moments of
// its output, and the steps of the gradient from one sum over all images to the next.
//
// The size of tasks does not change a bit of a result, and so neither does a chain.
func (p *plan) chain() {
	var steps []step
	for i := 0; i < len(p.steps); {
		c, count := p.chainFrom(i)
		if count < 2 {
			steps = append(steps, p.steps[i])
			i++
			continue
		}
		p.extend(i, i+count-1)
		steps = append(steps, c)
		i += count
	}
	p.steps = steps
}

// extend keeps all slots that are in use during the steps from first to last for all of them.
func (p *plan) extend(first, last int) {
	for i := range p.slots {
		s := &p.slots[i]
		if s.first >= first && s.first <= last {
			s.first = first
		}
		if s.last >= first && s.last <= last {
			s.last = last
		}
	}
}

// chainFrom returns the chain that begins with step i, and how many steps it has.
func (p *plan) chainFrom(i int) (*chainStep, int) {
	n := p.batchFrom(i)
	if n < 2 {
		return nil, 0
	}
	c := &chainStep{n: n, atATime: 1, perTask: 1}
	local, reads, sums := map[int]bool{}, map[int]bool{}, map[int]bool{}
	floats, shared := 0, 0 // of an image in all local slots, and of all images
	for ; i < len(p.steps); i++ {
		m, ok := p.steps[i].(member)
		if !ok {
			break
		}
		d, ok := m.split(p, n)
		if !ok {
			break
		}
		at := multiple(c.atATime, d.quantum)
		per := multiple(at, multiple(c.perTask, d.order))
		if n/per < p.granularity.chain {
			break
		}
		meets := func(slots []int, of ...map[int]bool) bool {
			return slices.ContainsFunc(slots, func(slot int) bool {
				return slices.ContainsFunc(of, func(m map[int]bool) bool { return m[p.memory(slot)] })
			})
		}
		// What one member writes as a whole must not be used by another, and what is local to one
		// must not be used as a whole by another.
		if meets(d.local, reads, sums) || meets(d.reads, local, sums) || meets(d.sums, local, reads, sums) {
			break
		}
		// What the members use of the images that they compute at a time, and of weights and sums, should fit
		// into the second-level cache, more or less.
		for _, slot := range d.local {
			if at := p.memory(slot); !local[at] {
				local[at] = true
				floats += p.slots[slot].bytes / 4 / n
			}
		}
		if shared += d.shared; len(c.members) > 0 && floats*at+shared > 5*p.granularity.cacheable {
			break
		}
		for _, slot := range d.reads {
			reads[p.memory(slot)] = true
		}
		for _, slot := range d.sums {
			sums[p.memory(slot)] = true
		}
		c.atATime, c.perTask = at, per
		c.members = append(c.members, m)
	}
	return c, len(c.members)
}

// batchFrom returns the batch size of the first contraction among the members of chains from step i on, or 0.
func (p *plan) batchFrom(i int) int {
	for ; i < len(p.steps); i++ {
		switch s := p.steps[i].(type) {
		case *winogradStep:
			return s.n
		case *winogradGradientStep:
			return s.ci
		case *rowsStep:
			return s.n
		case member:
		default:
			return 0
		}
	}
	return 0
}

// memory returns the slot whose memory a slot takes over, or the slot itself.
func (p *plan) memory(slot int) int {
	for p.slots[slot].shares >= 0 {
		slot = p.slots[slot].shares
	}
	s := &p.slots[slot]
	if s.kind == slotOutput {
		if donor := p.results[s.index].donor; donor >= 0 {
			for i := range p.slots {
				if p.slots[i].kind == slotInput && p.slots[i].index == donor {
					return i
				}
			}
		}
	}
	return slot
}

// multiple returns the least common multiple of a and b.
func multiple(a, b int) int {
	m := a
	for m%b != 0 {
		m += a
	}
	return m
}
