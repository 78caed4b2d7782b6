package main

import (
	"fmt"
	"strings"
)

// term generates code that adds the term of the operands to acc. It may overwrite the operands.
type term func(acc, mean vector, in []vector)

// sums generates the functions for column sums of matrices.
func (a *assembly) sums() {
	a.sum("sumRows", "adds Σ x to acc.", "acc, x", 16, func(acc, _ vector, in []vector) {
		a.binary(fadd, acc, acc, in[0])
	})
	a.sum("dotRows", "adds Σ a*b to acc.", "acc, a, b", 16, func(acc, _ vector, in []vector) {
		a.do("VFMLA", in[0].s(), in[1].s(), acc.s())
	})
	// Each register of sums needs another register for its means.
	a.sum("momentRows", "adds Σ (x-mean)² to acc.", "acc, mean, x", 8, func(acc, mean vector, in []vector) {
		a.binary(fsub, in[0], in[0], mean)
		a.do("VFMLA", in[0].s(), in[0].s(), acc.s())
	})
}

// sum generates a function with the given parameters, all but the last two of its arguments: it sums
// terms of acc's successors and, if one of these is called mean, of that. It handles up to widest
// vectors of columns at a time.
func (a *assembly) sum(name, doc, params string, widest int, do term) {
	args := a.function(name, "("+params+" *float32, cols, rows int)", doc,
		append(pointers(params), argument{"cols", "int"}, argument{"rows", "int"}))
	var free registers
	get := func(name string) register {
		r := free.next()
		a.do("MOVD", args[name], r)
		return r
	}
	acc, mean, hasMean := get("acc"), register(0), false
	var from []register
	for p := range strings.SplitSeq(strings.TrimPrefix(params, "acc, "), ", ") {
		if p == "mean" {
			mean, hasMean = get(p), true
			continue
		}
		from = append(from, get(p))
	}
	cols, rows := get("cols"), get("rows")
	stride, left := free.next(), free.next()
	var at []register
	for range from {
		at = append(at, free.next())
	}
	a.do("CBZ", rows, "done")
	a.do("CMP", 1, cols)
	a.do("BEQ", "column")
	a.do("LSL", 2, cols, stride)

	// down generates the loop over all rows for the given number of columns: of vectors, or 1.
	down := func(label string, columns int) {
		n := max(1, columns/lanes)
		load := func(p register, to []vector) {
			if columns == 1 {
				a.do("FMOVS", p.plus(0), to[0].f())
			} else {
				a.load(p, 0, to...)
			}
		}
		sum, mu := sequence(0, n), sequence(n, n)
		load(acc, sum)
		first := n
		if hasMean {
			load(mean, mu)
			first = 2 * n
		}
		for i, p := range from {
			a.do("MOVD", p, at[i])
		}
		a.do("MOVD", rows, left)
		a.label(label)
		// A few vectors at a time: as many as there are registers for.
		batch := min(n, (32-first)/len(from))
		for done := 0; done < n; done += batch {
			for i, p := range at {
				to := sequence(first+i*batch, batch)
				if columns == 1 {
					load(p, to)
				} else {
					a.load(p, done*bytes, to...)
				}
			}
			for j := range batch {
				var in []vector
				for i := range from {
					in = append(in, vector(first+i*batch+j))
				}
				do(sum[done+j], mu[done+j], in)
			}
		}
		for _, p := range at {
			a.do("ADD", stride, p, p)
		}
		a.do("SUBS", 1, left, left)
		a.do("BNE", label)
		if columns == 1 {
			a.do("FMOVS", sum[0].f(), acc.plus(0))
		} else {
			a.store(acc, 0, sum...)
		}
		moved := append([]register{acc}, from...)
		if hasMean {
			moved = append(moved, mean)
		}
		for _, p := range moved {
			a.do("ADD", columns*floatSize, p, p)
		}
	}
	for w := widest * lanes; w > 0; w /= 2 {
		if w == 2 {
			continue
		}
		next := fmt.Sprintf("cols%d", max(w/2, 1))
		if w == lanes {
			next = "cols1"
		}
		if w == 1 {
			next = "done"
		}
		a.label(fmt.Sprintf("cols%d", w))
		a.do("CMP", w, cols)
		a.do("BLT", next)
		down(fmt.Sprintf("rows%d", w), w)
		a.do("SUB", w, cols, cols)
		a.do("JMP", fmt.Sprintf("cols%d", w))
	}
	a.label("column")
	a.column(acc, mean, hasMean, from, rows, left, do)
	a.label("done")
	a.ret()
}

// column generates the sum of a single column of n elements, n > 0. Like AVX2, it has 8 sums of 8
// elements, here two vectors each, and adds these in the same order.
func (a *assembly) column(acc, mean register, hasMean bool, from []register, n, scratch register, do term) {
	const unroll, wide = 8, 8
	const perSum = wide / lanes
	all := sequence(0, unroll*perSum)
	for _, x := range all {
		a.zero(x)
	}
	const first, means, someMeans = unroll * perSum, 31, 30
	if hasMean {
		a.do("FMOVS", mean.plus(0), vector(means).f())
		a.do("VDUP", vector(means).lane(0), vector(means).s())
	}
	// add generates the code that adds consecutive vectors to the sums, and advances the pointers.
	add := func(sums []vector) {
		const batch = 4
		for done := 0; done < len(sums); done += batch {
			some := sums[done:min(done+batch, len(sums))]
			for i, p := range from {
				a.load(p, done*bytes, sequence(first+i*batch, len(some))...)
			}
			for j, sum := range some {
				var in []vector
				for i := range from {
					in = append(in, vector(first+i*batch+j))
				}
				do(sum, means, in)
			}
		}
		for _, p := range from {
			a.do("ADD", len(sums)*bytes, p, p)
		}
	}
	loop := func(label string, sums []vector, next string) {
		count := len(sums) * lanes
		a.do("SUBS", count, n, n)
		a.do("BLT", next)
		a.label(label)
		add(sums)
		a.do("SUBS", count, n, n)
		a.do("BGE", label)
		a.label(next)
		a.do("ADD", count, n, n)
	}
	loop("vectors", all, "fewer")
	loop("vector", all[:perSum], "rest")

	// The rest, up to 7 elements, goes to the second sum. A vector that is not full has zeros in the other
	// lanes, and so has its mean.
	some := func(prefix string, sum vector) {
		var in []vector
		for i := range from {
			in = append(in, vector(first+i))
		}
		end := prefix + "Loaded"
		a.do("CMP", 2, n)
		a.do("BLT", prefix+"One")
		a.do("BEQ", prefix+"Two")
		for _, width := range []int{3, 2, 1} {
			if width < 3 {
				a.label(prefix + []string{"", "One", "Two"}[width])
			}
			load := map[int]string{1: "FMOVS", 2: "FMOVD", 3: "FMOVD"}[width]
			for i, p := range from {
				a.do(load, p.plus(0), in[i].f())
				if width == 3 {
					a.do("ADD", 2*floatSize, p, scratch)
					a.do("VLD1", fmt.Sprintf("(%s)", scratch), in[i].lane(2))
				}
			}
			if hasMean {
				a.do(load, vector(means).f(), vector(someMeans).f())
				if width == 3 {
					a.do("VMOV", vector(means).lane(2), vector(someMeans).lane(2))
				}
			}
			if width > 1 {
				a.do("JMP", end)
			}
		}
		a.label(end)
		do(sum, someMeans, in)
		a.do("JMP", "total")
	}
	a.do("CBZ", n, "total")
	a.do("SUBS", lanes, n, n)
	a.do("BLT", "lower")
	add(all[perSum : perSum+1])
	a.do("CBZ", n, "total")
	some("upper", all[perSum+1])
	a.label("lower")
	a.do("ADD", lanes, n, n)
	some("lower", all[perSum])

	a.label("total")
	for w := unroll * perSum / 2; w >= perSum; w /= 2 {
		for j := range w {
			a.binary(fadd, all[j], all[j], all[j+w])
		}
	}
	// Add the halves of what remains until one element is left.
	sum, half := all[0], all[2]
	a.binary(fadd, sum, sum, all[1])
	a.do("VEXT", 2*floatSize, sum.b(), sum.b(), half.b())
	a.binary(fadd, sum, sum, half)
	a.addPair(sum, sum)
	a.do("FMOVS", acc.plus(0), half.f())
	a.do("FADDS", half.f(), sum.f(), sum.f())
	a.do("FMOVS", sum.f(), acc.plus(0))
}
