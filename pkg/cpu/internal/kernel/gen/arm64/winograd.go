package main

import (
	"fmt"
	"math"

	"github.com/residual-go/residual/pkg/cpu/internal/kernel/gen/shape"
)

// transform generates code that transforms in along one axis. It may overwrite in and scratch, and passes
// each result to emit.
type transform func(in, scratch, constants []vector, emit func(i int, x vector))

// winograd generates the transforms of Winograd's algorithm. Package shape has their matrices. They
// compute in the same order as those of AVX2, and so the same bits.
func (a *assembly) winograd() {
	a.tile(shape.TransformInput, a.winogradInput)
	a.tile(shape.TransformTaps, a.winogradTaps)
	a.tile(shape.TransformOutput, a.winogradOutput)
	a.tile(shape.TransformDelta, a.winogradDelta)
	a.tile(shape.TransformSum, a.winogradSum)
}

// tile generates a transform along both axes: along the columns from memory to args.Room, then along the
// rows from there to memory.
func (a *assembly) tile(t shape.Transform, apply transform) {
	args := a.function(t.Name, "(args *Tile)", t.Doc, []argument{{"args", "*Tile"}})
	var free registers
	p := free.next()
	a.do("MOVD", args["args"], p)
	get := func(name string) register {
		r := free.next()
		a.do("MOVD", field(p, name), r)
		return r
	}
	off, pixels, outside := get("Tile_Off"), get("Tile_Pixels"), get("Tile_Outside")
	planes, room, n := get("Tile_Planes"), get("Tile_Room"), get("Tile_N")
	base, at, inside := free.next(), free.next(), free.next()
	constants := make([]vector, len(t.Constants))
	for i, c := range t.Constants {
		constants[i] = vector(held + i)
		a.broadcast(math.Float32bits(c), constants[i], at)
	}
	// distance[k] is that from one plane to the k-th after it, in bytes. Planes that are read lie six
	// planes apart, those that are written side by side. Each column or row is next planes after the last.
	var distance [6]register
	distance[1] = get("Tile_Plane")
	a.do("LSL", 2, distance[1], distance[1])
	next := distance[1]
	if !t.Gathers {
		next = free.next()
		a.do("MOVD", distance[1], next)
		a.do("ADD", fmt.Sprintf("%s<<1", next), next, distance[1])
		a.do("LSL", 1, distance[1], distance[1])
	}
	for k := 2; k < len(distance); k++ {
		distance[k] = free.next()
		a.do("ADD", distance[1], distance[k-1], distance[k])
	}
	if t.Gathers {
		next = free.next()
		a.do("LSL", 1, distance[3], next)
	}

	in, scratch := sequence(0, t.From), sequence(t.From, held-t.From)
	// pixel generates the code that returns a address of a pixel.
	pixel := func(k int) address {
		a.do("MOVW", off.plus(k*floatSize), at)
		a.do("ADD", fmt.Sprintf("%s<<2", at), pixels, inside)
		a.do("CMP", 0, at)
		a.do("CSEL", "LT", outside, inside, at)
		return address{base: at}
	}
	// plane returns the address of plane number k of those next to base.
	plane := func(k int) address {
		if k == 0 {
			return address{base: base}
		}
		return address{base, &distance[k]}
	}
	// step generates the code for one vector of channels, or for one channel.
	step := func(channels int, load, store func(x vector, at address)) {
		a.do("MOVD", planes, base)
		for column := range t.From {
			for k, x := range in {
				if t.Gathers {
					load(x, pixel(k*t.From+column))
				} else {
					load(x, plane(k))
				}
			}
			if !t.Gathers && column < t.From-1 {
				a.do("ADD", next, base, base)
			}
			apply(in, scratch, constants, func(k int, x vector) { a.store(room, (k*t.From+column)*bytes, x) })
		}
		for row := range t.To {
			a.load(room, row*t.From*bytes, in...)
			apply(in, scratch, constants, func(k int, x vector) {
				if t.Gathers {
					store(x, plane(k))
				} else {
					store(x, pixel(row*t.To+k))
				}
			})
			if t.Gathers && row < t.To-1 {
				a.do("ADD", next, base, base)
			}
		}
		for _, p := range []register{pixels, outside, planes} {
			a.do("ADD", channels*floatSize, p, p)
		}
	}
	a.blocks(n, 1, func(vectors int) {
		step(vectors*lanes, a.loadAt, a.storeAt)
	}, func() {
		step(1,
			func(x vector, at address) { a.do("FMOVS", at, x.f()) },
			func(x vector, at address) { a.do("FMOVS", x.f(), at) })
	})
}

// copyTo writes d = x.
func (a *assembly) copyTo(d, x vector) { a.do("VORR", x.b(), x.b(), d.b()) }

// addProduct writes d += x*y, and subtractProduct d -= x*y, rounded once.
func (a *assembly) addProduct(d, x, y vector)      { a.do("VFMLA", y.s(), x.s(), d.s()) }
func (a *assembly) subtractProduct(d, x, y vector) { a.do("VFMLS", y.s(), x.s(), d.s()) }

// pair emits even + odd*scale as result i and even - odd*scale as result i+1. It overwrites even and sum.
func (a *assembly) pair(i int, even, odd, scale, sum vector, emit func(int, vector)) {
	a.copyTo(sum, even)
	a.addProduct(sum, scale, odd)
	emit(i, sum)
	a.subtractProduct(even, scale, odd)
	emit(i+1, even)
}

func (a *assembly) winogradInput(d, scratch, constants []vector, emit func(int, vector)) {
	constant, quadratic, p2, q2, p, q := constants[0], constants[1], constants[2], constants[3], constants[4], constants[5]
	first, even, odd, sum := scratch[0], scratch[1], scratch[2], scratch[3]
	a.copyTo(first, d[4])
	a.subtractProduct(first, quadratic, d[2])
	a.addProduct(first, constant, d[0])
	emit(0, first)
	a.subtractProduct(d[5], quadratic, d[3])
	a.addProduct(d[5], constant, d[1])
	emit(5, d[5])

	a.copyTo(even, d[4])
	a.copyTo(odd, d[3])
	a.subtractProduct(even, q2, d[2])
	a.subtractProduct(odd, q2, d[1])
	a.pair(1, even, odd, p, sum, emit)
	even, odd = d[4], d[3]
	a.subtractProduct(even, p2, d[2])
	a.subtractProduct(odd, p2, d[1])
	a.pair(3, even, odd, q, sum, emit)
}

func (a *assembly) winogradTaps(g, scratch, constants []vector, emit func(int, vector)) {
	first, even, sum := scratch[0], scratch[1], scratch[2]
	a.binary(fmul, first, constants[0], g[0])
	emit(0, first)
	emit(5, g[2])
	for i, c := range [2][]vector{constants[1:4], constants[4:7]} {
		a.binary(fmul, even, c[0], g[0])
		a.addProduct(even, c[2], g[2])
		a.pair(1+2*i, even, g[1], c[1], sum, emit)
	}
}

// sumsAndDifferences replaces m[1] by m[1]-m[2] and m[3] by m[3]-m[4], and writes their sums to first and
// second.
func (a *assembly) sumsAndDifferences(m []vector, first, second vector) {
	a.binary(fadd, first, m[1], m[2])
	a.binary(fsub, m[1], m[1], m[2])
	a.binary(fadd, second, m[3], m[4])
	a.binary(fsub, m[3], m[3], m[4])
}

func (a *assembly) winogradOutput(m, scratch, constants []vector, emit func(int, vector)) {
	p, q, p2, q2, p3, q3 := constants[0], constants[1], constants[2], constants[3], constants[4], constants[5]
	first, second := scratch[0], scratch[1]
	a.sumsAndDifferences(m, first, second)
	a.binary(fadd, m[0], m[0], first)
	a.binary(fadd, m[0], m[0], second)
	emit(0, m[0])
	a.binary(fmul, first, first, p2)
	a.addProduct(first, q2, second)
	emit(2, first)
	a.addProduct(m[5], p3, m[1])
	a.addProduct(m[5], q3, m[3])
	emit(3, m[5])
	a.binary(fmul, m[1], m[1], p)
	a.addProduct(m[1], q, m[3])
	emit(1, m[1])
}

func (a *assembly) winogradDelta(d, scratch, constants []vector, emit func(int, vector)) {
	even, odd, sum := scratch[0], scratch[1], scratch[2]
	emit(0, d[0])
	emit(5, d[3])
	for i := range 2 {
		first, second, third := constants[i], constants[2+i], constants[4+i]
		a.copyTo(even, d[0])
		a.addProduct(even, second, d[2])
		a.binary(fmul, odd, first, d[1])
		a.addProduct(odd, third, d[3])
		a.binary(fadd, sum, even, odd)
		emit(1+2*i, sum)
		a.binary(fsub, even, even, odd)
		emit(2+2*i, even)
	}
}

func (a *assembly) winogradSum(m, scratch, constants []vector, emit func(int, vector)) {
	first, second := scratch[0], scratch[1]
	a.sumsAndDifferences(m, first, second)
	a.binary(fmul, m[0], m[0], constants[0])
	a.addProduct(m[0], constants[1], first)
	a.addProduct(m[0], constants[2], second)
	emit(0, m[0])
	a.binary(fmul, m[1], m[1], constants[3])
	a.addProduct(m[1], constants[4], m[3])
	emit(1, m[1])
	a.addProduct(m[5], constants[5], first)
	a.addProduct(m[5], constants[6], second)
	emit(2, m[5])
}
