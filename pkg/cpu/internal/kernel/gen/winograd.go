package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/residual-go/residual/pkg/cpu/internal/kernel/gen/shape"
)

// winograd generates the transforms of Winograd's algorithm. Package shape has their matrices.
func (v isa) winograd() {
	v.tile(shape.TransformInput, v.winogradInput)
	v.tile(shape.TransformTaps, v.winogradTaps)
	v.tile(shape.TransformOutput, v.winogradOutput)
	v.tile(shape.TransformDelta, v.winogradDelta)
	v.tile(shape.TransformSum, v.winogradSum)
}

// tile generates a transform along both axes: along the columns from memory to args.Room, then along the
// rows from there to memory. apply transforms in, which it may overwrite, with the constants in registers.
// It passes each result to emit as soon as it has it, since AVX2 has few registers.
func (v isa) tile(t shape.Transform, apply func(in, constants []VecVirtual, emit func(i int, x VecVirtual))) {
	v.function(t.Name, "func(args *Tile)", t.Doc)
	args := Dereference(Param("args"))
	off := Load(args.Field("Off"), GP64())
	pixels := Load(args.Field("Pixels"), GP64())
	outside := Load(args.Field("Outside"), GP64())
	planes := Load(args.Field("Planes"), GP64())
	room := Load(args.Field("Room"), GP64())
	n := Load(args.Field("N"), GP64())
	constants := make([]VecVirtual, len(t.Constants))
	for i, c := range t.Constants {
		constants[i] = v.float(c)
	}

	// The distances from one plane to the next, to the third and to the fifth, in bytes. Planes that
	// are read lie six planes apart, those that are written side by side.
	one, three, five, six := GP64(), GP64(), GP64(), GP64()
	MOVQ(addr(args.Field("Plane")), one)
	SHLQ(U8(2), one)
	if !t.Gathers {
		MOVQ(one, six)
		IMUL3Q(I8(6), one, one)
	}
	LEAQ(Mem{Base: one, Index: one, Scale: 2}, three)
	LEAQ(Mem{Base: one, Index: one, Scale: 4}, five)
	if t.Gathers {
		LEAQ(Mem{Base: three, Index: three, Scale: 1}, six)
	}
	// plane returns the address of plane number k of those next to base.
	plane := func(base Register, k int) Mem {
		switch k {
		case 0:
			return Mem{Base: base}
		case 3:
			return Mem{Base: base, Index: three, Scale: 1}
		case 5:
			return Mem{Base: base, Index: five, Scale: 1}
		}
		return Mem{Base: base, Index: one, Scale: uint8(k)}
	}
	i := GP64()
	XORQ(i, i)
	// pixel returns the address of channel i of a pixel.
	pixel := func(k int) Mem {
		o := GP64()
		MOVLQSX(Mem{Base: off, Disp: k * floatSize}, o)
		TESTQ(o, o)
		LEAQ(Mem{Base: pixels, Index: o, Scale: floatSize}, o)
		CMOVQLT(outside, o)
		return Mem{Base: o, Index: i, Scale: floatSize}
	}
	// step generates the code for the channels from i on.
	step := func(load loader, store storer) {
		base := GP64()
		LEAQ(Mem{Base: planes, Index: i, Scale: floatSize}, base)
		for column := range t.From {
			in := make([]VecVirtual, t.From)
			for k := range in {
				if t.Gathers {
					in[k] = load(pixel(k*t.From + column))
				} else {
					in[k] = load(plane(base, k))
				}
			}
			if !t.Gathers && column < t.From-1 {
				ADDQ(six, base)
			}
			apply(in, constants, func(k int, x VecVirtual) {
				VMOVUPS(x, Mem{Base: room, Disp: (k*t.From + column) * v.bytes()})
			})
		}
		for row := range t.To {
			in := make([]VecVirtual, t.From)
			for k := range in {
				in[k] = v.load(Mem{Base: room, Disp: (row*t.From + k) * v.bytes()})
			}
			apply(in, constants, func(k int, x VecVirtual) {
				if t.Gathers {
					store(x, plane(base, k))
				} else {
					store(x, pixel(row*t.To+k))
				}
			})
			if t.Gathers && row < t.To-1 {
				ADDQ(six, base)
			}
		}
	}

	Label("vector")
	CMPQ(n, I8(v.lanes))
	JLT(LabelRef("rest"))
	step(v.load, func(x VecVirtual, m Mem) { VMOVUPS(x, m) })
	ADDQ(I8(v.lanes), i)
	SUBQ(I8(v.lanes), n)
	JMP(LabelRef("vector"))
	Label("rest")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	k := v.mask(n)
	step(func(m Mem) VecVirtual { return v.loadMasked(m, k) }, func(x VecVirtual, m Mem) { v.storeMasked(x, m, k) })
	Label("done")
	v.end()
}

// copied returns a copy of x.
func (v isa) copied(x VecVirtual) VecVirtual {
	y := v.vec()
	VMOVAPS(x, y)
	return y
}

// times returns x * y.
func (v isa) times(x, y VecVirtual) VecVirtual {
	z := v.vec()
	VMULPS(x, y, z)
	return z
}

// pair emits even + odd*scale as result i and even - odd*scale as result i+1. It overwrites even.
func (v isa) pair(i int, even, odd, scale VecVirtual, emit func(int, VecVirtual)) {
	sum := v.copied(even)
	VFMADD231PS(scale, odd, sum)
	emit(i, sum)
	VFNMADD231PS(scale, odd, even)
	emit(i+1, even)
}

func (v isa) winogradInput(d, constants []VecVirtual, emit func(int, VecVirtual)) {
	constant, quadratic, p2, q2, p, q := constants[0], constants[1], constants[2], constants[3], constants[4], constants[5]
	first := v.copied(d[4])
	VFNMADD231PS(quadratic, d[2], first)
	VFMADD231PS(constant, d[0], first)
	emit(0, first)
	VFNMADD231PS(quadratic, d[3], d[5])
	VFMADD231PS(constant, d[1], d[5])
	emit(5, d[5])

	even, odd := v.copied(d[4]), v.copied(d[3])
	VFNMADD231PS(q2, d[2], even)
	VFNMADD231PS(q2, d[1], odd)
	v.pair(1, even, odd, p, emit)
	even, odd = d[4], d[3]
	VFNMADD231PS(p2, d[2], even)
	VFNMADD231PS(p2, d[1], odd)
	v.pair(3, even, odd, q, emit)
}

func (v isa) winogradTaps(g, constants []VecVirtual, emit func(int, VecVirtual)) {
	emit(0, v.times(constants[0], g[0]))
	emit(5, g[2])
	for i, c := range [2][]VecVirtual{constants[1:4], constants[4:7]} {
		even := v.times(c[0], g[0])
		VFMADD231PS(c[2], g[2], even)
		v.pair(1+2*i, even, g[1], c[1], emit)
	}
}

// sumsAndDifferences replaces m[1] by m[1]-m[2] and m[3] by m[3]-m[4], and returns their sums.
func (v isa) sumsAndDifferences(m []VecVirtual) (first, second VecVirtual) {
	first, second = v.vec(), v.vec()
	VADDPS(m[2], m[1], first)
	VSUBPS(m[2], m[1], m[1])
	VADDPS(m[4], m[3], second)
	VSUBPS(m[4], m[3], m[3])
	return first, second
}

func (v isa) winogradOutput(m, constants []VecVirtual, emit func(int, VecVirtual)) {
	p, q, p2, q2, p3, q3 := constants[0], constants[1], constants[2], constants[3], constants[4], constants[5]
	first, second := v.sumsAndDifferences(m)
	VADDPS(first, m[0], m[0])
	VADDPS(second, m[0], m[0])
	emit(0, m[0])
	VMULPS(p2, first, first)
	VFMADD231PS(q2, second, first)
	emit(2, first)
	VFMADD231PS(p3, m[1], m[5])
	VFMADD231PS(q3, m[3], m[5])
	emit(3, m[5])
	VMULPS(p, m[1], m[1])
	VFMADD231PS(q, m[3], m[1])
	emit(1, m[1])
}

func (v isa) winogradDelta(d, constants []VecVirtual, emit func(int, VecVirtual)) {
	emit(0, d[0])
	emit(5, d[3])
	for i := range 2 {
		first, second, third := constants[i], constants[2+i], constants[4+i]
		even := v.copied(d[0])
		VFMADD231PS(second, d[2], even)
		odd := v.times(first, d[1])
		VFMADD231PS(third, d[3], odd)
		sum := v.vec()
		VADDPS(odd, even, sum)
		emit(1+2*i, sum)
		VSUBPS(odd, even, even)
		emit(2+2*i, even)
	}
}

func (v isa) winogradSum(m, constants []VecVirtual, emit func(int, VecVirtual)) {
	first, second := v.sumsAndDifferences(m)
	VMULPS(constants[0], m[0], m[0])
	VFMADD231PS(constants[1], first, m[0])
	VFMADD231PS(constants[2], second, m[0])
	emit(0, m[0])
	VMULPS(constants[3], m[1], m[1])
	VFMADD231PS(constants[4], m[3], m[1])
	emit(1, m[1])
	VFMADD231PS(constants[5], first, m[5])
	VFMADD231PS(constants[6], second, m[5])
	emit(2, m[5])
}
