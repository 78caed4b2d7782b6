package check

import (
	"fmt"
	"strconv"
)

// sizeCase holds the arguments of OutputSize.
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

// way is how far the kernel moves, from its first position to the last one that fits; it is
// negative if the kernel does not fit at all.
func (c sizeCase) way() int { return c.in + 2*c.padding - c.kernel }

// OutputSize checks the exercise outputsize.
func OutputSize(t T, answer func(in, kernel, stride, padding int) int) {
	t.Helper()
	// The first cases are easy to follow by hand. All other small ones come after them.
	compare := func(mistakes []mistake[sizeCase, int], among func(sizeCase) bool, first ...sizeCase) func() error {
		return trial[sizeCase, int]{
			cases:  append(first, smallSizes(among)...),
			probes: smallSizes(func(c sizeCase) bool { return fits(c) == fits(first[0]) }),
			answer: func(c sizeCase) int { return answer(c.in, c.kernel, c.stride, c.padding) },
			want:   sizeCase.want,
			same:   func(a, b int) bool { return a == b },
			what:   sizeCase.String,
			explain: func(c sizeCase, want, got int) *Failure {
				return &Failure{What: c.String(), Want: strconv.Itoa(want), Got: strconv.Itoa(got), Pattern: sizePattern(answer, fits(c))}
			},
			mistakes: mistakes,
		}.try
	}
	run(t, "outputsize",
		step{"stride 1", 3, compare(sizeMistakes,
			func(c sizeCase) bool { return fits(c) && c.stride == 1 },
			sizeCase{5, 3, 1, 0}, sizeCase{32, 3, 1, 1}, sizeCase{28, 5, 1, 2}, sizeCase{7, 1, 1, 0}, sizeCase{8, 8, 1, 0})},
		step{"stride and padding", 4, compare(sizeMistakes, fits,
			sizeCase{7, 3, 2, 0}, sizeCase{8, 3, 2, 0}, sizeCase{224, 7, 2, 3}, sizeCase{112, 3, 2, 1}, sizeCase{56, 1, 2, 0},
			sizeCase{10, 4, 3, 1}, sizeCase{11, 2, 4, 3})},
		step{"what cannot be", 3, compare(sizeUnasked, func(c sizeCase) bool { return !fits(c) },
			sizeCase{2, 3, 2, 0}, sizeCase{1, 7, 1, 1}, sizeCase{3, 9, 4, 2}, sizeCase{1, 3, 1, 1}, sizeCase{3, 9, 4, 3})},
	)
}

// sizePattern says what the sizes that fit, or do not fit, have in common.
func sizePattern(answer func(in, kernel, stride, padding int) int, fit bool) (text string) {
	defer func() {
		if recover() != nil { // at another size
			text = ""
		}
	}()
	var want, got []float64
	for _, c := range smallSizes(func(c sizeCase) bool { return fits(c) == fit }) {
		want, got = append(want, float64(c.want())), append(got, float64(answer(c.in, c.kernel, c.stride, c.padding)))
	}
	return pattern(want, got, nil)
}

func fits(c sizeCase) bool { return c.way() >= 0 }

// smallSizes returns all small cases of a kind.
func smallSizes(among func(sizeCase) bool) []sizeCase {
	var list []sizeCase
	for in := 1; in <= 12; in++ {
		for kernel := 1; kernel <= 9; kernel++ {
			for stride := 1; stride <= 5; stride++ {
				for padding := 0; padding <= 4; padding++ {
					if c := (sizeCase{in, kernel, stride, padding}); among(c) {
						list = append(list, c)
					}
				}
			}
		}
	}
	return list
}

var sizeMistakes = []mistake[sizeCase, int]{
	{Hint{"plus-one-forgotten", "the kernel's first position counts too: add 1 to the number of steps"},
		func(c sizeCase) int { return c.way() / c.stride }},
	{Hint{"one-added-before-dividing", "the 1 is added too early: it stands for the kernel's first position, so divide by the stride first and then add it"},
		func(c sizeCase) int { return (c.way() + 1) / c.stride }},
	{Hint{"padding-on-one-side", "padding is added on both sides, so it counts twice: 2·padding"},
		func(c sizeCase) int { return (c.in+c.padding-c.kernel)/c.stride + 1 }},
	{Hint{"padding-ignored", "padding is missing: the kernel moves over the padded image, which is larger"},
		func(c sizeCase) int { return (c.in-c.kernel)/c.stride + 1 }},
	{Hint{"rounded-up", "the division rounds up, but a step that does not fit is not taken: round down, as Go's integer division does"},
		func(c sizeCase) int { return (c.way()+c.stride-1)/c.stride + 1 }},
	{Hint{"stride-before-subtracting", "subtract the kernel before you divide: the stride divides the distance that the kernel can move"},
		func(c sizeCase) int { return (c.in+2*c.padding)/c.stride - c.kernel + 1 }},
	{Hint{"stride-ignored", "the stride is missing: the kernel moves stride pixels at a time, so it has that many times fewer positions"},
		func(c sizeCase) int { return c.way() + 1 }},
}

// sizeUnasked are answers that use the rule without asking whether the kernel fits.
var sizeUnasked = []mistake[sizeCase, int]{
	{kernelLarger, func(c sizeCase) int { return c.way()/c.stride + 1 }},
	{kernelLarger, func(c sizeCase) int { return max(0, c.way()/c.stride+1) }},
}

var kernelLarger = Hint{"kernel-larger-than-image", "the rule only holds for kernels that fit. For a larger kernel the distance is negative, and Go's division rounds it towards 0, so the result can even be 1: test for it before you divide"}
