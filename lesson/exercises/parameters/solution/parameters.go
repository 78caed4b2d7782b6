// Package parameters counts the parameters of residual networks: the numbers that training
// changes.
package parameters

// Conv counts those of a convolution from in to out channels with a kernel×kernel kernel.
// The convolutions of a ResNet have no bias.
func Conv(in, out, kernel int) int {
	// BEGIN SOLUTION
	return kernel * kernel * in * out
	// END SOLUTION
}

// Norm counts those of a batch norm over the channels: γ and β. The running statistics are
// not learned.
func Norm(channels int) int {
	// BEGIN SOLUTION
	return 2 * channels
	// END SOLUTION
}

// Linear counts those of a linear layer, which has a bias.
func Linear(in, out int) int {
	// BEGIN SOLUTION
	return in*out + out
	// END SOLUTION
}

// Block counts those of a block that gets in channels, whose 3×3 convolutions have width
// channels, and which moves by stride. Every convolution has a batch norm behind it.
//
//	basic       3×3 to width, 3×3 to width
//	bottleneck  1×1 to width, 3×3 to width, 1×1 to 4·width
//
// Where the block's result has another shape than what it gets, by stride or channels, the
// shortcut is a projection: a 1×1 convolution and a batch norm.
func Block(bottleneck bool, in, width, stride int) int {
	// BEGIN SOLUTION
	out := width
	sum := Conv(in, width, 3) + Norm(width) + Conv(width, width, 3) + Norm(width)
	if bottleneck {
		out = 4 * width
		sum = Conv(in, width, 1) + Norm(width) + Conv(width, width, 3) + Norm(width) + Conv(width, out, 1) + Norm(out)
	}
	if stride != 1 || in != out {
		sum += Conv(in, out, 1) + Norm(out)
	}
	return sum
	// END SOLUTION
}

// Parameters counts those of a ResNet for ImageNet: the stem, a 7×7 convolution from 3 to
// 64 channels and its batch norm; four stages of so many blocks, of the widths 64, 128,
// 256 and 512, the first block of all stages but the first with stride 2; and a linear
// layer from the last block's channels to the classes.
func Parameters(bottleneck bool, blocks [4]int, classes int) int {
	// BEGIN SOLUTION
	sum := Conv(3, 64, 7) + Norm(64)
	channels := 64
	for stage, n := range blocks {
		width := 64 << stage
		for block := range n {
			stride := 1
			if stage > 0 && block == 0 {
				stride = 2
			}
			sum += Block(bottleneck, channels, width, stride)
			channels = width
			if bottleneck {
				channels = 4 * width
			}
		}
	}
	return sum + Linear(channels, classes)
	// END SOLUTION
}
