package check

import (
	"math"
	"testing"

	stub "github.com/residual-go/residual/lesson/exercises/outputsize"
	solution "github.com/residual-go/residual/lesson/exercises/outputsize/solution"
)

func TestOutputSize(t *testing.T) {
	try := func(answer func(in, kernel, stride, padding int) int) func(T) {
		return func(t T) { OutputSize(t, answer) }
	}
	test(t, "outputsize", try(solution.OutputSize), try(stub.OutputSize),
		wrong{"plus-one-forgotten", try(func(in, kernel, stride, padding int) int { return (in - kernel + 2*padding) / stride })},
		wrong{"one-added-before-dividing", try(func(in, kernel, stride, padding int) int { return (in + 2*padding - kernel + 1) / stride })},
		wrong{"padding-on-one-side", try(func(in, kernel, stride, padding int) int { return (in-kernel+padding)/stride + 1 })},
		wrong{"padding-ignored", try(func(in, kernel, stride, padding int) int { return 1 + (in-kernel)/stride })},
		wrong{"rounded-up", try(func(in, kernel, stride, padding int) int {
			return int(math.Ceil(float64(in-kernel+2*padding)/float64(stride))) + 1
		})},
		wrong{"stride-before-subtracting", try(func(in, kernel, stride, padding int) int { return (in+2*padding)/stride - kernel + 1 })},
		wrong{"stride-ignored", try(func(in, kernel, stride, padding int) int { return in - kernel + 1 + 2*padding })},
		wrong{"kernel-larger-than-image", try(func(in, kernel, stride, padding int) int { return (in-kernel+2*padding)/stride + 1 })},
		wrong{"kernel-larger-than-image", try(func(in, kernel, stride, padding int) int {
			return max(0, (in-kernel+2*padding)/stride+1)
		})},
	)
}
