package check

import (
	"fmt"
	"strconv"
)

// sizeCase are the arguments of OutputSize.
type sizeCase struct{ in, kernel, stride, padding int }

func (c sizeCase) String() string {
	return fmt.Sprintf("OutputSize(%d, %d, %d, %d)", c.in, c.kernel, c.stride, c.padding)
}

func (c sizeCase) want() int {
	if c.way() < 0 {
		return 0
	}
	return c.way()/c.stride + 1
}

func (c sizeCase) way() int { return c.in + 2*c.padding - c.kernel }

// OutputSize checks the exercise outputsize.
func OutputSize(t T, answer func(in, kernel, stride, padding int) int) {
	t.Helper()
	compare := func(mistakes []mistake[sizeCase, int], cases ...sizeCase) func() error {
		return trial[sizeCase, int]{
			cases:  cases,
			answer: func(c sizeCase) int { return answer(c.in, c.kernel, c.stride, c.padding) },
			want:   sizeCase.want,
			same:   func(a, b int) bool { return a == b },
			what:   sizeCase.String,
			explain: func(c sizeCase, want, got int) *Failure {
				return &Failure{What: c.String(), Want: strconv.Itoa(want), Got: strconv.Itoa(got)}
			},
			mistakes: mistakes,
		}.try
	}
	run(t, "outputsize",
		step{"stride 1", 3, compare(sizeMistakes,
			sizeCase{5, 3, 1, 0}, sizeCase{32, 3, 1, 1}, sizeCase{28, 5, 1, 2}, sizeCase{7, 1, 1, 0}, sizeCase{8, 8, 1, 0})},
		step{"stride and padding", 4, compare(sizeMistakes,
			sizeCase{7, 3, 2, 0}, sizeCase{8, 3, 2, 0}, sizeCase{224, 7, 2, 3}, sizeCase{112, 3, 2, 1}, sizeCase{56, 1, 2, 0},
			sizeCase{10, 4, 3, 1}, sizeCase{11, 2, 4, 3})},
		step{"what cannot be", 3, compare(sizeUnasked,
			sizeCase{2, 3, 2, 0}, sizeCase{1, 7, 1, 1}, sizeCase{3, 9, 4, 2}, sizeCase{1, 3, 1, 1}, sizeCase{3, 9, 4, 3})},
	)
}

var sizeMistakes = []mistake[sizeCase, int]{
	{Hint{"plus-one-forgotten", "the kernel's first place counts too: steps of the stride along the way, and one"},
		func(c sizeCase) int { return c.way() / c.stride }},
	{Hint{"one-added-before-dividing", "the one is for the kernel's first place, and no step: divide the way by the stride, and add it then"},
		func(c sizeCase) int { return (c.way() + 1) / c.stride }},
	{Hint{"padding-on-one-side", "padding is added on both sides, so it counts twice"},
		func(c sizeCase) int { return (c.in+c.padding-c.kernel)/c.stride + 1 }},
	{Hint{"padding-ignored", "the kernel moves over the padded image: padding makes it larger before all else"},
		func(c sizeCase) int { return (c.in-c.kernel)/c.stride + 1 }},
	{Hint{"rounded-up", "a last step for which there is no room is not made: round down, which Go's division of integers does"},
		func(c sizeCase) int { return (c.way()+c.stride-1)/c.stride + 1 }},
	{Hint{"stride-before-subtracting", "the stride divides the kernel's way, and that is the padded image less the kernel: subtract first"},
		func(c sizeCase) int { return (c.in+2*c.padding)/c.stride - c.kernel + 1 }},
	{Hint{"stride-ignored", "the kernel moves stride pixels at a time, so there are that many times fewer places for it"},
		func(c sizeCase) int { return c.way() + 1 }},
}

// sizeUnasked are the rule as it is for kernels that fit.
var sizeUnasked = []mistake[sizeCase, int]{
	{kernelLarger, func(c sizeCase) int { return c.way()/c.stride + 1 }},
	{kernelLarger, func(c sizeCase) int { return max(0, c.way()/c.stride+1) }},
}

var kernelLarger = Hint{"kernel-larger-than-image", "the rule is for kernels that fit. For a larger one, what is left for the kernel's way is below 0, and Go's division rounds that towards 0, so that the size may even come out as 1: ask before you divide"}
