package main

import (
	"fmt"
	"strings"

	"github.com/residual-go/residual/pkg/cpu/internal/kernel/gen/shape"
)

// products generates the micro-kernels of matrix products, and the loop that measures the peak.
func (a *assembly) products() {
	for _, s := range shape.NEON {
		a.rows(s)
		for m := range s.Rows {
			a.cols(m+1, s)
		}
	}
	a.burn()
}

// block is the sums of a micro-kernel, in the registers from 0 on: [set][row][vector].
type block struct {
	rows, vectors, sets int
}

// block returns a block of zeros. It has as many sets of sums as that of AVX2, which adds in the same
// order.
func (a *assembly) block(rows, columns int) block {
	const avx2Lanes, avx2Registers = 8, 16
	b := block{rows, columns / lanes, shape.Shape{Rows: rows, Columns: columns}.Sets(avx2Lanes, avx2Registers)}
	for i := range b.size() {
		a.zero(vector(i))
	}
	return b
}

// size returns the number of registers of sums, which is the number of the first free register.
func (b block) size() int { return b.sets * b.rows * b.vectors }

// row returns the sums of a row in a set.
func (b block) row(set, row int) []vector { return sequence((set*b.rows+row)*b.vectors, b.vectors) }

// sequence returns n registers, from the given one on.
func sequence(from, n int) []vector {
	list := make([]vector, n)
	for i := range list {
		list[i] = vector(from + i)
	}
	return list
}

// element is an element of a column of A, in a register.
type element struct {
	register vector
	lane     int
}

// multiply adds a column of A times a row of B, which is at p, to a set of sums. It loads two vectors
// of B at a time, into right.
func (a *assembly) multiply(b block, set int, column []element, p register, at int, right [2]vector) {
	for j := 0; j < b.vectors; j += 2 {
		a.load(p, at+j*bytes, right[0], right[1])
		for i, e := range column {
			for k, v := range right {
				a.multiplyAdd(b.row(set, i)[j+k], v, e.register, e.lane)
			}
		}
	}
}

// write writes the sums to the rows of C, or adds them if add is not 0. next generates the code that
// returns a register with the address of the next row.
func (a *assembly) write(b block, add register, walk func() (next func() register)) {
	for set := 1; set < b.sets; set++ {
		for i := range b.rows {
			for j, x := range b.row(set, i) {
				total := b.row(0, i)[j]
				a.binary(fadd, total, total, x)
			}
		}
	}
	old := sequence(24, 4)
	for _, adding := range []bool{true, false} {
		if adding {
			a.do("CBZ", add, "store")
		} else {
			a.label("store")
		}
		next := walk()
		for i := range b.rows {
			c := next()
			if adding {
				a.load(c, 0, old...)
				for j, x := range b.row(0, i) {
					a.binary(fadd, x, x, old[j])
				}
			}
			a.store(c, 0, b.row(0, i)...)
		}
		a.ret()
	}
}

// field is the address of a field of Rows or Cols. go_asm.h, which the Go command writes, has the offsets.
func field(r register, name string) string { return fmt.Sprintf("%s(%s)", name, r) }

// rows generates the "rows" kernel.
func (a *assembly) rows(s shape.Shape) {
	width := s.Columns * floatSize
	args := a.function(fmt.Sprintf("rows%dx%d", s.Rows, s.Columns), "(args *Rows)",
		fmt.Sprintf("is the rows kernel of %d by %d.", s.Rows, s.Columns), []argument{{"args", "*Rows"}})
	var free registers
	p, off, b, taps, run, zero := free.next(), free.next(), free.next(), free.next(), free.next(), free.next()
	base, left, row := free.next(), free.next(), make([]register, s.Rows)
	for i := range row {
		row[i] = free.next()
	}
	a.do("MOVD", args["args"], p)
	a.do("MOVD", field(p, "Rows_Off"), off)
	a.do("MOVD", field(p, "Rows_B"), b)
	a.do("MOVD", field(p, "Rows_Taps"), taps)
	a.do("MOVD", field(p, "Rows_Run"), run)
	a.do("MOVD", field(p, "Rows_Zero"), zero)
	a.do("MOVD", field(p, "Rows_A"), base)
	sums := a.block(s.Rows, s.Columns)
	left4 := sequence(sums.size(), s.Rows) // 4 elements of each row of A
	right := [2]vector{vector(sums.size() + s.Rows), vector(sums.size() + s.Rows + 1)}
	column := func(lane int) []element {
		list := make([]element, s.Rows)
		for i := range list {
			list[i] = element{left4[i], lane}
		}
		return list
	}

	a.label("tap")
	for i, r := range row {
		a.do("MOVW.P", fmt.Sprintf("%d(%s)", floatSize, off), r)
		a.do("ADD", fmt.Sprintf("%s<<2", r), base, left)
		a.do("CMP", 0, r)
		a.do("CSEL", "LT", zero, left, row[i])
	}
	a.do("SUBS", lanes, run, left)
	a.do("BLT", "rest")
	a.label("vectors")
	for i, r := range row {
		a.do("FMOVQ.P", r.plus(bytes), left4[i].f())
	}
	for k := range lanes {
		a.multiply(sums, 0, column(k), b, k*width, right)
	}
	a.do("ADD", lanes*width, b, b)
	a.do("SUBS", lanes, left, left)
	a.do("BGE", "vectors")

	a.label("rest")
	a.do("ADDS", lanes, left, left)
	a.do("BEQ", "next")
	a.label("one")
	for i, r := range row {
		a.do("FMOVS.P", r.plus(floatSize), left4[i].f())
	}
	a.multiply(sums, 0, column(0), b, 0, right)
	a.do("ADD", width, b, b)
	a.do("SUBS", 1, left, left)
	a.do("BNE", "one")

	a.label("next")
	a.do("SUBS", 1, taps, taps)
	a.do("BNE", "tap")

	c, add := base, left
	a.do("MOVD", field(p, "Rows_C"), c)
	a.do("MOVD", field(p, "Rows_COff"), off)
	a.do("MOVBU", field(p, "Rows_Add"), add)
	a.write(sums, add, func() func() register {
		i := 0
		return func() register {
			a.do("MOVW", off.plus(i*floatSize), zero)
			a.do("ADD", fmt.Sprintf("%s<<2", zero), c, zero)
			i++
			return zero
		}
	})
}

// cols generates the "cols" kernel for m rows of a shape of the given size.
func (a *assembly) cols(m int, s shape.Shape) {
	const unroll = 2
	args := a.function(fmt.Sprintf("cols%dx%dm%d", s.Rows, s.Columns, m), "(args *Cols)",
		fmt.Sprintf("is the cols kernel of %d by %d for m = %d.", s.Rows, s.Columns, m), []argument{{"args", "*Cols"}})
	var free registers
	p, baseA, baseB, off, n := free.next(), free.next(), free.next(), free.next(), free.next()
	ao, bo := free.next(), free.next()
	a.do("MOVD", args["args"], p)
	a.do("MOVD", field(p, "Cols_A"), baseA)
	a.do("MOVD", field(p, "Cols_B"), baseB)
	a.do("MOVD", field(p, "Cols_Off"), off)
	a.do("MOVD", field(p, "Cols_N"), n)
	sums := a.block(m, s.Columns)
	left := sequence(sums.size(), 2)
	right := sequence(sums.size()+len(left), sums.vectors)
	// multiply generates the outer product of pair number ahead after off.
	multiply := func(ahead, set int) {
		a.do("LDPSW", off.plus(ahead*2*floatSize), fmt.Sprintf("(%s, %s)", ao, bo)) // both offsets at once
		a.do("ADD", fmt.Sprintf("%s<<2", ao), baseA, ao)
		a.do("ADD", fmt.Sprintf("%s<<2", bo), baseB, bo)
		// Load exactly the m elements of A, with the widest loads that fit.
		var column []element
		for done, into := 0, 0; done < m; into++ {
			size := 1
			switch rest := m - done; {
			case rest >= 4:
				size = 4
				a.do("VLD1", fmt.Sprintf("(%s)", ao), fmt.Sprintf("[%s]", left[into].s()))
			case rest >= 2:
				size = 2
				a.do("FMOVD", ao.plus(done*floatSize), left[into].f())
			default:
				a.do("FMOVS", ao.plus(done*floatSize), left[into].f())
			}
			for lane := range size {
				column = append(column, element{left[into], lane})
			}
			done += size
		}
		// This takes one micro-operation per vector on Neoverse N1; a pair takes three.
		var names []string
		for _, v := range right {
			names = append(names, v.s())
		}
		a.do("VLD1", fmt.Sprintf("(%s)", bo), fmt.Sprintf("[%s]", strings.Join(names, ", ")))
		for i, e := range column {
			for j, v := range right {
				a.multiplyAdd(sums.row(set, i)[j], v, e.register, e.lane)
			}
		}
	}

	a.do("SUBS", unroll, n, n)
	a.do("BLT", "rest")
	a.label("unrolled")
	for k := range unroll {
		multiply(k, k%sums.sets)
	}
	a.do("ADD", unroll*2*floatSize, off, off)
	a.do("SUBS", unroll, n, n)
	a.do("BGE", "unrolled")
	a.label("rest")
	a.do("ADDS", unroll, n, n)
	a.do("BEQ", "done")
	multiply(0, 0)

	a.label("done")
	first, stride, add := baseA, baseB, n
	a.do("MOVD", field(p, "Cols_C"), first)
	a.do("MOVD", field(p, "Cols_LDC"), stride)
	a.do("LSL", 2, stride, stride)
	a.do("MOVBU", field(p, "Cols_Add"), add)
	a.write(sums, add, func() func() register {
		c, started := ao, false
		return func() register {
			if started {
				a.do("ADD", stride, c, c)
			} else {
				a.do("MOVD", first, c)
			}
			started = true
			return c
		}
	})
}

// burn generates the loop of multiply-adds that measures the peak.
func (a *assembly) burn() {
	// More than can be in flight at once: four units with a latency of four cycles have 16.
	const sums = 24
	args := a.function("burn", "(iterations int) (flops int)",
		"runs independent multiply-adds and returns the number of operations.", []argument{{"iterations", "int"}, {"flops", "int"}})
	n, flops := register(0), register(1)
	x := vector(sums)
	a.do("MOVD", args["iterations"], n)
	a.do("MOVD", sums*lanes*2, flops)
	a.do("MUL", n, flops, flops)
	for i := range sums + 1 {
		a.zero(vector(i))
	}
	a.do("CMP", 0, n)
	a.do("BLE", "done")
	a.label("loop")
	for i := range sums {
		a.do("VFMLA", x.s(), x.s(), vector(i).s())
	}
	a.do("SUBS", 1, n, n)
	a.do("BNE", "loop")
	a.label("done")
	a.do("MOVD", flops, args["flops"])
	a.ret()
}
