// This file is yours to edit. The task: README.md in this folder. To check it: go test ./lesson/exercises/parameters
// Hand in this file alone.

// Package parameters counts the parameters of residual networks: the numbers that training
// changes.
package parameters

// Conv counts those of a convolution from in to out channels with a kernel×kernel kernel.
// The convolutions of a ResNet have no bias.
func Conv(in, out, kernel int) int {
	panic("not done yet: lesson/exercises/parameters/README.md says what to do")
}

// Norm counts those of a batch norm over the channels: γ and β. The running statistics are
// not learned.
func Norm(channels int) int {
	panic("not done yet: lesson/exercises/parameters/README.md says what to do")
}

// Linear counts those of a linear layer, which has a bias.
func Linear(in, out int) int {
	panic("not done yet: lesson/exercises/parameters/README.md says what to do")
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
	panic("not done yet: lesson/exercises/parameters/README.md says what to do")
}

// Parameters counts those of a ResNet for ImageNet: the stem, a 7×7 convolution from 3 to
// 64 channels and its batch norm; four stages of so many blocks, of the widths 64, 128,
// 256 and 512, the first block of all stages but the first with stride 2; and a linear
// layer from the last block's channels to the classes.
func Parameters(bottleneck bool, blocks [4]int, classes int) int {
	panic("not done yet: lesson/exercises/parameters/README.md says what to do")
}
