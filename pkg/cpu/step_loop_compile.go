package cpu

import (
	"slices"

	"github.com/gomlx/compute/dtypes"
)

// compiler turns a loop's tensors into its program.
type compiler struct {
	*loop
	refs    map[*tensor]ref
	places  map[int]int // the index of each slot in loop.slots
	virtual int         // number of registers so far, without reuse
}

// compile makes the program. It gets new slots from p.
func (l *loop) compile(p *plan) {
	c := &compiler{loop: l, refs: map[*tensor]ref{}, places: map[int]int{}}
	l.chooseColumn()
	l.rowwise = l.column > minBlock
	for _, r := range l.roots {
		r.slot = r.tensor.slot
		if r.tensor.kind != kindReduce {
			c.store(r.tensor)
			continue
		}
		r.reduce = r.tensor.op
		x := r.tensor.inputs[0]
		if r.reduce == opAdd && !x.stored && x.kind == kindElement && x.op == opMul && len(x.users) == 1 {
			r.dot, r.from, r.with = true, c.ref(x.inputs[0]), c.ref(x.inputs[1])
			continue
		}
		r.from = c.ref(x)
	}
	fixed := c.prologueRegisters()
	l.registers = l.allocate(fixed)
	l.block = maxBlock
	for l.block > minBlock && l.registers*l.block > 8<<10 {
		l.block /= 2
	}
	if !l.rowwise {
		l.block = l.block / l.column * l.column
	}
	l.divide(p)
}

// chooseColumn sets the alignment of blocks: the inner size of the reductions or, without
// reductions, the size of the largest vector that is broadcast.
func (l *loop) chooseColumn() {
	l.column = 1
	if l.reduces() {
		l.column = l.part.inner
		return
	}
	seen := map[*tensor]bool{}
	var visit func(t *tensor)
	visit = func(t *tensor) {
		if seen[t] {
			return
		}
		seen[t] = true
		if t.kind == kindBroadcast {
			if e := expand(t); len(e.sizes) == 2 && e.strides[0] == 0 {
				l.column = max(l.column, e.sizes[1])
			}
			return
		}
		for _, input := range t.inputs {
			if !input.stored {
				visit(input)
			}
		}
	}
	for _, r := range l.roots {
		visit(r.tensor)
	}
}

// expand returns the expansion of a broadcast. Adjacent axes are merged where possible.
func expand(t *tensor) expansion {
	x, place := t.inputs[0], t.attributes.(broadcast).axes
	strides := make([]int, t.shape.Rank())
	stride := 1
	for i := len(place) - 1; i >= 0; i-- {
		if x.shape.Dimensions[i] != 1 {
			strides[place[i]] = stride
		}
		stride *= x.shape.Dimensions[i]
	}
	e := expansion{slot: x.slot}
	for i, size := range t.shape.Dimensions {
		if size == 1 {
			continue
		}
		last := len(e.sizes) - 1
		if last >= 0 && (strides[i] == 0 && e.strides[last] == 0 || strides[i] != 0 && e.strides[last] == strides[i]*size) {
			e.sizes[last] *= size
			e.strides[last] = strides[i]
			continue
		}
		e.sizes, e.strides = append(e.sizes, size), append(e.strides, strides[i])
	}
	return e
}

// place returns the index of a slot in loop.slots.
func (c *compiler) place(slot, size int) int {
	if i, ok := c.places[slot]; ok {
		return i
	}
	i := len(c.slots)
	c.slots, c.bytes = append(c.slots, slot), append(c.bytes, size)
	c.places[slot] = i
	return i
}

// register returns a new register.
func (c *compiler) register() ref {
	c.virtual++
	return ref{refRegister, c.virtual - 1}
}

// emit adds an instruction and returns its result, which is in a new register if there is no dst.
func (c *compiler) emit(op opcode, dst, a, b, d ref) ref {
	if dst.kind == refNone {
		dst = c.register()
	}
	c.program = append(c.program, instruction{op, dst, a, b, d})
	return dst
}

// store computes a tensor and stores it in its slot.
func (c *compiler) store(t *tensor) {
	out := ref{refMemory, c.place(t.slot, t.shape.DType.Size())}
	switch t.shape.DType {
	case dtypes.Bool:
		c.emit(opStoreBool, out, c.compute(t, ref{}), ref{}, ref{})
		// Other instructions of this loop read the mask.
		return
	case dtypes.BFloat16:
		c.emit(opStoreBFloat16, out, c.compute(t, ref{}), ref{}, ref{})
		return
	}
	if got := c.compute(t, out); got != out {
		c.emit(opCopy, out, got, ref{}, ref{})
	}
	c.refs[t] = out
}

// ref returns the block of a tensor, which it loads or computes if necessary.
func (c *compiler) ref(t *tensor) ref {
	if r, ok := c.refs[t]; ok {
		return r
	}
	var r ref
	if t.stored {
		r = c.load(t)
	} else {
		r = c.compute(t, ref{})
	}
	c.refs[t] = r
	return r
}

// load returns the block of a stored tensor, converted to float32 or a mask.
func (c *compiler) load(t *tensor) ref {
	memory := ref{refMemory, c.place(t.slot, t.shape.DType.Size())}
	op := map[dtypes.DType]opcode{dtypes.Bool: opLoadBool, dtypes.Uint8: opLoadByte, dtypes.Int32: opLoadInt32, dtypes.Int64: opLoadInt64,
		dtypes.BFloat16: opLoadBFloat16}[t.shape.DType]
	if op == opNone {
		return memory
	}
	return c.emit(op, ref{}, memory, ref{}, ref{})
}

// compute computes a tensor that is not stored, or is being stored. The result is in dst, unless
// that is empty.
func (c *compiler) compute(t *tensor, dst ref) ref {
	if r, ok := c.refs[t]; ok {
		return r
	}
	if t.kind == kindBroadcast {
		return c.broadcast(t, dst)
	}
	in := t.inputs
	var r ref
	switch {
	case t.op == opConvert:
		r = c.ref(in[0]) // loading it converts
	case t.op == opAdd && c.fuses(in[0]):
		r = c.emit(opMulAdd, dst, c.ref(in[0].inputs[0]), c.ref(in[0].inputs[1]), c.ref(in[1]))
	case t.op == opAdd && c.fuses(in[1]):
		r = c.emit(opMulAdd, dst, c.ref(in[1].inputs[0]), c.ref(in[1].inputs[1]), c.ref(in[0]))
	default:
		var operands [3]ref
		for i, input := range in {
			operands[i] = c.ref(input)
		}
		r = c.emit(t.op, dst, operands[0], operands[1], operands[2])
	}
	if dst.kind == refNone {
		c.refs[t] = r
	}
	return r
}

// fuses reports whether t is a product that only one sum reads: both become a multiply-add.
func (c *compiler) fuses(t *tensor) bool {
	_, computed := c.refs[t]
	return !t.stored && !computed && t.kind == kindElement && t.op == opMul && len(t.users) == 1
}

// broadcast computes a block of a broadcast, in the prologue if it is the same for every block.
func (c *compiler) broadcast(t *tensor, dst ref) ref {
	x := t.inputs[0]
	e := expand(t)
	isBool := x.shape.DType == dtypes.Bool
	index := len(c.expands)
	vector := len(e.sizes) == 2 && e.strides[0] == 0 && e.sizes[1] == c.column || len(e.sizes) == 1 && e.strides[0] == 0
	if vector && !isBool && dst.kind == refNone {
		if len(e.sizes) == 2 && c.rowwise {
			return ref{refRow, c.place(x.slot, 4)}
		}
		c.expands = append(c.expands, e)
		r := c.register()
		c.prologue = append(c.prologue, instruction{op: opExpand, dst: r, a: ref{index: index}})
		return r
	}
	c.expands = append(c.expands, e)
	if isBool {
		// Expand the bytes into a register, then convert them to masks.
		bytes := c.emit(opExpandBytes, ref{}, ref{index: index}, ref{}, ref{})
		return c.emit(opLoadBool, dst, bytes, ref{}, ref{})
	}
	return c.emit(opExpand, dst, ref{index: index}, ref{}, ref{})
}

// prologueRegisters returns the registers that keep their values for the whole task.
func (c *compiler) prologueRegisters() map[int]bool {
	fixed := map[int]bool{}
	for _, in := range c.prologue {
		fixed[in.dst.index] = true
	}
	return fixed
}

// allocate replaces virtual registers by real ones, which registers that are not in use at the
// same time share. It returns the number of real registers.
func (l *loop) allocate(fixed map[int]bool) int {
	last := map[int]int{}
	use := func(r ref, at int) {
		if r.kind == refRegister {
			last[r.index] = at
		}
	}
	for i, in := range l.program {
		for _, r := range []ref{in.dst, in.a, in.b, in.c} {
			use(r, i)
		}
	}
	for _, r := range l.roots { // reductions read their operands after all instructions
		use(r.from, len(l.program))
		use(r.with, len(l.program))
	}
	place, free, n := map[int]int{}, []int{}, 0
	take := func() int {
		if k := len(free); k > 0 {
			p := free[k-1]
			free = free[:k-1]
			return p
		}
		n++
		return n - 1
	}
	for i := range l.prologue {
		r := &l.prologue[i].dst
		place[r.index] = take()
		r.index = place[r.index]
	}
	for i := range l.program {
		in := &l.program[i]
		freed := []int{}
		for _, r := range []*ref{&in.a, &in.b, &in.c} {
			if r.kind != refRegister {
				continue
			}
			v := r.index
			r.index = place[v]
			if last[v] == i && !fixed[v] && !slices.Contains(freed, v) {
				freed = append(freed, v)
			}
		}
		// Bytes and masks have different sizes, so opLoadBool cannot work in place.
		if in.op != opLoadBool {
			for _, v := range freed {
				free = append(free, place[v])
			}
		}
		if in.dst.kind == refRegister {
			v := in.dst.index
			if _, ok := place[v]; !ok {
				place[v] = take()
			}
			in.dst.index = place[v]
		}
		if in.op == opLoadBool {
			for _, v := range freed {
				free = append(free, place[v])
			}
		}
	}
	for _, r := range l.roots {
		for _, x := range []*ref{&r.from, &r.with} {
			if x.kind == refRegister {
				x.index = place[x.index]
			}
		}
	}
	return n
}

// divide cuts the loop into tasks.
func (l *loop) divide(p *plan) {
	l.partials = -1
	for _, r := range l.roots {
		r.abreast = 1
		if r.tensor.kind != kindReduce || r.reduce != opAdd {
			continue
		}
		if r.abreast = abreast(l.part.inner); r.abreast > 1 {
			r.sums = l.sums
			l.sums += l.part.inner * r.abreast
		}
	}
	if l.part.outer > 1 {
		unit := l.part.middle * l.part.inner
		l.perTask = max(1, taskSize/unit)
		l.tasks = (l.part.outer + l.perTask - 1) / l.perTask
		return
	}
	l.perTask = max(1, taskSize/l.column) * l.column
	l.tasks = (l.size + l.perTask - 1) / l.perTask
	if !l.reduces() {
		return
	}
	for _, r := range l.roots {
		if r.tensor.kind == kindReduce {
			r.offset = l.width
			l.width += (l.part.inner + 15) &^ 15
		}
	}
	if l.tasks > 1 {
		l.partials = p.temporary(4 * l.width * l.tasks)
	}
}
