package check

import (
	"fmt"
	"slices"
	"strings"
)

// convolutionCase is a convolution and PyTorch's result.
type convolutionCase struct {
	Step    string          `json:"step"`
	X       [][][]float32   `json:"x"`
	W       [][][][]float32 `json:"w"`
	Stride  int             `json:"stride"`
	Padding int             `json:"padding"`
	Want    [][][]float32   `json:"want"`
}

func (c convolutionCase) String() string {
	return fmt.Sprintf("Convolution(x %s, w [%d]%s, stride %d, padding %d)",
		dimensions(c.X), len(c.W), dimensions(c.W[0]), c.Stride, c.Padding)
}

// Convolution checks the exercise convolution.
func Convolution(t T, answer func(x [][][]float32, w [][][][]float32, stride, padding int) [][][]float32) {
	t.Helper()
	cases := torch().Convolution
	compare := func(of func(convolutionCase) bool, same func(a, b [][][]float32) bool) func() error {
		values := trial[convolutionCase, [][][]float32]{
			answer: func(c convolutionCase) [][][]float32 {
				// Copies, because the usual mistakes are tried on the same image afterwards.
				return answer(cloneMaps(c.X), cloneKernels(c.W), c.Stride, c.Padding)
			},
			want:     func(c convolutionCase) [][][]float32 { return c.Want },
			same:     same,
			what:     convolutionCase.String,
			explain:  explainMaps,
			mistakes: convolutionMistakes,
			probes:   cases,
			outside:  Hint{"outside-the-image", "an index lies outside its slice. If that is the image: with padding, the kernel reaches beyond all four sides, where everything is 0. If it is the kernel: its height and width, w's first two axes, may differ"},
		}
		for _, c := range cases {
			if of(c) {
				values.cases = append(values.cases, c)
			}
		}
		return values.try
	}
	values := func(step string) func() error {
		return compare(func(c convolutionCase) bool { return c.Step == step }, sameMaps)
	}
	// Square kernels that stay inside the image: the simplest cases, for the shape alone.
	plain := func(c convolutionCase) bool { return c.Stride == 1 && c.Padding == 0 && len(c.W) == len(c.W[0]) }
	run(t, "convolution",
		step{"shape", 1, compare(plain, func(a, b [][][]float32) bool { return dimensions(a) == dimensions(b) })},
		step{"one channel", 2, values("one channel")},
		step{"many channels", 3, values("channels")},
		step{"stride and padding", 4, func() error {
			if err := values("stride and padding")(); err != nil {
				return err
			}
			for _, c := range cases {
				x, w := cloneMaps(c.X), cloneKernels(c.W)
				answer(x, w, c.Stride, c.Padding)
				if !sameMaps(x, c.X) || !slices.EqualFunc(w, c.W, sameMaps) {
					return &Failure{What: c.String(), Want: "x and w unchanged", Got: "one of them was overwritten",
						Hint: Hint{"arguments-changed", "the image and the kernels belong to the caller: make new slices for the result"}}
				}
			}
			return nil
		}},
	)
}

func cloneMaps(x [][][]float32) [][][]float32 {
	y := make([][][]float32, len(x))
	for i, row := range x {
		y[i] = make([][]float32, len(row))
		for j, pixel := range row {
			y[i][j] = slices.Clone(pixel)
		}
	}
	return y
}

func cloneKernels(w [][][][]float32) [][][][]float32 {
	clone := make([][][][]float32, len(w))
	for i, row := range w {
		clone[i] = cloneMaps(row)
	}
	return clone
}

// dimensions formats the shape of x as [2][3][1].
func dimensions(x [][][]float32) string {
	if len(x) == 0 || len(x[0]) == 0 {
		return fmt.Sprintf("[%d][0][0]", len(x))
	}
	for _, row := range x {
		if len(row) != len(x[0]) {
			return fmt.Sprintf("[%d] rows of different lengths, such as %d and %d", len(x), len(x[0]), len(row))
		}
		for _, pixel := range row {
			if len(pixel) != len(x[0][0]) {
				return fmt.Sprintf("[%d][%d] pixels of different lengths, such as %d and %d", len(x), len(row), len(x[0][0]), len(pixel))
			}
		}
	}
	return fmt.Sprintf("[%d][%d][%d]", len(x), len(x[0]), len(x[0][0]))
}

// sameMaps reports whether two results are equal, up to the order of additions.
func sameMaps(a, b [][][]float32) bool {
	if dimensions(a) != dimensions(b) {
		return false
	}
	for row := range a {
		for column := range a[row] {
			for channel := range a[row][column] {
				if !near(float64(a[row][column][channel]), float64(b[row][column][channel]), 1e-5) {
					return false
				}
			}
		}
	}
	return true
}

// explainMaps shows the first wrong channel as a grid.
func explainMaps(c convolutionCase, want, got [][][]float32) *Failure {
	if dimensions(want) != dimensions(got) {
		return &Failure{What: "shape of " + c.String(), Want: dimensions(want), Got: dimensions(got)}
	}
	for channel := range want[0][0] {
		a, b := grid(want, channel), grid(got, channel)
		if a != b {
			what := fmt.Sprintf("%s, output channel %d", c, channel)
			if len(c.X[0][0]) == 1 && len(want[0][0]) == 1 { // small enough to show
				var kernel [][][]float32
				for _, row := range c.W {
					var weights [][]float32
					for _, weight := range row {
						weights = append(weights, weight[0])
					}
					kernel = append(kernel, weights)
				}
				what += fmt.Sprintf(", with x\n%s\nand w\n%s", grid(c.X, 0), grid(kernel, 0))
			}
			values := func(maps [][][]float32) (list []float64) {
				for _, row := range maps {
					for _, pixel := range row {
						list = append(list, float64(pixel[channel]))
					}
				}
				return list
			}
			return &Failure{What: what, Want: a, Got: b, Pattern: pattern(values(want), values(got), []int{len(want), len(want[0])})}
		}
	}
	return &Failure{What: c.String(), Want: "the sums", Got: "almost the sums, but further off than rounding explains"}
}

// grid formats a channel of x, one row per line.
func grid(x [][][]float32, channel int) string {
	var rows []string
	for _, row := range x {
		var text strings.Builder
		for _, pixel := range row {
			fmt.Fprintf(&text, "%7.5g", pixel[channel])
		}
		rows = append(rows, text.String())
	}
	return strings.Join(rows, "\n")
}

// variation describes a convolution with a mistake; plainly returns the one without.
type variation struct {
	// sizeStride and sizePadding determine the result's shape, readStride and readPadding
	// the pixels that are read.
	sizeStride, sizePadding, readStride, readPadding int
	// kernel maps a place in a kernel of height×width to the place of the weight to use.
	kernel func(i, j, height, width int) (int, int)
	// Input channels from ≤ c < to are used.
	from, to int
	// repeated is true if a pixel outside the image has the value of the nearest one inside.
	repeated bool
	// firstKernel is true if the first kernel is used for all output channels.
	firstKernel bool
}

// plainly returns the variation without a mistake.
func (c convolutionCase) plainly() variation {
	return variation{
		sizeStride: c.Stride, sizePadding: c.Padding, readStride: c.Stride, readPadding: c.Padding,
		kernel: func(i, j, _, _ int) (int, int) { return i, j }, to: len(c.X[0][0]),
	}
}

func (c convolutionCase) compute(v variation) [][][]float32 {
	height, width, kernelHeight, kernelWidth := len(c.X), len(c.X[0]), len(c.W), len(c.W[0])
	y := make([][][]float32, (height+2*v.sizePadding-kernelHeight)/v.sizeStride+1)
	for row := range y {
		y[row] = make([][]float32, (width+2*v.sizePadding-kernelWidth)/v.sizeStride+1)
		for column := range y[row] {
			sums := make([]float32, len(c.W[0][0][0]))
			for i := range kernelHeight {
				for j := range kernelWidth {
					top, left := row*v.readStride-v.readPadding+i, column*v.readStride-v.readPadding+j
					if v.repeated {
						top, left = min(max(top, 0), height-1), min(max(left, 0), width-1)
					}
					if top < 0 || top >= height || left < 0 || left >= width {
						continue
					}
					a, b := v.kernel(i, j, kernelHeight, kernelWidth)
					for in := v.from; in < v.to; in++ {
						for out := range sums {
							from := out
							if v.firstKernel {
								from = 0
							}
							sums[out] += c.X[top][left][in] * c.W[a][b][in][from]
						}
					}
				}
			}
			y[row][column] = sums
		}
	}
	return y
}

// varied returns the mistake that changes the plain variation.
func varied(name, text string, change func(*variation)) mistake[convolutionCase, [][][]float32] {
	return mistake[convolutionCase, [][][]float32]{Hint{name, text}, func(c convolutionCase) [][][]float32 {
		v := c.plainly()
		change(&v)
		return c.compute(v)
	}}
}

var convolutionMistakes = []mistake[convolutionCase, [][][]float32]{
	varied("kernel-flipped", "the kernel is flipped, as in the mathematical convolution. Deep learning does not flip it: w[0][0] belongs to the first pixel under the kernel",
		func(v *variation) {
			v.kernel = func(i, j, height, width int) (int, int) { return height - 1 - i, width - 1 - j }
		}),
	varied("kernel-transposed", "the kernel's axes are swapped: in w[i][j] the row i comes first, then the column j",
		func(v *variation) { v.kernel = func(i, j, _, _ int) (int, int) { return j, i } }),
	varied("padding-ignored", "padding is missing: it adds rows and columns of zeros on all four sides, so the result is larger, and the kernel starts padding pixels above and to the left of the image",
		func(v *variation) { v.sizePadding, v.readPadding = 0, 0 }),
	varied("padding-not-subtracted", "the result has the right size, but the kernel starts at the corner of the image; it should start padding pixels above and to the left of it",
		func(v *variation) { v.readPadding = 0 }),
	varied("padding-repeats-the-edge", "outside the image everything is 0, not a copy of the nearest pixel",
		func(v *variation) { v.repeated = true }),
	varied("stride-ignored", "the stride is missing: from one pixel of the result to the next the kernel moves stride pixels, so the result has fewer of them",
		func(v *variation) { v.sizeStride, v.readStride = 1, 1 }),
	varied("stride-in-the-size-only", "the result has the right size, but its pixels come from neighbouring places: for row r and column c, the kernel starts at r·stride, c·stride",
		func(v *variation) { v.readStride = 1 }),
	varied("first-channel-only", "only the first input channel counts; each value of the result is one sum over all input channels",
		func(v *variation) { v.to = 1 }),
	varied("last-channel-only", "only the last input channel counts; each value of the result is one sum over all of them, so do not start again at each channel",
		func(v *variation) { v.from = v.to - 1 }),
	varied("first-kernel-only", "all output channels use the first kernel; each has its own, given by the last index of w",
		func(v *variation) { v.firstKernel = true }),
	{Hint{"height-width-swapped", "height and width are swapped: the first axis counts rows and the second columns, y before x, throughout"}, func(c convolutionCase) [][][]float32 {
		y := c.compute(c.plainly())
		swapped := make([][][]float32, len(y[0]))
		for row := range swapped {
			swapped[row] = make([][]float32, len(y))
			for column := range swapped[row] {
				swapped[row][column] = y[column][row]
			}
		}
		return swapped
	}},
}
