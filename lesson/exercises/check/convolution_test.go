package check

import (
	"slices"
	"testing"

	stub "github.com/residual-go/residual/lesson/exercises/convolution"
	solution "github.com/residual-go/residual/lesson/exercises/convolution/solution"
)

// convolutionAnswer is the function that the exercise asks for.
type convolutionAnswer func(x [][][]float32, w [][][][]float32, stride, padding int) [][][]float32

func TestConvolution(t *testing.T) {
	try := func(answer convolutionAnswer) func(T) { return func(t T) { Convolution(t, answer) } }
	test(t, "convolution", try(solution.Convolution), try(stub.Convolution),
		wrong{"kernel-flipped", try(flippedConvolution)},
		wrong{"kernel-flipped", try(func(x [][][]float32, w [][][][]float32, stride, padding int) [][][]float32 {
			for _, row := range w {
				slices.Reverse(row)
			}
			slices.Reverse(w)
			return solution.Convolution(x, w, stride, padding)
		})},
		wrong{"kernel-transposed", try(transposedConvolution)},
		wrong{"height-width-swapped", try(swappedConvolution)},
		wrong{"first-channel-only", try(greyConvolution)},
		wrong{"last-channel-only", try(forgetfulConvolution)},
		wrong{"first-kernel-only", try(singleConvolution)},
		wrong{"padding-ignored", try(func(x [][][]float32, w [][][][]float32, stride, _ int) [][][]float32 {
			return solution.Convolution(x, w, stride, 0)
		})},
		wrong{"stride-ignored", try(func(x [][][]float32, w [][][][]float32, _, padding int) [][][]float32 {
			return solution.Convolution(x, w, 1, padding)
		})},
		wrong{"padding-not-subtracted", try(cornerConvolution)},
		wrong{"arguments-changed", try(func(x [][][]float32, w [][][][]float32, stride, padding int) [][][]float32 {
			y := solution.Convolution(x, w, stride, padding)
			x[0] = y[0]
			return y
		})},
		wrong{"outside-the-image", try(carelessConvolution)},
		wrong{"slices-not-made", try(func(x [][][]float32, w [][][][]float32, stride, padding int) [][][]float32 {
			y := make([][][]float32, len(outputMaps(x, w, stride, padding)))
			for i := range y {
				y[i][0] = make([]float32, len(w[0][0][0]))
			}
			return y
		})},
		wrong{"stride-in-the-size-only", try(densePlacesConvolution)},
		wrong{"padding-repeats-the-edge", try(clampedConvolution)},
	)
}

// zeros returns maps of that shape, all 0.
func zeros(height, width, channels int) [][][]float32 {
	y := make([][][]float32, height)
	for i := range y {
		y[i] = make([][]float32, width)
		for j := range y[i] {
			y[i][j] = make([]float32, channels)
		}
	}
	return y
}

// outputMaps returns maps of the shape of a convolution's result, all 0.
func outputMaps(x [][][]float32, w [][][][]float32, stride, padding int) [][][]float32 {
	return zeros((len(x)+2*padding-len(w))/stride+1, (len(x[0])+2*padding-len(w[0]))/stride+1, len(w[0][0][0]))
}

// padded returns x with padding zeros on each side.
func padded(x [][][]float32, padding int) [][][]float32 {
	y := zeros(len(x)+2*padding, len(x[0])+2*padding, len(x[0][0]))
	for i := range x {
		for j := range x[i] {
			y[i+padding][j+padding] = x[i][j]
		}
	}
	return y
}

func flippedConvolution(x [][][]float32, w [][][][]float32, stride, padding int) [][][]float32 {
	y := outputMaps(x, w, stride, padding)
	x = padded(x, padding)
	for i := range y {
		for j := range y[i] {
			for o := range y[i][j] {
				for a := range w {
					for b := range w[a] {
						for c := range w[a][b] {
							y[i][j][o] += x[i*stride+a][j*stride+b][c] * w[len(w)-1-a][len(w[a])-1-b][c][o]
						}
					}
				}
			}
		}
	}
	return y
}

func transposedConvolution(x [][][]float32, w [][][][]float32, stride, padding int) [][][]float32 {
	y := outputMaps(x, w, stride, padding)
	x = padded(x, padding)
	for i := range y {
		for j := range y[i] {
			for o := range y[i][j] {
				for a := range w {
					for b := range w[0] {
						for c := range w[0][0] {
							y[i][j][o] += x[i*stride+a][j*stride+b][c] * w[b][a][c][o]
						}
					}
				}
			}
		}
	}
	return y
}

func swappedConvolution(x [][][]float32, w [][][][]float32, stride, padding int) [][][]float32 {
	right := solution.Convolution(x, w, stride, padding)
	y := zeros(len(right[0]), len(right), len(right[0][0]))
	for i := range right {
		for j := range right[i] {
			y[j][i] = right[i][j]
		}
	}
	return y
}

func greyConvolution(x [][][]float32, w [][][][]float32, stride, padding int) [][][]float32 {
	y := outputMaps(x, w, stride, padding)
	x = padded(x, padding)
	for i := range y {
		for j := range y[i] {
			for o := range y[i][j] {
				for a := range w {
					for b := range w[a] {
						y[i][j][o] += x[i*stride+a][j*stride+b][0] * w[a][b][0][o]
					}
				}
			}
		}
	}
	return y
}

func forgetfulConvolution(x [][][]float32, w [][][][]float32, stride, padding int) [][][]float32 {
	y := outputMaps(x, w, stride, padding)
	x = padded(x, padding)
	for i := range y {
		for j := range y[i] {
			for o := range y[i][j] {
				for c := range x[0][0] {
					var sum float32
					for a := range w {
						for b := range w[a] {
							sum += x[i*stride+a][j*stride+b][c] * w[a][b][c][o]
						}
					}
					y[i][j][o] = sum
				}
			}
		}
	}
	return y
}

func singleConvolution(x [][][]float32, w [][][][]float32, stride, padding int) [][][]float32 {
	y := solution.Convolution(x, w, stride, padding)
	for _, row := range y {
		for _, pixel := range row {
			for o := range pixel {
				pixel[o] = pixel[0]
			}
		}
	}
	return y
}

func cornerConvolution(x [][][]float32, w [][][][]float32, stride, padding int) [][][]float32 {
	y := outputMaps(x, w, stride, padding)
	for i := range y {
		for j := range y[i] {
			for o := range y[i][j] {
				for a := range w {
					for b := range w[a] {
						if i*stride+a >= len(x) || j*stride+b >= len(x[0]) {
							continue
						}
						for c := range w[a][b] {
							y[i][j][o] += x[i*stride+a][j*stride+b][c] * w[a][b][c][o]
						}
					}
				}
			}
		}
	}
	return y
}

func carelessConvolution(x [][][]float32, w [][][][]float32, stride, padding int) [][][]float32 {
	y := outputMaps(x, w, stride, padding)
	for i := range y {
		for j := range y[i] {
			for o := range y[i][j] {
				for a := range w {
					for b := range w[a] {
						for c := range w[a][b] {
							y[i][j][o] += x[i*stride+a-padding][j*stride+b-padding][c] * w[a][b][c][o]
						}
					}
				}
			}
		}
	}
	return y
}

func densePlacesConvolution(x [][][]float32, w [][][][]float32, stride, padding int) [][][]float32 {
	y := outputMaps(x, w, stride, padding)
	dense := solution.Convolution(x, w, 1, padding)
	for i := range y {
		for j := range y[i] {
			y[i][j] = dense[i][j]
		}
	}
	return y
}

func clampedConvolution(x [][][]float32, w [][][][]float32, stride, padding int) [][][]float32 {
	y := zeros(len(x)+2*padding, len(x[0])+2*padding, len(x[0][0]))
	for i := range y {
		for j := range y[i] {
			y[i][j] = x[min(max(i-padding, 0), len(x)-1)][min(max(j-padding, 0), len(x[0])-1)]
		}
	}
	return solution.Convolution(y, w, stride, 0)
}
