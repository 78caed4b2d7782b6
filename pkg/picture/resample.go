package picture

import "math"

// Filter is the interpolation that an image is resized with. When an image is made smaller,
// both filters are widened to average over all the source pixels of a target pixel
// (antialiasing).
type Filter string

const (
	Bilinear Filter = "bilinear" // a triangle, two pixels wide
	Bicubic  Filter = "bicubic"  // cubic convolution with a = −0.5, four pixels wide
)

// The weights of taps are integers that add up to 1<<precision. Pillow uses 22 bits: together
// with 8 bits for the byte and 2 for weights that overshoot, they fill an int32.
const (
	precision = 32 - 8 - 2
	half      = 1 << (precision - 1)
)

// taps are the source pixels that contribute to one pixel of a resized row or column: the
// len(weights) pixels that begin at first.
type taps struct {
	first   int
	weights []int32
}

// span returns the range of source pixels that all taps together use, from first to before
// end. There must be at least one tap, and they must be in order.
func span(all []taps) (first, end int) {
	last := all[len(all)-1]
	return all[0].first, last.first + len(last.weights)
}

// toByte scales a weighted sum back to a byte. The sum must already include
// the constant half, so that the shift rounds to nearest.
func toByte(sum int32) byte {
	return byte(max(0, min(sum>>precision, 255)))
}

// taps returns the taps for the cropped part of a row or column that is resized from in to
// out pixels. It follows precompute_coeffs and normalize_coeffs_8bpc in Pillow's
// src/libImaging/Resample.c.
func (f Filter) taps(in, out int, part window) []taps {
	weight, support := triangle, 1.0
	if f == Bicubic {
		weight, support = cubic, 2.0
	}
	scale := float64(in) / float64(out)
	stretch := max(scale, 1)
	support *= stretch
	shrink := 1 / stretch
	all := make([]taps, part.n)
	weights := make([]float64, 0, 2*int(math.Ceil(support))+1)
	for i := range all {
		// The explicit float64 conversions keep the compiler from fusing a product and a sum
		// into one instruction, which on some processors would give different bytes.
		center := float64((float64(part.from+i) + 0.5) * scale)
		first := max(0, int(center-support+0.5))
		end := min(in, int(center+support+0.5))
		weights = weights[:0]
		sum := 0.0
		for x := first; x < end; x++ {
			w := weight(float64((float64(x) - center + 0.5) * shrink))
			weights = append(weights, w)
			sum += w
		}
		all[i] = taps{first, make([]int32, len(weights))}
		for j, w := range weights {
			all[i].weights[j] = int32(math.Round(w / sum * (1 << precision)))
		}
	}
	return all
}

func triangle(x float64) float64 { return max(0, 1-math.Abs(x)) }

// cubic is the kernel of R. Keys, Cubic Convolution Interpolation for Digital Image
// Processing, 1981.
func cubic(x float64) float64 {
	const a = -0.5
	switch x = math.Abs(x); {
	case x < 1:
		return float64((float64((a+2)*x)-(a+3))*x*x) + 1
	case x < 2:
		return (float64((float64((x-5)*x)+8)*x) - 4) * a
	}
	return 0
}
