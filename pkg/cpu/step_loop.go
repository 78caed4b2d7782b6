package cpu

import (
	"math"
	"slices"
	"unsafe"

	"github.com/gomlx/compute/dtypes"
)

// loop is a pass over the elements of one or more tensors of the same shape: a program of
// vector operations is run on a block of elements after the other, small enough that what
// is between the operations stays in the first-level cache. What it makes is stored, or
// reduced on the way.
type loop struct {
	size  int
	roots []*root
	// part is how the reductions see the shape; without any, all of it is the middle.
	part partition

	program  []instruction
	prologue []instruction // fills registers that are the same for all blocks
	expands  []expansion
	slots    []int // of leaves and outputs, by the references' index
	bytes    []int // the size of their elements

	registers int
	block     int // elements, at most
	column    int // blocks start at multiples of it or, if rowwise, do not cross them
	rowwise   bool
	tasks     int
	perTask   int // elements, or outer indices if part.outer > 1
	partials  int // the slot of the tasks' partial reductions, or -1
	width     int // of one task's partial reductions
}

// root is a tensor that a loop makes.
type root struct {
	tensor *tensor
	slot   int
	reduce opcode // of reductions
	from   ref    // what is reduced
	with   ref    // for sums of products: the other factor
	dot    bool
	offset int // in a task's partial reductions
}

// refKind is where an operand is.
type refKind uint8

const (
	refNone     refKind = iota
	refRegister         // a block of the worker's own
	refMemory           // a tensor of the loop's shape, at the block's position
	refRow              // a vector, at the block's position within a row
)

type ref struct {
	kind  refKind
	index int
}

type instruction struct {
	op           opcode
	dst, a, b, c ref
}

// expansion is a tensor that is repeated along some axes: sizes of the loop's shape and,
// for each, the stride in the tensor, from the outermost to the innermost axis.
type expansion struct {
	slot    int
	sizes   []int
	strides []int
}

const (
	minBlock = 256
	maxBlock = 1024
	taskSize = 16 << 10
)

// leaves collects the stored tensors that an element by element tensor is computed from:
// in full those of the same shape, and through broadcasts the others.
func leaves(t *tensor, full, spread map[*tensor]bool) {
	for _, input := range t.inputs {
		switch {
		case t.kind == kindBroadcast:
			if _, ok := input.number(); !ok {
				spread[input] = true
			}
		case input.stored:
			full[input] = true
		default:
			leaves(input, full, spread)
		}
	}
}

// joins reports whether the loop can make t too, and has cause to: its shape is the loop's, and what it
// reads is there by then. at has the step that makes each stored tensor.
func (l *loop) joins(t *tensor, step int, full, spread map[*tensor]bool, at func(*tensor) int) bool {
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
	for leaf := range spread {
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

func (r *root) leaves(full, spread map[*tensor]bool) { reads(r.tensor, full, spread) }

// reads is leaves for a root, which may be a reduction of a stored tensor.
func reads(t *tensor, full, spread map[*tensor]bool) {
	if t.kind == kindReduce && t.inputs[0].stored {
		full[t.inputs[0]] = true
		return
	}
	if t.kind == kindReduce {
		t = t.inputs[0]
	}
	leaves(t, full, spread)
}

func (l *loop) reduces() bool {
	return slices.ContainsFunc(l.roots, func(r *root) bool { return r.tensor.kind == kindReduce })
}

// makes reports whether the loop stores t itself, element by element.
func (l *loop) makes(t *tensor) bool {
	return slices.ContainsFunc(l.roots, func(r *root) bool { return r.tensor == t && t.kind != kindReduce })
}

func (l *loop) add(t *tensor) {
	l.roots = append(l.roots, &root{tensor: t})
	if t.kind == kindReduce {
		l.size, l.part = t.inputs[0].shape.Size(), t.attributes.(partition)
	} else if !l.reduces() {
		l.size = t.shape.Size()
		l.part = partition{1, l.size, 1}
	}
}

// compiler turns a loop's tensors into its program.
type compiler struct {
	*loop
	refs     map[*tensor]ref
	constant map[*tensor]ref
	places   map[int]int // the index of a slot among the loop's
	virtual  int         // registers so far, without reuse
}

// compile makes the program. New slots come from plan.
func (l *loop) compile(p *plan) {
	c := &compiler{loop: l, refs: map[*tensor]ref{}, constant: map[*tensor]ref{}, places: map[int]int{}}
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

// chooseColumn picks what blocks are aligned to: the inner size of the reductions, or the
// largest vector that is repeated.
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

// expand returns a broadcast's axes, those that behave alike taken together.
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

func (c *compiler) place(slot, size int) int {
	if i, ok := c.places[slot]; ok {
		return i
	}
	i := len(c.slots)
	c.slots, c.bytes = append(c.slots, slot), append(c.bytes, size)
	c.places[slot] = i
	return i
}

func (c *compiler) register() ref {
	c.virtual++
	return ref{refRegister, c.virtual - 1}
}

func (c *compiler) emit(op opcode, dst, a, b, d ref) ref {
	if dst.kind == refNone {
		dst = c.register()
	}
	c.program = append(c.program, instruction{op, dst, a, b, d})
	return dst
}

// store computes a tensor to its memory.
func (c *compiler) store(t *tensor) {
	out := ref{refMemory, c.place(t.slot, t.shape.DType.Size())}
	switch t.shape.DType {
	case dtypes.Bool:
		c.emit(opStoreBool, out, c.compute(t, ref{}), ref{}, ref{})
		// Whoever reads it in this loop takes the mask.
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

// ref returns where a tensor's block is, once it is loaded or computed.
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

// load returns a stored tensor's block, as float32 or a mask.
func (c *compiler) load(t *tensor) ref {
	memory := ref{refMemory, c.place(t.slot, t.shape.DType.Size())}
	op := map[dtypes.DType]opcode{dtypes.Bool: opLoadBool, dtypes.Uint8: opLoadByte, dtypes.Int32: opLoadInt32, dtypes.Int64: opLoadInt64,
		dtypes.BFloat16: opLoadBFloat16}[t.shape.DType]
	if op == opNone {
		return memory
	}
	return c.emit(op, ref{}, memory, ref{}, ref{})
}

// compute makes a tensor that is not stored, or is being stored, in dst if that is given.
func (c *compiler) compute(t *tensor, dst ref) ref {
	if r, ok := c.refs[t]; ok {
		return r
	}
	if t.kind == kindBroadcast {
		return c.spread(t, dst)
	}
	in := t.inputs
	var r ref
	switch {
	case t.op == opConvert:
		r = c.ref(in[0]) // the load converts
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

// fuses reports whether t is a product that only one sum needs.
func (c *compiler) fuses(t *tensor) bool {
	_, computed := c.refs[t]
	return !t.stored && !computed && t.kind == kindElement && t.op == opMul && len(t.users) == 1
}

// spread makes a block of a broadcast. What is the same in every block is made once.
func (c *compiler) spread(t *tensor, dst ref) ref {
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
		// The register takes the bytes first, and then the masks made of them.
		bytes := c.emit(opExpandBytes, ref{}, ref{index: index}, ref{}, ref{})
		return c.emit(opLoadBool, dst, bytes, ref{}, ref{})
	}
	return c.emit(opExpand, dst, ref{index: index}, ref{}, ref{})
}

// prologueRegisters returns the registers that keep their values.
func (c *compiler) prologueRegisters() map[int]bool {
	fixed := map[int]bool{}
	for _, in := range c.prologue {
		fixed[in.dst.index] = true
	}
	return fixed
}

// allocate gives registers that are not used at the same time the same place, and returns
// how many there are.
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
	for _, r := range l.roots { // reductions come after all instructions
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
		// Bytes and masks have different sizes: they do not share a place.
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

func (l *loop) run(r *run) error {
	if err := r.do(l, l.tasks); err != nil {
		return err
	}
	if l.partials < 0 {
		return nil
	}
	k := r.kernels()
	for _, root := range l.roots {
		if root.tensor.kind != kindReduce {
			continue
		}
		out := (*float32)(r.pointer(root.slot))
		n := l.part.inner
		initial(k.Fill, root.reduce, out, n)
		for t := range l.tasks {
			part := (*float32)(unsafe.Add(r.pointer(l.partials), 4*(t*l.width+root.offset)))
			apply(k, root.reduce, unsafe.Pointer(out), unsafe.Pointer(out), unsafe.Pointer(part), nil, n)
		}
	}
	return nil
}

// initial fills n floats with what a reduction starts from.
func initial(fill func(*float32, float32, int), op opcode, dst *float32, n int) {
	switch op {
	case opMax:
		fill(dst, float32(math.Inf(-1)), n)
	case opMin:
		fill(dst, float32(math.Inf(1)), n)
	default:
		fill(dst, 0, n)
	}
}

func (l *loop) task(r *run, s *scratch, i int) {
	b := blocks{loop: l, run: r, registers: s.room(l.registers * maxBlock)}
	for j := range l.prologue {
		in := &l.prologue[j]
		b.expand(in, 0, l.block)
	}
	if l.part.outer > 1 {
		unit := l.part.middle * l.part.inner
		from := i * l.perTask
		for o := from; o < min(from+l.perTask, l.part.outer); o++ {
			for _, root := range l.roots {
				if root.tensor.kind == kindReduce {
					out := (*float32)(unsafe.Add(r.pointer(root.slot), 4*o*l.part.inner))
					initial(r.kernels().Fill, root.reduce, out, l.part.inner)
				}
			}
			b.over(o*unit, (o+1)*unit, i, o)
		}
		return
	}
	for _, root := range l.roots {
		if root.tensor.kind == kindReduce {
			initial(r.kernels().Fill, root.reduce, (*float32)(b.accumulator(root, i, 0)), l.part.inner)
		}
	}
	from := i * l.perTask
	b.over(from, min(from+l.perTask, l.size), i, 0)
}

// blocks is a worker at a task.
type blocks struct {
	*loop
	run       *run
	registers []float32
}

// accumulator returns where a task's part of a reduction is.
func (b *blocks) accumulator(root *root, task, outer int) unsafe.Pointer {
	if b.partials >= 0 {
		return unsafe.Add(b.run.pointer(b.partials), 4*(task*b.width+root.offset))
	}
	return unsafe.Add(b.run.pointer(root.slot), 4*outer*b.part.inner)
}

// over runs the program on the elements from … to-1.
func (b *blocks) over(from, to, task, outer int) {
	k := b.run.kernels()
	for at := from; at < to; {
		n := min(b.block, to-at)
		row := 0
		if b.rowwise {
			row = at % b.column
			n = min(n, b.column-row)
		}
		for j := range b.program {
			in := &b.program[j]
			if in.op == opExpand || in.op == opExpandBytes {
				b.expand(in, at, n)
				continue
			}
			apply(k, in.op, b.at(in.dst, at, row), b.at(in.a, at, row), b.at(in.b, at, row), b.at(in.c, at, row), n)
		}
		for _, root := range b.roots {
			if root.tensor.kind == kindReduce {
				b.reduce(root, unsafe.Add(b.accumulator(root, task, outer), 4*row), at, row, n)
			}
		}
		at += n
	}
}

func (b *blocks) reduce(root *root, acc unsafe.Pointer, at, row, n int) {
	k := b.run.kernels()
	x := (*float32)(b.at(root.from, at, row))
	cols := min(b.part.inner, n)
	rows := n / cols
	switch {
	case root.dot:
		k.DotRows((*float32)(acc), x, (*float32)(b.at(root.with, at, row)), cols, rows)
	case root.reduce == opAdd:
		k.SumRows((*float32)(acc), x, cols, rows)
	case cols == 1:
		best := (*float32)(acc)
		for _, v := range unsafe.Slice(x, n) {
			if root.reduce == opMax {
				*best = max(*best, v)
			} else {
				*best = min(*best, v)
			}
		}
	default:
		for i := range rows {
			apply(k, root.reduce, acc, acc, unsafe.Pointer(&unsafe.Slice(x, n)[i*cols]), nil, cols)
		}
	}
}

// at returns an operand of the block that begins at element at.
func (b *blocks) at(r ref, at, row int) unsafe.Pointer {
	switch r.kind {
	case refRegister:
		return unsafe.Pointer(&b.registers[r.index*maxBlock])
	case refMemory:
		return unsafe.Add(b.run.pointer(b.slots[r.index]), at*b.bytes[r.index])
	case refRow:
		return unsafe.Add(b.run.pointer(b.slots[r.index]), row*b.bytes[r.index])
	}
	return nil
}

// expand writes n elements of a broadcast, from element at on.
func (b *blocks) expand(in *instruction, at, n int) {
	e := &b.expands[in.a.index]
	src := b.run.pointer(e.slot)
	row := at
	if b.rowwise {
		row = at % b.column
	}
	dst := b.at(in.dst, at, row)
	if in.op == opExpandBytes {
		repeat(unsafe.Slice((*uint8)(dst), n), (*uint8)(src), e, at)
		return
	}
	repeat(floatsAt(dst, n), (*float32)(src), e, at)
}

// repeat fills dst with the elements of the expansion of src from the at-th on.
func repeat[T float32 | uint8](dst []T, src *T, e *expansion, at int) {
	inner := len(e.sizes) - 1
	if inner < 0 {
		for i := range dst {
			dst[i] = *src
		}
		return
	}
	width, stride := e.sizes[inner], e.strides[inner]
	for len(dst) > 0 {
		column, rest, from := at%width, at/width, 0
		for i := inner - 1; i >= 0; i-- {
			from += rest % e.sizes[i] * e.strides[i]
			rest /= e.sizes[i]
		}
		n := min(width-column, len(dst))
		if stride == 0 {
			value := *(*T)(unsafe.Add(unsafe.Pointer(src), from*int(unsafe.Sizeof(*src))))
			for i := range n {
				dst[i] = value
			}
		} else {
			first := (*T)(unsafe.Add(unsafe.Pointer(src), (from+column)*int(unsafe.Sizeof(*src))))
			copy(dst[:n], unsafe.Slice(first, n))
		}
		dst, at = dst[n:], at+n
	}
}
