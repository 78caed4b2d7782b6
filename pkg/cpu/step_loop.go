package cpu

import (
	"math"
	"slices"
	"unsafe"
)

// loop is a step that computes one or more tensors of the same shape, or reductions of such
// tensors, in one pass over their elements. It runs a program of vector operations on one block
// of elements after another. Blocks are small enough that intermediate values stay in the
// first-level cache.
type loop struct {
	size  int
	roots []*root
	// part is the shape as the reductions see it. Without reductions, everything is the middle.
	part partition

	program  []instruction
	prologue []instruction // fills the registers that are the same for all blocks
	expands  []expansion
	slots    []int // slots of operands and results, by ref.index
	bytes    []int // the size of their elements

	registers int
	block     int // largest number of elements in a block
	column    int // blocks start at multiples of column or, if rowwise, do not cross them
	rowwise   bool
	tasks     int
	perTask   int // elements, or outer indices if part.outer > 1
	partials  int // slot of the tasks' partial reductions, or -1
	width     int // number of floats in one task's partial reductions
	sums      int // number of floats of sums side by side
}

// root is a tensor that a loop computes and stores.
type root struct {
	tensor  *tensor
	slot    int
	reduce  opcode // how a reduction combines elements
	from    ref    // what a reduction reduces
	with    ref    // the second factor of a sum of products
	dot     bool   // a sum of products
	offset  int    // position in a task's partial reductions
	abreast int    // number of rows that a task sums side by side, 1 unless it is a sum of narrow rows
	sums    int    // position of these sums in the task's room
}

// abreast returns the number of rows of the given width to sum side by side. The sums of one narrow row
// after another would wait for each other, since an addition takes several cycles.
func abreast(columns int) int {
	const most = 128
	if columns == 1 || most%columns != 0 { // the kernels treat a single column in their own way
		return 1
	}
	return most / columns
}

// refKind says where an operand is.
type refKind uint8

const (
	refNone     refKind = iota
	refRegister         // in a register: a block that belongs to the worker
	refMemory           // in a tensor of the loop's shape, at the block's position
	refRow              // in a vector, at the block's position within its row
)

// ref is an operand of an instruction.
type ref struct {
	kind  refKind
	index int
}

// instruction is one vector operation. How many operands it has depends on op.
type instruction struct {
	op           opcode
	dst, a, b, c ref
}

// expansion is a tensor that is repeated along some axes. For each axis of the loop, from the
// outermost to the innermost, it has the size and the stride in the tensor.
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

// reduces reports whether the loop computes a reduction.
func (l *loop) reduces() bool {
	return slices.ContainsFunc(l.roots, func(r *root) bool { return r.tensor.kind == kindReduce })
}

// makes reports whether the loop computes and stores t itself, and not only a reduction of it.
func (l *loop) makes(t *tensor) bool {
	return slices.ContainsFunc(l.roots, func(r *root) bool { return r.tensor == t && t.kind != kindReduce })
}

// add makes the loop compute t.
func (l *loop) add(t *tensor) {
	l.roots = append(l.roots, &root{tensor: t})
	if t.kind == kindReduce {
		l.size, l.part = t.inputs[0].shape.Size(), t.attributes.(partition)
	} else if !l.reduces() {
		l.size = t.shape.Size()
		l.part = partition{1, l.size, 1}
	}
}

func (l *loop) run(r *run) error {
	if err := r.do(l, l.tasks); err != nil {
		return err
	}
	return l.last(r)
}

// last combines the partial reductions of the tasks.
func (l *loop) last(r *run) error {
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

// initial fills n floats with the initial value of a reduction.
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
	room := s.room(l.sums + l.registers*maxBlock)
	b := blocks{loop: l, run: r, sums: room[:l.sums], registers: room[l.sums:]}
	for j := range l.prologue {
		in := &l.prologue[j]
		b.expand(in, 0, l.block)
	}
	if l.part.outer > 1 {
		unit := l.part.middle * l.part.inner
		from := i * l.perTask
		for o := from; o < min(from+l.perTask, l.part.outer); o++ {
			b.over(o*unit, (o+1)*unit, i, o)
		}
		return
	}
	from := i * l.perTask
	b.over(from, min(from+l.perTask, l.size), i, 0)
}

// blocks is the state of a worker during a task.
type blocks struct {
	*loop
	run       *run
	sums      []float32 // of rows side by side
	registers []float32
}

// accumulator returns where a task accumulates a reduction.
func (b *blocks) accumulator(root *root, task, outer int) unsafe.Pointer {
	if root.abreast > 1 {
		return unsafe.Pointer(&b.sums[root.sums])
	}
	return b.result(root, task, outer)
}

// result returns where a task leaves its part of a reduction.
func (b *blocks) result(root *root, task, outer int) unsafe.Pointer {
	if b.partials >= 0 {
		return unsafe.Add(b.run.pointer(b.partials), 4*(task*b.width+root.offset))
	}
	return unsafe.Add(b.run.pointer(root.slot), 4*outer*b.part.inner)
}

// over runs the program on the elements [from, to), and reduces them.
func (b *blocks) over(from, to, task, outer int) {
	k := b.run.kernels()
	for _, root := range b.roots {
		if root.tensor.kind == kindReduce {
			initial(k.Fill, root.reduce, (*float32)(b.accumulator(root, task, outer)), b.part.inner*root.abreast)
		}
	}
	b.each(from, to, task, outer)
	for _, root := range b.roots {
		if root.tensor.kind == kindReduce && root.abreast > 1 {
			out := (*float32)(b.result(root, task, outer))
			k.Fill(out, 0, b.part.inner)
			k.SumRows(out, (*float32)(b.accumulator(root, task, outer)), b.part.inner, root.abreast)
		}
	}
}

// each runs the program on one block of the elements [from, to) after another.
func (b *blocks) each(from, to, task, outer int) {
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

// reduce adds a block to a reduction.
func (b *blocks) reduce(root *root, acc unsafe.Pointer, at, row, n int) {
	k := b.run.kernels()
	x := (*float32)(b.at(root.from, at, row))
	cols := min(b.part.inner, n)
	rows := n / cols
	// Rows that do not fill the last set side by side are added to the first.
	sets := rows / root.abreast
	done := sets * root.abreast
	switch {
	case root.dot:
		y := (*float32)(b.at(root.with, at, row))
		k.DotRows((*float32)(acc), x, y, cols*root.abreast, sets)
		if done < rows {
			k.DotRows((*float32)(acc), element(x, done*cols), element(y, done*cols), cols, rows-done)
		}
	case root.reduce == opAdd:
		k.SumRows((*float32)(acc), x, cols*root.abreast, sets)
		if done < rows {
			k.SumRows((*float32)(acc), element(x, done*cols), cols, rows-done)
		}
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

// at returns where an operand is for the block that begins at element at.
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

// expand writes n elements of a broadcast, starting at element at.
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

// repeat fills dst with the elements of the expansion of src, starting at element at.
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
