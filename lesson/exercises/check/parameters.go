package check

import (
	"fmt"
	"strconv"
)

// Counts holds the functions of the exercise parameters.
type Counts struct {
	Conv       func(in, out, kernel int) int
	Norm       func(channels int) int
	Linear     func(in, out int) int
	Block      func(bottleneck bool, in, width, stride int) int
	Parameters func(bottleneck bool, blocks [4]int, classes int) int
}

// countCase is a call of one of the functions of Counts.
type countCase struct {
	call string
	of   func(Counts) int
	want int
}

// Parameters checks the exercise parameters. The numbers for whole networks are torchvision's.
func Parameters(t T, answer Counts) {
	t.Helper()
	compare := func(mistakes []mistake[countCase, int], cases []countCase) func() error {
		return trial[countCase, int]{
			cases:    cases,
			answer:   func(c countCase) int { return c.of(answer) },
			want:     func(c countCase) int { return c.want },
			same:     func(a, b int) bool { return a == b },
			what:     func(c countCase) string { return c.call },
			explain:  explainCount,
			mistakes: mistakes,
		}.try
	}
	run(t, "parameters",
		step{"layers", 2, compare(layerMistakes, []countCase{
			convCount(3, 64, 7, 9408), convCount(64, 128, 1, 8192), convCount(64, 64, 3, 36864),
			normCount(64, 128), normCount(2048, 4096),
			linearCount(512, 1000, 513000), linearCount(64, 10, 650),
		})},
		step{"blocks", 3, compare(blockMistakes, []countCase{
			blockCount(false, 64, 64, 1, 73984), blockCount(false, 64, 128, 2, 230144), blockCount(false, 128, 128, 2, 312064),
			blockCount(true, 256, 64, 1, 70400), blockCount(true, 64, 64, 1, 75008), blockCount(true, 256, 128, 2, 379392),
			blockCount(true, 512, 128, 2, 543232), blockCount(false, 128, 64, 1, 119168), blockCount(true, 512, 64, 1, 218368),
		})},
		step{"networks", 5, compare(networkMistakes, []countCase{
			networkCount(18, false, [4]int{2, 2, 2, 2}, 11689512), networkCount(34, false, [4]int{3, 4, 6, 3}, 21797672),
			networkCount(50, true, [4]int{3, 4, 6, 3}, 25557032), networkCount(101, true, [4]int{3, 4, 23, 3}, 44549160),
			networkCount(152, true, [4]int{3, 8, 36, 3}, 60192808), resnet18Of10,
		})},
	)
}

func convCount(in, out, kernel, want int) countCase {
	return countCase{fmt.Sprintf("Conv(%d, %d, %d)", in, out, kernel), func(c Counts) int { return c.Conv(in, out, kernel) }, want}
}

func normCount(channels, want int) countCase {
	return countCase{fmt.Sprintf("Norm(%d)", channels), func(c Counts) int { return c.Norm(channels) }, want}
}

func linearCount(in, out, want int) countCase {
	return countCase{fmt.Sprintf("Linear(%d, %d)", in, out), func(c Counts) int { return c.Linear(in, out) }, want}
}

func blockCount(bottleneck bool, in, width, stride, want int) countCase {
	return countCase{fmt.Sprintf("Block(bottleneck %t, in %d, width %d, stride %d)", bottleneck, in, width, stride),
		func(c Counts) int { return c.Block(bottleneck, in, width, stride) }, want}
}

func networkCount(depth int, bottleneck bool, blocks [4]int, want int) countCase {
	return countCase{fmt.Sprintf("Parameters(bottleneck %t, blocks %v, 1000), which is ResNet-%d", bottleneck, blocks, depth),
		func(c Counts) int { return c.Parameters(bottleneck, blocks, 1000) }, want}
}

var resnet18Of10 = countCase{"Parameters(bottleneck false, blocks [2 2 2 2], 10)",
	func(c Counts) int { return c.Parameters(false, [4]int{2, 2, 2, 2}, 10) }, 11181642}

func explainCount(c countCase, want, got int) *Failure {
	off := fmt.Sprintf("%d, %d too many", got, got-want)
	if got < want {
		off = fmt.Sprintf("%d, %d too few", got, want-got)
	}
	return &Failure{What: c.call, Want: strconv.Itoa(want), Got: off}
}

// counting is a way to count parameters that may have a mistake; plainCounting has none.
type counting struct {
	conv   func(in, out, kernel int) int
	norm   func(channels int) int
	linear func(in, out int) int
	// projected reports whether the shortcut of a block has a projection.
	projected func(in, out, stride int) bool
	// projection returns the number of parameters of a projection.
	projection func(c counting, in, out int) int
	// expansion is the ratio of a bottleneck's output channels to its width.
	expansion int
	// kernel is the kernel size of a bottleneck's second convolution.
	kernel int
	// stem is whether the stem counts.
	stem bool
	// firstIn is whether every block of a stage counts with the input channels of the first.
	firstIn bool
	// headIn returns the input channels of the linear layer, given those of the last block.
	headIn func(channels int) int
}

func plainCounting() counting {
	return counting{
		conv:       func(in, out, kernel int) int { return in * out * kernel * kernel },
		norm:       func(channels int) int { return 2 * channels },
		linear:     func(in, out int) int { return in*out + out },
		projected:  func(in, out, stride int) bool { return in != out || stride != 1 },
		projection: func(c counting, in, out int) int { return c.conv(in, out, 1) + c.norm(out) },
		expansion:  4, kernel: 3, stem: true,
		headIn: func(channels int) int { return channels },
	}
}

func (c counting) block(bottleneck bool, in, width, stride int) int {
	out := width
	sum := c.conv(in, width, 3) + c.conv(width, width, 3) + 2*c.norm(width)
	if bottleneck {
		out = c.expansion * width
		sum = c.conv(in, width, 1) + c.conv(width, width, c.kernel) + 2*c.norm(width) + c.conv(width, out, 1) + c.norm(out)
	}
	if c.projected(in, out, stride) {
		sum += c.projection(c, in, out)
	}
	return sum
}

func (c counting) parameters(bottleneck bool, blocks [4]int, classes int) int {
	sum := 0
	if c.stem {
		sum = c.conv(3, 64, 7) + c.norm(64)
	}
	channels := 64
	for stage, n := range blocks {
		in, width, stride := channels, 64<<stage, 2
		if stage == 0 {
			stride = 1
		}
		for range n {
			sum += c.block(bottleneck, in, width, stride)
			channels, stride = width, 1
			if bottleneck {
				channels = c.expansion * width
			}
			if !c.firstIn {
				in = channels
			}
		}
	}
	return sum + c.linear(c.headIn(channels), classes)
}

func countMistake(name, text string, change func(*counting)) mistake[countCase, int] {
	return mistake[countCase, int]{Hint{name, text}, func(c countCase) int {
		counts := plainCounting()
		change(&counts)
		return c.of(Counts{counts.conv, counts.norm, counts.linear, counts.block, counts.parameters})
	}}
}

var layerMistakes = []mistake[countCase, int]{
	countMistake("bias-in-convolutions", "convolutions in a ResNet have no bias: the batch norm after each subtracts the mean, and a bias with it", biasInConvolutions),
	countMistake("kernel-counted-once", "kernels are square: there are kernel·kernel weights for each pair of input and output channels",
		func(c *counting) { c.conv = func(in, out, kernel int) int { return in * out * kernel } }),
	countMistake("running-statistics-counted", "the running mean and variance are not learned: they are stored in a checkpoint, but they are not parameters", runningStatisticsCounted),
	countMistake("one-per-norm", "a batch norm has two parameters per channel, γ and β",
		func(c *counting) { c.norm = func(channels int) int { return channels } }),
	countMistake("bias-of-linear-forgotten", "the bias is missing: a linear layer has a weight for each pair of input and output, and a bias for each output",
		biasOfLinearForgotten),
}

var blockMistakes = []mistake[countCase, int]{
	countMistake("projection-forgotten", "the projection is missing: if the block has a stride or changes the channels, its shortcut has a 1×1 convolution and a batch norm", projectionForgotten),
	countMistake("projection-everywhere", "if a block does not change the shape, its shortcut has no parameters at all", projectionEverywhere),
	countMistake("projection-by-stride-only", "a change of channels needs a projection too: the first bottleneck of the first stage has stride 1, but takes 64 channels to 256", projectionByStride),
	countMistake("projection-by-channels-only", "a stride needs a projection even if the channels stay the same, because the shortcut has to shrink too",
		func(c *counting) { c.projected = func(in, out, _ int) bool { return in != out } }),
	countMistake("norm-of-projection-forgotten", "every convolution is followed by a batch norm, the one in the projection too",
		func(c *counting) { c.projection = func(c counting, in, out int) int { return c.conv(in, out, 1) } }),
	countMistake("bias-in-convolutions", "convolutions have no bias: count them with Conv", biasInConvolutions),
	countMistake("running-statistics-counted", "running statistics are not parameters: count batch norms with Norm", runningStatisticsCounted),
	countMistake("bottleneck-of-one-by-ones", "the middle one of a bottleneck's three convolutions is 3×3",
		func(c *counting) { c.kernel = 1 }),
	countMistake("bottleneck-not-widened", "a bottleneck's last convolution has 4·width output channels", notWidened),
}

var networkMistakes = []mistake[countCase, int]{
	countMistake("stem-forgotten", "the stem is missing: a 7×7 convolution from 3 to 64 channels and its batch norm, before the stages",
		func(c *counting) { c.stem = false }),
	countMistake("stride-in-every-block", "only the first block of a stage has stride 2, and the projection that comes with it", projectionEverywhere),
	countMistake("first-block-of-stage-one", "with bottlenecks, even the first stage begins with a projection: from 64 to 256 channels", projectionByStride),
	countMistake("projection-forgotten", "the first block of a stage has a projection; Block counts it if you pass the right stride and input channels", projectionForgotten),
	countMistake("stage-input-not-updated", "the input channels change after the first block of a stage: each later block takes the output channels of the one before",
		func(c *counting) { c.firstIn = true }),
	countMistake("head-without-expansion", "the linear layer takes the output channels of the last block: 4·512 with bottlenecks",
		func(c *counting) { c.headIn = func(int) int { return 512 } }),
	countMistake("head-forgotten", "the linear layer after the stages is missing, from the last block's channels to the classes",
		func(c *counting) { c.linear = func(_, _ int) int { return 0 } }),
	countMistake("bias-of-linear-forgotten", "the linear layer has a bias for each class: count the layer with Linear", biasOfLinearForgotten),
	countMistake("bias-in-convolutions", "convolutions have no bias: count them with Conv", biasInConvolutions),
	countMistake("running-statistics-counted", "running statistics are not parameters: count batch norms with Norm", runningStatisticsCounted),
}

func biasInConvolutions(c *counting) {
	c.conv = func(in, out, kernel int) int { return in*out*kernel*kernel + out }
}
func runningStatisticsCounted(c *counting) { c.norm = func(channels int) int { return 4 * channels } }
func biasOfLinearForgotten(c *counting)    { c.linear = func(in, out int) int { return in * out } }
func projectionForgotten(c *counting)      { c.projected = func(_, _, _ int) bool { return false } }
func projectionEverywhere(c *counting)     { c.projected = func(_, _, _ int) bool { return true } }
func projectionByStride(c *counting) {
	c.projected = func(_, _, stride int) bool { return stride != 1 }
}
func notWidened(c *counting) { c.expansion = 1 }
