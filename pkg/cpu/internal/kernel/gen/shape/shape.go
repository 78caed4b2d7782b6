// Package shape has the shapes and constants that the generators for different processors share.
package shape

import "math"

// Shape is a size of micro-kernel: Rows by Columns of results, held in registers.
type Shape struct{ Rows, Columns int }

// The shapes of each set of kernels, from the widest to the narrowest.
var (
	// Of the 16 registers of AVX2, 12 hold sums, 2 a row of B and 1 an element of A. This is the
	// largest block that fits, and so the one with the fewest loads per multiplication.
	AVX2 = []Shape{{6, 16}}
	// AVX-512 has 32 registers of 16 floats.
	AVX512 = []Shape{{8, 32}, {8, 16}}
	// Of the 32 registers of NEON, 24 hold sums, 6 hold 4 elements of each row of A, and 2 are
	// for B. With the shape of AVX2, and sums in the same order, NEON computes the same bits.
	NEON = AVX2
)

// Sets returns the number of sets of sums that a block uses in turn: 2 if the given number of registers
// is enough for two sets, a row of B and an element of A, otherwise 1. With one set that is smaller than
// the number of multiply-adds in flight, the multiply-adds would wait for each other.
func (s Shape) Sets(lanes, registers int) int {
	vectors := s.Columns / lanes
	if 2*s.Rows*vectors+vectors+1 <= registers {
		return 2
	}
	return 1
}

// The constants of e**x, which is computed as 2**k times e**r, with the Taylor series of e**r. Since
// |r| < 0.35, the error of the series up to r**7 is 5e-9, well under half a unit in the last place.
var (
	// Outside these limits e**x is 0 or infinite.
	ExpLowest, ExpHighest float32 = -104, 89

	// Ln2High and Ln2Low add up to the logarithm of 2. k times the first is exact.
	Ln2High = math.Float32frombits(math.Float32bits(math.Ln2) &^ 0xfff)
	Ln2Low  = float32(math.Ln2 - float64(Ln2High))
)

// ExpSeries returns the coefficients of the series, from that of r**7 to that of 1.
func ExpSeries() []float32 {
	factorial := 5040.0
	series := []float32{float32(1 / factorial)}
	for i := 7.0; i > 0; i-- {
		factorial /= i
		series = append(series, float32(1/factorial))
	}
	return series
}
