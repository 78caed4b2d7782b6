package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/residual-go/residual/pkg/cpu/internal/kernel/gen/shape"
)

// operation generates code that computes a vector of results in in[0], for vectors of operands. It may
// overwrite the operands and scratch.
type operation func(in []vector, scratch vector)

// held is the first register for constants that are loaded before the loop. The registers below it hold
// operands and intermediate values.
const held = 16

// elementwise generates the elementwise functions.
func (a *assembly) elementwise() {
	// go returns the operation of an instruction that Go's assembler knows, on bits.
	known := func(name string) operation {
		return func(in []vector, _ vector) { a.do(name, in[1].b(), in[0].b(), in[0].b()) }
	}
	two := func(op encoded) operation {
		return func(in []vector, _ vector) { a.binary(op, in[0], in[0], in[1]) }
	}
	one := func(op encoded) operation {
		return func(in []vector, _ vector) { a.unary(op, in[0], in[0]) }
	}
	for _, f := range []struct {
		name, doc, params string
		do                operation
	}{
		{"add", "is a + b.", "a, b", two(fadd)},
		{"sub", "is a - b.", "a, b", two(fsub)},
		{"mul", "is a * b.", "a, b", two(fmul)},
		{"div", "is a / b.", "a, b", two(fdiv)},
		{"max", "is max(a, b).", "a, b", two(fmax)},
		{"min", "is min(a, b).", "a, b", two(fmin)},
		{"equal", "is the mask of a == b.", "a, b", two(fcmeq)},
		{"notEqual", "is the mask of a != b.", "a, b", func(in []vector, _ vector) {
			a.binary(fcmeq, in[0], in[0], in[1])
			a.not(in[0], in[0])
		}},
		{"less", "is the mask of a < b.", "a, b", func(in []vector, _ vector) { a.binary(fcmgt, in[0], in[1], in[0]) }},
		{"lessEqual", "is the mask of a <= b.", "a, b", func(in []vector, _ vector) { a.binary(fcmge, in[0], in[1], in[0]) }},
		{"and", "is a & b.", "a, b", known("VAND")},
		{"or", "is a | b.", "a, b", known("VORR")},
		{"xor", "is a ^ b.", "a, b", known("VEOR")},
		{"andNot", "is a &^ b.", "a, b", func(in []vector, _ vector) { a.andNot(in[0], in[0], in[1]) }},
		{"select", "is a where mask is set, b elsewhere.", "mask, a, b", func(in []vector, _ vector) {
			a.do("VBSL", in[2].b(), in[1].b(), in[0].b())
		}},
		{"mulAdd", "is a*b + c, rounded once.", "a, b, c", func(in []vector, scratch vector) {
			a.do("VFMLA", in[1].s(), in[0].s(), in[2].s())
			a.do("VORR", in[2].b(), in[2].b(), in[0].b())
		}},
		{"neg", "is -a.", "a", one(fneg)},
		{"abs", "is |a|.", "a", one(fabs)},
		{"sqrt", "is √a.", "a", one(fsqrt)},
	} {
		a.elements(f.name, f.doc, f.params, 4, nil, f.do)
	}
	a.elements("rsqrt", "is 1/√a.", "a", 4, []uint32{math.Float32bits(1)}, func(in []vector, _ vector) {
		a.unary(fsqrt, in[0], in[0])
		a.binary(fdiv, in[0], held, in[0])
	})
	a.exp()
	a.elements("fromMask", "is 1 where mask is set, 0 elsewhere.", "mask", 4, []uint32{math.Float32bits(1)}, func(in []vector, _ vector) {
		a.do("VAND", vector(held).b(), in[0].b(), in[0].b())
	})
	a.bfloat16()
	a.fill()
	a.fromBytes()
	a.prefetch()
}

// bfloat16 generates the function that rounds to bfloat16, the upper half of a float32.
func (a *assembly) bfloat16() {
	const one, most, upper, quiet = held, held + 1, held + 2, held + 3
	constants := []uint32{1, 0x7fff, 0xffff0000, 0x00400000}
	a.elements("bfloat16", "is a rounded to the nearest bfloat16, ties to even.", "a", 4, constants, func(in []vector, y vector) {
		x, isNumber := in[0], y+1
		// Adding just under half a unit, plus the last bit that is kept, rounds ties to even.
		a.do("VUSHR", 16, x.s(), y.s())
		a.do("VAND", vector(one).b(), y.b(), y.b())
		a.do("VADD", vector(most).s(), y.s(), y.s())
		a.do("VADD", x.s(), y.s(), y.s())
		// Keep NaN a NaN, whatever its payload.
		a.binary(fcmeq, isNumber, x, x)
		a.do("VORR", vector(quiet).b(), x.b(), x.b())
		a.do("VBIT", isNumber.b(), y.b(), x.b())
		a.do("VAND", vector(upper).b(), x.b(), x.b())
	})
	// Processors with BF16 have an instruction for this, with the same results.
	a.elements("bfloat16Convert", "is bfloat16NEON on processors with BF16.", "a", 4, nil, func(in []vector, _ vector) {
		a.toBFloat16(in[0], in[0])
		a.fromBFloat16(in[0], in[0])
	})
}

// exp generates the function that computes e**x, as package shape describes.
func (a *assembly) exp() {
	floats := append([]float32{shape.ExpLowest, shape.ExpHighest, math.Log2E, shape.Ln2High, shape.Ln2Low}, shape.ExpSeries()...)
	var constants []uint32
	for _, f := range floats {
		constants = append(constants, math.Float32bits(f))
	}
	constants = append(constants, 127)
	lowest, highest, log2e, high, low := vector(held), vector(held+1), vector(held+2), vector(held+3), vector(held+4)
	series := sequence(held+5, len(floats)-5)
	bias := vector(held + len(floats))
	a.elements("exp", "is e**a.", "a", 2, constants, func(in []vector, scratch vector) {
		x, k, kf, sum, next := in[0], scratch, scratch+1, scratch+2, scratch+3
		// Within the limits k stays in its range. NaN stays NaN.
		a.binary(fmax, x, x, lowest)
		a.binary(fmin, x, x, highest)
		a.binary(fmul, kf, x, log2e)
		a.unary(fcvtns, k, kf)
		a.unary(scvtf, kf, k)
		a.do("VFMLS", high.s(), kf.s(), x.s())
		a.do("VFMLS", low.s(), kf.s(), x.s())
		a.do("VORR", series[0].b(), series[0].b(), sum.b())
		for _, c := range series[1:] {
			a.do("VORR", c.b(), c.b(), next.b())
			a.do("VFMLA", sum.s(), x.s(), next.s())
			sum, next = next, sum
		}
		// Multiply by 2**k in two factors: it may overflow or underflow when the result does not.
		half := kf
		a.halve(half, k)
		a.do("VSUB", half.s(), k.s(), k.s())
		for _, e := range []vector{half, k} {
			a.do("VADD", bias.s(), e.s(), e.s())
			a.do("VSHL", 23, e.s(), e.s())
		}
		a.binary(fmul, sum, sum, half)
		a.binary(fmul, x, sum, k)
	})
}

// elements generates a function of the arrays named in params. The constants are in the registers from
// held on.
func (a *assembly) elements(name, doc, params string, unroll int, constants []uint32, do operation) {
	args := a.function(name, "(dst, "+params+" *float32, n int)", doc, append(pointers("dst, "+params), argument{"n", "int"}))
	var free registers
	dst := free.next()
	a.do("MOVD", args["dst"], dst)
	var sources []register
	for p := range strings.SplitSeq(params, ", ") {
		sources = append(sources, free.next())
		a.do("MOVD", args[p], sources[len(sources)-1])
	}
	n, scratch := free.next(), free.next()
	a.do("MOVD", args["n"], n)
	for i, bits := range constants {
		a.broadcast(bits, vector(held+i), scratch)
	}
	// The registers of each vector: its operands, then scratch.
	room := held / unroll
	in := func(k int) []vector { return sequence(k*room, len(sources)) }
	step := func(k int) { do(in(k), vector(k*room+len(sources))) }
	a.blocks(n, unroll, func(vectors int) {
		for s, p := range sources {
			var to []vector
			for k := range vectors {
				to = append(to, in(k)[s])
			}
			a.load(p, 0, to...)
			a.do("ADD", vectors*bytes, p, p)
		}
		var results []vector
		for k := range vectors {
			step(k)
			results = append(results, in(k)[0])
		}
		a.store(dst, 0, results...)
		a.do("ADD", vectors*bytes, dst, dst)
	}, func() {
		for s, p := range sources {
			a.do("FMOVS.P", p.plus(floatSize), in(0)[s].f())
		}
		step(0)
		a.do("FMOVS.P", in(0)[0].f(), dst.plus(floatSize))
	})
}

// blocks generates the loops over n elements and ends the function: first several vectors at a time,
// then one vector, then one element. vectors and single generate the code for these, and advance the
// pointers.
func (a *assembly) blocks(n register, unroll int, vectors func(n int), single func()) {
	loop := func(label string, count int, next string, body func()) {
		a.do("SUBS", count, n, n)
		a.do("BLT", next)
		a.label(label)
		body()
		a.do("SUBS", count, n, n)
		a.do("BGE", label)
		a.label(next)
		a.do("ADD", count, n, n)
	}
	if unroll > 1 {
		loop("vectors", unroll*lanes, "fewer", func() { vectors(unroll) })
	}
	loop("vector", lanes, "rest", func() { vectors(1) })
	a.do("CBZ", n, "done")
	a.label("one")
	single()
	a.do("SUBS", 1, n, n)
	a.do("BNE", "one")
	a.label("done")
	a.ret()
}

// fill generates the function that sets all elements to a value.
func (a *assembly) fill() {
	args := a.function("fill", "(dst *float32, value float32, n int)", "is value.",
		[]argument{{"dst", "*float32"}, {"value", "float32"}, {"n", "int"}})
	dst, n, x := register(0), register(1), vector(0)
	a.do("MOVD", args["dst"], dst)
	a.do("FMOVS", args["value"], x.f())
	a.do("MOVD", args["n"], n)
	a.do("VDUP", x.lane(0), x.s())
	a.blocks(n, 4, func(vectors int) {
		same := make([]vector, vectors)
		for i := range same {
			same[i] = x
		}
		a.store(dst, 0, same...)
		a.do("ADD", vectors*bytes, dst, dst)
	}, func() {
		a.do("FMOVS.P", x.f(), dst.plus(floatSize))
	})
}

// fromBytes generates the function that converts bytes.
func (a *assembly) fromBytes() {
	args := a.function("fromBytes", "(dst *float32, src *byte, n int)", "is float32(src).",
		[]argument{{"dst", "*float32"}, {"src", "*byte"}, {"n", "int"}})
	dst, src, n, byte := register(0), register(1), register(2), register(3)
	a.do("MOVD", args["dst"], dst)
	a.do("MOVD", args["src"], src)
	a.do("MOVD", args["n"], n)
	const count = 16 // bytes in a vector
	a.do("SUBS", count, n, n)
	a.do("BLT", "rest")
	a.label("vectors")
	a.do("FMOVQ.P", src.plus(count), vector(0).f())
	half := func(i, v int, kind string) string { return fmt.Sprintf("V%d.%s", i, kind+fmt.Sprint(v)) }
	a.do("VUXTL", half(0, 8, "B"), half(1, 8, "H"))
	a.do("VUXTL2", half(0, 16, "B"), half(2, 8, "H"))
	for i := range 2 {
		a.do("VUXTL", half(1+i, 4, "H"), vector(4+2*i).s())
		a.do("VUXTL2", half(1+i, 8, "H"), vector(5+2*i).s())
	}
	for i := range 4 {
		a.unary(ucvtf, vector(4+i), vector(4+i))
	}
	a.store(dst, 0, sequence(4, 4)...)
	a.do("ADD", count*floatSize, dst, dst)
	a.do("SUBS", count, n, n)
	a.do("BGE", "vectors")
	a.label("rest")
	a.do("ADD", count, n, n)
	a.do("CBZ", n, "done")
	a.label("one")
	a.do("MOVBU.P", src.plus(1), byte)
	a.do("UCVTFWS", byte, vector(0).f())
	a.do("FMOVS.P", vector(0).f(), dst.plus(floatSize))
	a.do("SUBS", 1, n, n)
	a.do("BNE", "one")
	a.label("done")
	a.ret()
}

// prefetch generates the function that brings memory into the second-level cache.
func (a *assembly) prefetch() {
	const line = 64 // bytes; where lines are longer, some are asked for twice
	args := a.function("prefetch", "(p *float32, n int)", "asks for the cache lines of n floats.",
		[]argument{{"p", "*float32"}, {"n", "int"}})
	p, n := register(0), register(1)
	a.do("MOVD", args["p"], p)
	a.do("MOVD", args["n"], n)
	a.do("CMP", 0, n)
	a.do("BLE", "done")
	a.label("line")
	a.do("PRFM", p.plus(0), "PLDL2KEEP")
	a.do("ADD", line, p, p)
	a.do("SUBS", line/floatSize, n, n)
	a.do("BGT", "line")
	a.label("done")
	a.ret()
}
