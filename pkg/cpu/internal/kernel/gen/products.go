package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/gotypes"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/residual-go/residual/pkg/cpu/internal/kernel/gen/shape"
)

// products generates the micro-kernels of matrix products, and the loop that measures the peak.
func (v isa) products() {
	for _, s := range v.shapes {
		vectors := s.Columns / v.lanes
		v.rows(s.Rows, vectors)
		for m := range s.Rows {
			v.cols(m+1, s.Rows, vectors)
		}
	}
	v.burn()
}

// block is the sums of a micro-kernel, in registers.
type block struct {
	v    isa
	sums [][][]VecVirtual // [set][row][vector]
}

// block returns a block of zeros.
func (v isa) block(rows, vectors int) block {
	b := block{v: v}
	for range (shape.Shape{Rows: rows, Columns: vectors * v.lanes}).Sets(v.lanes, v.registers) {
		var sums [][]VecVirtual
		for range rows {
			row := v.vecs(vectors)
			for _, x := range row {
				v.zero(x)
			}
			sums = append(sums, row)
		}
		b.sums = append(b.sums, sums)
	}
	return b
}

// multiply adds a column of A times a row of B to the set number k, modulo the number of sets.
func (b block) multiply(k int, column []Mem, row Mem) {
	sums := b.sums[k%len(b.sums)]
	var right []VecVirtual
	for j := range sums[0] {
		right = append(right, b.v.load(offset(row, j*b.v.bytes())))
	}
	for i, m := range column {
		if b.v.avx512() && len(right) == 1 {
			VFMADD231PS_BCST(m, right[0], sums[i][0])
			continue
		}
		left := b.v.vec()
		VBROADCASTSS(m, left)
		for j, x := range right {
			VFMADD231PS(x, left, sums[i][j])
		}
	}
}

// store writes the sums to the rows of C, or adds them if the argument Add is set. next returns an
// iterator over the rows of C.
func (b block) store(add Mem, next func() func() Mem) {
	total := b.sums[0]
	for _, more := range b.sums[1:] {
		for i, row := range more {
			for j, x := range row {
				VADDPS(x, total[i][j], total[i][j])
			}
		}
	}
	CMPB(add, U8(0))
	JE(LabelRef("store"))
	walk := next()
	for _, row := range total {
		c := walk()
		for j, x := range row {
			VADDPS(offset(c, j*b.v.bytes()), x, x)
		}
	}
	Label("store")
	walk = next()
	for _, row := range total {
		c := walk()
		for j, x := range row {
			VMOVUPS(x, offset(c, j*b.v.bytes()))
		}
	}
	b.v.end()
}

// rows generates the "rows" kernel.
func (v isa) rows(rows, vectors int) {
	const unroll = 4
	width := vectors * v.lanes
	v.function(fmt.Sprintf("rows%dx%d", rows, width), "func(args *Rows)",
		fmt.Sprintf("is the rows kernel of %d by %d.", rows, width))
	args := Dereference(Param("args"))
	off := Load(args.Field("Off"), GP64())
	b := Load(args.Field("B"), GP64())
	taps := Load(args.Field("Taps"), GP64())
	sums := v.block(rows, vectors)

	Label("tap")
	// Pointers to the ends of the runs: one index that counts up to 0 then serves all of them.
	a, zero := GP64(), GP64()
	MOVQ(addr(args.Field("Run")), zero)
	SHLQ(U8(2), zero)
	MOVQ(zero, a)
	ADDQ(addr(args.Field("A")), a)
	ADDQ(addr(args.Field("Zero")), zero)
	runs := make([]Register, rows)
	for i := range runs {
		run := GP64()
		MOVLQSX(Mem{Base: off, Disp: i * floatSize}, run)
		TESTQ(run, run)
		LEAQ(Mem{Base: a, Index: run, Scale: floatSize}, run)
		CMOVQLT(zero, run)
		runs[i] = run
	}
	r := GP64()
	MOVQ(addr(args.Field("Run")), r)
	NEGQ(r)
	// multiply generates the code for element r+ahead.
	multiply := func(ahead int) {
		column := make([]Mem, rows)
		for i, run := range runs {
			column[i] = Mem{Base: run, Index: r, Scale: floatSize, Disp: ahead * floatSize}
		}
		sums.multiply(ahead, column, Mem{Base: b, Disp: ahead * width * floatSize})
	}

	CMPQ(r, I8(-unroll))
	JGT(LabelRef("rest"))
	Label("unrolled")
	for ahead := range unroll {
		multiply(ahead)
	}
	ADDQ(I32(unroll*width*floatSize), b)
	ADDQ(I8(unroll), r)
	CMPQ(r, I8(-unroll))
	JLE(LabelRef("unrolled"))

	Label("rest")
	TESTQ(r, r)
	JZ(LabelRef("next"))
	Label("one")
	multiply(0)
	ADDQ(I32(width*floatSize), b)
	INCQ(r)
	JNZ(LabelRef("one"))

	Label("next")
	ADDQ(I8(rows*floatSize), off)
	DECQ(taps)
	JNZ(LabelRef("tap"))

	c := Load(args.Field("C"), GP64())
	cOff := Load(args.Field("COff"), GP64())
	sums.store(addr(args.Field("Add")), func() func() Mem {
		i := 0
		return func() Mem {
			o := GP64()
			MOVLQSX(Mem{Base: cOff, Disp: i * floatSize}, o)
			i++
			return Mem{Base: c, Index: o, Scale: floatSize}
		}
	})
}

// cols generates the "cols" kernel for m rows of a shape of the given size.
func (v isa) cols(m, rows, vectors int) {
	const unroll = 2
	width := vectors * v.lanes
	v.function(fmt.Sprintf("cols%dx%dm%d", rows, width, m), "func(args *Cols)",
		fmt.Sprintf("is the cols kernel of %d by %d for m = %d.", rows, width, m))
	args := Dereference(Param("args"))
	a := Load(args.Field("A"), GP64())
	b := Load(args.Field("B"), GP64())
	off := Load(args.Field("Off"), GP64())
	n := Load(args.Field("N"), GP64())
	sums := v.block(m, vectors)
	// multiply generates the outer product of pair number ahead after off.
	multiply := func(ahead int) {
		ao, bo := GP64(), GP64()
		// Load both offsets at once: loads are this kernel's bottleneck.
		MOVQ(Mem{Base: off, Disp: 2 * ahead * floatSize}, bo)
		MOVLQSX(bo.As32(), ao)
		SARQ(U8(32), bo)
		column := make([]Mem, m)
		for i := range column {
			column[i] = Mem{Base: a, Index: ao, Scale: floatSize, Disp: i * floatSize}
		}
		sums.multiply(ahead, column, Mem{Base: b, Index: bo, Scale: floatSize})
	}

	CMPQ(n, I8(unroll))
	JLT(LabelRef("rest"))
	Label("unrolled")
	for ahead := range unroll {
		multiply(ahead)
	}
	ADDQ(I8(unroll*2*floatSize), off)
	SUBQ(I8(unroll), n)
	CMPQ(n, I8(unroll))
	JGE(LabelRef("unrolled"))

	Label("rest")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	multiply(0)

	Label("done")
	first := Load(args.Field("C"), GP64())
	stride := Load(args.Field("LDC"), GP64())
	SHLQ(U8(2), stride)
	sums.store(addr(args.Field("Add")), func() func() Mem {
		c := GP64()
		MOVQ(first, c)
		started := false
		return func() Mem {
			if started {
				ADDQ(stride, c)
			}
			started = true
			return Mem{Base: c}
		}
	})
}

// burn generates the loop of multiply-adds that measures the peak.
func (v isa) burn() {
	// More than can be in flight at once on any machine so far.
	const sums = 12
	v.function("burn", "func(iterations int) (flops int)",
		"runs independent multiply-adds and returns the number of operations.")
	n := Load(Param("iterations"), GP64())
	flops := GP64()
	IMUL3Q(I32(sums*v.lanes*2), n, flops)
	x := v.vec()
	v.zero(x)
	s := v.vecs(sums)
	for i := range s {
		v.zero(s[i])
	}
	TESTQ(n, n)
	JLE(LabelRef("done"))
	Label("loop")
	for i := range s {
		VFMADD231PS(x, x, s[i])
	}
	DECQ(n)
	JNZ(LabelRef("loop"))
	Label("done")
	Store(flops, Return("flops"))
	v.end()
}

// addr returns the address of a field or parameter.
func addr(c gotypes.Component) Mem {
	b, err := c.Resolve()
	if err != nil {
		panic(err)
	}
	return b.Addr
}
