// Package parameters counts the parameters of residual networks: the numbers that training
// learns.
package parameters

// Conv counts the parameters of a convolution from in to out channels with a kernel×kernel
// kernel. The convolutions of a ResNet have no bias.
func Conv(in, out, kernel int) int {
	// BEGIN SOLUTION
	return kernel * kernel * in * out
	// END SOLUTION
}

// Norm counts the parameters of a batch norm: γ and β for each channel. The running
// statistics are not learned.
func Norm(channels int) int {
	// BEGIN SOLUTION
	return 2 * channels
	// END SOLUTION
}

// Linear counts the parameters of a linear layer, which has a bias.
func Linear(in, out int) int {
	// BEGIN SOLUTION
	return in*out + out
	// END SOLUTION
}

// Block counts the parameters of a block with in input channels, whose 3×3 convolutions have
// width channels. Every convolution is followed by a batch norm.
//
//	basic       3×3 to width, 3×3 to width
//	bottleneck  1×1 to width, 3×3 to width, 1×1 to 4·width
//
// If the block changes the shape, by its stride or its channels, the shortcut is a
// projection: a 1×1 convolution and a batch norm.
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

// Parameters counts the parameters of a ResNet for ImageNet. It has a stem, a 7×7 convolution
// from 3 to 64 channels with its batch norm; four stages with the given numbers of blocks and
// widths 64, 128, 256 and 512, each but the first beginning with a block of stride 2; and a
// linear layer from the last block's channels to the classes.
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
