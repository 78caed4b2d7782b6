package main

import (
	"math"
	"strings"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/residual-go/residual/pkg/cpu/internal/kernel/gen/shape"
)

// operation returns the vector of results for vectors of operands, which it may overwrite.
type operation func(in []VecVirtual) VecVirtual

// instruction returns the operation of a single instruction with two operands.
func instruction(f func(ops ...Op)) operation {
	return func(in []VecVirtual) VecVirtual {
		f(in[1], in[0], in[0])
		return in[0]
	}
}

// elementwise generates the elementwise functions.
func (v isa) elementwise() {
	const unroll = 4
	for _, f := range []struct {
		name, doc string
		do        operation
	}{
		{"add", "is a + b.", instruction(VADDPS)},
		{"sub", "is a - b.", instruction(VSUBPS)},
		{"mul", "is a * b.", instruction(VMULPS)},
		{"div", "is a / b.", instruction(VDIVPS)},
		{"max", "is max(a, b).", v.extreme(VMAXPS)},
		{"min", "is min(a, b).", v.extreme(VMINPS)},
		{"equal", "is the mask of a == b.", v.comparison(equal)},
		{"notEqual", "is the mask of a != b.", v.comparison(notEqual)},
		{"less", "is the mask of a < b.", v.comparison(less)},
		{"lessEqual", "is the mask of a <= b.", v.comparison(lessEqual)},
		{"and", "is a & b.", func(in []VecVirtual) VecVirtual { return v.and(in[0], in[1]) }},
		{"or", "is a | b.", func(in []VecVirtual) VecVirtual { return v.or(in[0], in[1]) }},
		{"xor", "is a ^ b.", func(in []VecVirtual) VecVirtual { return v.xor(in[0], in[1]) }},
		{"andNot", "is a &^ b.", func(in []VecVirtual) VecVirtual { return v.andNot(in[0], in[1]) }},
	} {
		v.elements(f.name, f.doc, "a, b", unroll, nil, f.do)
	}
	v.elements("select", "is a where mask is set, b elsewhere.", "mask, a, b", unroll, nil, v.selection)
	v.elements("mulAdd", "is a*b + c, rounded once.", "a, b, c", unroll, nil, func(in []VecVirtual) VecVirtual {
		VFMADD213PS(in[2], in[1], in[0])
		return in[0]
	})

	// Operations with a constant, which is loaded into a register before the loop.
	var held VecVirtual
	hold := func(bits uint32) func() {
		return func() { held = v.broadcast(bits) }
	}
	one, sign := math.Float32bits(1), uint32(1<<31)
	v.elements("neg", "is -a.", "a", unroll, hold(sign), func(in []VecVirtual) VecVirtual {
		return v.xor(in[0], held)
	})
	v.elements("abs", "is |a|.", "a", unroll, hold(sign), func(in []VecVirtual) VecVirtual {
		return v.andNot(in[0], held)
	})
	v.elements("sqrt", "is √a.", "a", 1, nil, func(in []VecVirtual) VecVirtual {
		VSQRTPS(in[0], in[0])
		return in[0]
	})
	v.elements("rsqrt", "is 1/√a.", "a", 1, hold(one), func(in []VecVirtual) VecVirtual {
		VSQRTPS(in[0], in[0])
		VDIVPS(in[0], held, in[0])
		return in[0]
	})
	v.elements("exp", "is e**a.", "a", 1, nil, v.exp)
	v.elements("fromMask", "is 1 where mask is set, 0 elsewhere.", "mask", unroll, hold(one), func(in []VecVirtual) VecVirtual {
		return v.and(in[0], held)
	})
	v.bfloat16()
	v.fill()
	v.fromBytes()
	v.prefetch()
}

// bfloat16 generates the function that rounds to bfloat16, the upper half of a float32.
func (v isa) bfloat16() {
	var one, most, upper, quiet VecVirtual
	prepare := func() {
		one, most = v.broadcast(1), v.broadcast(0x7fff)
		upper, quiet = v.broadcast(0xffff0000), v.broadcast(0x00400000)
	}
	v.elements("bfloat16", "is a rounded to the nearest bfloat16, ties to even.", "a", 2, prepare, func(in []VecVirtual) VecVirtual {
		x, y := in[0], v.vec()
		// Adding just under half a unit, plus the last bit that is kept, rounds ties to even.
		VPSRLD(U8(16), x, y)
		y = v.and(y, one)
		VPADDD(most, y, y)
		VPADDD(x, y, y)
		// Keep NaN a NaN, whatever its payload.
		v.whereNaN(x, v.or(x, quiet), y)
		return v.and(y, upper)
	})
}

// elements generates a function of the arrays named in params.
func (v isa) elements(name, doc, params string, unroll int, prepare func(), do operation) {
	v.function(name, "func(dst, "+params+" *float32, n int)", doc)
	dst := Load(Param("dst"), GP64())
	var sources []Register
	for _, p := range strings.Split(params, ", ") {
		sources = append(sources, Load(Param(p), GP64()))
	}
	if prepare != nil {
		prepare()
	}
	v.blocks(unroll, func(i Register, ahead int, load loader, store storer) {
		var in []VecVirtual
		for _, p := range sources {
			in = append(in, load(Mem{Base: p, Index: i, Scale: floatSize, Disp: ahead * floatSize}))
		}
		store(do(in), Mem{Base: dst, Index: i, Scale: floatSize, Disp: ahead * floatSize})
	})
}

type (
	loader func(Mem) VecVirtual
	storer func(VecVirtual, Mem)
)

// blocks generates the loops over n elements and ends the function: first several vectors at a
// time, then one vector, then the remaining elements. step generates the code for the vector that
// starts at element i+ahead.
func (v isa) blocks(unroll int, step func(i Register, ahead int, load loader, store storer)) {
	n := Load(Param("n"), GP64())
	i := GP64()
	XORQ(i, i)
	loop := func(label string, vectors int, next string) {
		Label(label)
		CMPQ(n, I8(vectors*v.lanes))
		JLT(LabelRef(next))
		for k := range vectors {
			step(i, k*v.lanes, v.load, func(x VecVirtual, m Mem) { VMOVUPS(x, m) })
		}
		ADDQ(I8(vectors*v.lanes), i)
		SUBQ(I8(vectors*v.lanes), n)
		JMP(LabelRef(label))
	}
	if unroll > 1 {
		loop("vectors", unroll, "vector")
	}
	loop("vector", 1, "rest")
	Label("rest")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	k := v.mask(n)
	step(i, 0,
		func(m Mem) VecVirtual { return v.loadMasked(m, k) },
		func(x VecVirtual, m Mem) { v.storeMasked(x, m, k) })
	Label("done")
	v.end()
}

// extreme returns the operation of VMAXPS or VMINPS with NaN where either operand is NaN.
func (v isa) extreme(f func(...Op)) operation {
	return func(in []VecVirtual) VecVirtual {
		a, b, x := in[0], in[1], v.vec()
		// The instruction returns b if either operand is NaN, which is wrong if only a is.
		f(b, a, x)
		v.whereNaN(a, a, x)
		return x
	}
}

// comparison returns the operation that compares two vectors.
func (v isa) comparison(predicate uint8) operation {
	return func(in []VecVirtual) VecVirtual { return v.compare(predicate, in[0], in[1]) }
}

// selection takes the bits of the second operand where those of the first are set, and of the
// third operand elsewhere.
func (v isa) selection(in []VecVirtual) VecVirtual {
	mask, a, b := in[0], in[1], in[2]
	if !v.avx512() {
		return v.or(v.and(mask, a), v.andNot(b, mask))
	}
	// The truth table: bit 4*mask + 2*a + b is the result for these three bits.
	const table = 1<<7 | 1<<6 | 1<<3 | 1<<1
	VPTERNLOGD(U8(table), b, a, mask)
	return mask
}

// exp computes e**x as 2**k times e**r, as package shape describes.
func (v isa) exp(in []VecVirtual) VecVirtual {
	x := in[0]
	// Outside these limits the result is 0 or infinite, and k would leave its range. With the
	// operands in this order, NaN stays NaN.
	VMAXPS(x, v.float(shape.ExpLowest), x)
	VMINPS(x, v.float(shape.ExpHighest), x)

	k, kf := v.vec(), v.vec()
	VMULPS(v.float(math.Log2E), x, kf)
	VCVTPS2DQ(kf, k)
	VCVTDQ2PS(k, kf)
	VFNMADD231PS(v.float(shape.Ln2High), kf, x)
	VFNMADD231PS(v.float(shape.Ln2Low), kf, x)

	series := shape.ExpSeries()
	sum := v.float(series[0])
	for _, c := range series[1:] {
		VFMADD213PS(v.float(c), x, sum)
	}

	// Multiply by 2**k in two factors: it may overflow or underflow when the result does not.
	half := v.vec()
	VPSRAD(U8(1), k, half)
	VPSUBD(half, k, k)
	bias := v.broadcast(127)
	for _, e := range []VecVirtual{half, k} {
		VPADDD(bias, e, e)
		VPSLLD(U8(23), e, e)
		VMULPS(e, sum, sum)
	}
	return sum
}

// fill generates the function that sets all elements to a value.
func (v isa) fill() {
	v.function("fill", "func(dst *float32, value float32, n int)", "is value.")
	dst := Load(Param("dst"), GP64())
	x := v.vec()
	VBROADCASTSS(addr(Param("value")), x)
	v.blocks(4, func(i Register, ahead int, _ loader, store storer) {
		store(x, Mem{Base: dst, Index: i, Scale: floatSize, Disp: ahead * floatSize})
	})
}

// fromBytes generates the function that converts bytes. AVX2 has no masks for bytes, so elements
// that do not fill a vector are converted one by one.
func (v isa) fromBytes() {
	v.function("fromBytes", "func(dst *float32, src *byte, n int)", "is float32(src).")
	dst := Load(Param("dst"), GP64())
	src := Load(Param("src"), GP64())
	n := Load(Param("n"), GP64())
	Label("vector")
	CMPQ(n, I8(v.lanes))
	JLT(LabelRef("rest"))
	x := v.vec()
	VPMOVZXBD(Mem{Base: src}, x)
	VCVTDQ2PS(x, x)
	VMOVUPS(x, Mem{Base: dst})
	ADDQ(I8(v.lanes), src)
	ADDQ(I8(v.bytes()), dst)
	SUBQ(I8(v.lanes), n)
	JMP(LabelRef("vector"))

	Label("rest")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	byte, float := GP32(), XMM()
	Label("one")
	MOVBLZX(Mem{Base: src}, byte)
	VCVTSI2SSL(byte, float, float)
	VMOVSS(float, Mem{Base: dst})
	INCQ(src)
	ADDQ(I8(floatSize), dst)
	DECQ(n)
	JNZ(LabelRef("one"))

	Label("done")
	v.end()
}

// prefetch generates the function that brings memory into the second-level cache.
func (v isa) prefetch() {
	const line = 64
	v.function("prefetch", "func(p *float32, n int)", "asks for the cache lines of n floats.")
	p := Load(Param("p"), GP64())
	n := Load(Param("n"), GP64())
	Label("line")
	TESTQ(n, n)
	JLE(LabelRef("done"))
	PREFETCHT1(Mem{Base: p})
	ADDQ(I8(line), p)
	SUBQ(I8(line/floatSize), n)
	JMP(LabelRef("line"))
	Label("done")
	RET()
}
