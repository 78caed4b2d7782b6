package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// sums generates the functions for column sums of matrices.
func (v isa) sums() {
	v.sum("sumRows", "adds Σ x to acc.", "acc, x", []string{"x"}, "", 8,
		func(acc, _ VecVirtual, in []VecVirtual, _ *mask) {
			VADDPS(in[0], acc, acc)
		})
	v.sum("dotRows", "adds Σ a*b to acc.", "acc, a, b", []string{"a", "b"}, "", 8,
		func(acc, _ VecVirtual, in []VecVirtual, _ *mask) {
			VFMADD231PS(in[0], in[1], acc)
		})
	// Each register of sums needs another register for its means.
	widest := 4
	if v.avx512() {
		widest = 8
	}
	v.sum("momentRows", "adds Σ (x-mean)² to acc.", "acc, mean, x", []string{"x"}, "mean", widest,
		func(acc, mean VecVirtual, in []VecVirtual, k *mask) {
			VSUBPS(mean, in[0], in[0])
			if k != nil {
				v.clearMasked(in[0], *k)
			}
			VFMADD231PS(in[0], in[0], acc)
		})
}

// term adds the term of the operands to acc. Under a mask, invalid elements of the operands are
// zeros, and the same elements of acc must not change.
type term func(acc, mean VecVirtual, in []VecVirtual, k *mask)

// sum generates a function with the given parameters that sums terms of sources and, if mean is
// not empty, of a mean. It handles up to widest vectors of columns at a time.
func (v isa) sum(name, doc, params string, sources []string, mean string, widest int, do term) {
	v.function(name, "func("+params+" *float32, cols, rows int)", doc)
	acc := Load(Param("acc"), GP64())
	var from []Register
	for _, s := range sources {
		from = append(from, Load(Param(s), GP64()))
	}
	var means Register
	if mean != "" {
		means = Load(Param(mean), GP64())
	}
	cols := Load(Param("cols"), GP64())
	rows := Load(Param("rows"), GP64())
	TESTQ(rows, rows)
	JZ(LabelRef("done"))
	CMPQ(cols, I8(1))
	JE(LabelRef("column"))

	stride := GP64()
	MOVQ(cols, stride)
	SHLQ(U8(2), stride)
	// down generates the loop over all rows for the given number of vectors of columns.
	down := func(label string, vectors int, load loader, store storer, k *mask) {
		var sum, mu []VecVirtual
		for j := range vectors {
			sum = append(sum, load(Mem{Base: acc, Disp: j * v.bytes()}))
			if mean != "" {
				mu = append(mu, load(Mem{Base: means, Disp: j * v.bytes()}))
			} else {
				mu = append(mu, nil)
			}
		}
		var row []Register
		for _, p := range from {
			q := GP64()
			MOVQ(p, q)
			row = append(row, q)
		}
		left := GP64()
		MOVQ(rows, left)
		Label(label)
		for j := range vectors {
			var in []VecVirtual
			for _, q := range row {
				in = append(in, load(Mem{Base: q, Disp: j * v.bytes()}))
			}
			do(sum[j], mu[j], in, k)
		}
		for _, q := range row {
			ADDQ(stride, q)
		}
		DECQ(left)
		JNZ(LabelRef(label))
		for j, x := range sum {
			store(x, Mem{Base: acc, Disp: j * v.bytes()})
		}
	}
	for w := widest; w > 0; w /= 2 {
		label := fmt.Sprintf("cols%d", w)
		next := fmt.Sprintf("cols%d", w/2)
		Label(label)
		CMPQ(cols, I32(w*v.lanes))
		JLT(LabelRef(next))
		down(fmt.Sprintf("rows%d", w), w, v.load, func(x VecVirtual, m Mem) { VMOVUPS(x, m) }, nil)
		for _, p := range append([]Register{acc, means}, from...) {
			if p != nil {
				ADDQ(I32(w*v.bytes()), p)
			}
		}
		SUBQ(I32(w*v.lanes), cols)
		JMP(LabelRef(label))
	}
	Label("cols0")
	TESTQ(cols, cols)
	JZ(LabelRef("done"))
	k := v.mask(cols)
	down("rows0", 1,
		func(m Mem) VecVirtual { return v.loadMasked(m, k) },
		func(x VecVirtual, m Mem) { v.storeMasked(x, m, k) }, &k)
	JMP(LabelRef("done"))

	Label("column")
	v.column(acc, means, from, rows, do)
	Label("done")
	v.end()
}

// column generates the sum of a single column of n elements, n > 0.
func (v isa) column(acc, means Register, from []Register, n Register, do term) {
	const unroll = 8
	sums := v.vecs(unroll)
	for _, x := range sums {
		v.zero(x)
	}
	var mean VecVirtual
	if means != nil {
		mean = v.vec()
		VBROADCASTSS(Mem{Base: means}, mean)
	}
	step := func(sum VecVirtual, ahead int, load loader, k *mask) {
		var in []VecVirtual
		for _, p := range from {
			in = append(in, load(Mem{Base: p, Disp: ahead * v.bytes()}))
		}
		do(sum, mean, in, k)
	}
	loop := func(label string, vectors int, next string) {
		Label(label)
		CMPQ(n, I32(vectors*v.lanes))
		JLT(LabelRef(next))
		for j := range vectors {
			step(sums[j], j, v.load, nil)
		}
		for _, p := range from {
			ADDQ(I32(vectors*v.bytes()), p)
		}
		SUBQ(I32(vectors*v.lanes), n)
		JMP(LabelRef(label))
	}
	loop("vectors", unroll, "vector")
	loop("vector", 1, "rest")
	Label("rest")
	TESTQ(n, n)
	JZ(LabelRef("total"))
	k := v.mask(n)
	step(sums[1], 0, func(m Mem) VecVirtual { return v.loadMasked(m, k) }, &k)

	Label("total")
	for w := unroll / 2; w > 0; w /= 2 {
		for j := range w {
			VADDPS(sums[j+w], sums[j], sums[j])
		}
	}
	// Add the halves of the remaining vector until one element is left.
	sum := sums[0]
	if v.avx512() {
		upper := YMM()
		VEXTRACTF64X4(U8(1), sum, upper)
		VADDPS(upper, sum.AsY(), sum.AsY())
	}
	upper, x := XMM(), sum.AsX()
	VEXTRACTF128(U8(1), sum.AsY(), upper)
	VADDPS(upper, x, x)
	VMOVHLPS(x, x, upper)
	VADDPS(upper, x, x)
	VMOVSHDUP(x, upper)
	VADDSS(upper, x, x)
	VADDSS(Mem{Base: acc}, x, x)
	VMOVSS(x, Mem{Base: acc})
}
