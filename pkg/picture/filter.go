package picture

import "math"

// Filter is how a picture is scaled. Where it becomes smaller, both filters average over all
// pixels that come together in one.
type Filter string

const (
	Bilinear Filter = "bilinear" // a triangle over two pixels
	Bicubic  Filter = "bicubic"  // cubic convolution over four, with a = −0.5
)

// The weights of taps are integers, of 1<<precision in all. Pillow has 22 bits: with 8 for
// the byte and 2 to spare for weights that overshoot they fill an int32.
const (
	precision = 32 - 8 - 2
	half      = 1 << (precision - 1)
)

// taps are the pixels that one pixel of a scaled row or column is made of: those from first
// on, as many as there are weights.
type taps struct {
	first   int
	weights []int32
}

// span returns the first pixel that the taps take and the one after the last. There must be
// at least one; they begin and end in order.
func span(all []taps) (first, end int) {
	last := all[len(all)-1]
	return all[0].first, last.first + len(last.weights)
}

// toByte rounds a weighted sum, to which half was added, to a byte.
func toByte(sum int32) byte {
	return byte(max(0, min(sum>>precision, 255)))
}

// taps returns those of the middle of a row or column that is scaled from in pixels to out:
// precompute_coeffs and normalize_coeffs_8bpc of Pillow's src/libImaging/Resample.c.
func (f Filter) taps(in, out int, part middle) []taps {
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
		// In float64(…) a product is rounded by itself: some processors would else round it
		// with a sum, and give other bytes.
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

// cubic is the convolution kernel of R. Keys, Cubic Convolution Interpolation for Digital
// Image Processing, 1981.
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
