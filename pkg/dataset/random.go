package dataset

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
)

// Random numbers come from PCG generators. The second word of a generator's state says what
// its numbers are for, so that one seed gives independent numbers for every purpose.
const (
	shuffleStream = 0x73687566 // the order of an epoch
	augmentStream = 0x61756700 // the crop, flip and cutout of an image
	holdOutStream = 0x686f6c64 // which images are held out
)

// pcg is the PCG generator of math/rand/v2 in a graph: a generator for each element of hi and
// lo, the words of its state, uint64 [n]. It returns the same numbers as a rand.NewPCG with the
// same words, so that images are augmented on the device exactly as on the host.
type pcg struct{ hi, lo *graph.Node }

// uint64 returns the next number of every generator, as rand.PCG.Uint64 does: a step of a
// 128-bit linear congruential generator, then the output function DXSM.
func (p *pcg) uint64() *graph.Node {
	const (
		multiplyHi, multiplyLo = 2549297995355413924, 4865540595714422341
		addHi, addLo           = 6364136223846793005, 1442695040888963407
		cheap                  = 0xda942042e4dd58b5
	)
	hi := graph.Add(multiplyHigh(p.lo, multiplyLo),
		graph.Add(graph.Mul(p.hi, word(p.hi, multiplyLo)), graph.Mul(p.lo, word(p.lo, multiplyHi))))
	lo := graph.Add(graph.Mul(p.lo, word(p.lo, multiplyLo)), word(p.lo, addLo))
	carry := graph.ConvertDType(graph.LessThan(lo, word(lo, addLo)), dtypes.Uint64)
	p.hi, p.lo = graph.Add(graph.Add(hi, word(hi, addHi)), carry), lo

	x := graph.BitwiseXor(p.hi, shiftRight(p.hi, 32))
	x = graph.Mul(x, word(x, cheap))
	x = graph.BitwiseXor(x, shiftRight(x, 48))
	return graph.Mul(x, graph.BitwiseOr(p.lo, word(p.lo, 1)))
}

// intN returns a number from 0 to n−1 from every generator, int32, as rand.Rand.IntN does. The
// one exception has probability n/2⁶⁴: there IntN would draw again to be exactly uniform.
func (p *pcg) intN(n int) *graph.Node {
	x := p.uint64()
	if n&(n-1) == 0 {
		x = graph.BitwiseAnd(x, word(x, uint64(n-1)))
	} else {
		x = multiplyHigh(x, uint64(n))
	}
	return graph.ConvertDType(x, dtypes.Int32)
}

// multiplyHigh returns the upper 64 bits of the product, computed from 32-bit halves as
// bits.Mul64 does.
func multiplyHigh(x *graph.Node, y uint64) *graph.Node {
	const half = 1<<32 - 1
	x0, x1 := graph.BitwiseAnd(x, word(x, half)), shiftRight(x, 32)
	y0, y1 := word(x, y&half), word(x, y>>32)
	middle := graph.Add(graph.Mul(x1, y0), shiftRight(graph.Mul(x0, y0), 32))
	carry := graph.Add(graph.BitwiseAnd(middle, word(x, half)), graph.Mul(x0, y1))
	return graph.Add(graph.Mul(x1, y1), graph.Add(shiftRight(middle, 32), shiftRight(carry, 32)))
}

func shiftRight(x *graph.Node, bits uint64) *graph.Node {
	return graph.BitwiseShiftRightLogical(x, word(x, bits))
}

// word returns a constant in the graph of x.
func word(x *graph.Node, value uint64) *graph.Node { return graph.Const(x.Graph(), value) }
