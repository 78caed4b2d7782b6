// This file is yours to edit. The task is in README.md in this folder (中文：README.zh.md). To check your answer: go test ./lesson/exercises/parameters
// Hand in only this file.

// Package parameters counts the parameters of residual networks: the numbers that training
// learns.
package parameters

// Conv counts the parameters of a convolution from in to out channels with a kernel×kernel
// kernel. The convolutions of a ResNet have no bias.
func Conv(in, out, kernel int) int {
	panic("not done yet: lesson/exercises/parameters/README.md says what to do")
}

// Norm counts the parameters of a batch norm: γ and β for each channel. The running
// statistics are not learned.
func Norm(channels int) int {
	panic("not done yet: lesson/exercises/parameters/README.md says what to do")
}

// Linear counts the parameters of a linear layer, which has a bias.
func Linear(in, out int) int {
	panic("not done yet: lesson/exercises/parameters/README.md says what to do")
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
	panic("not done yet: lesson/exercises/parameters/README.md says what to do")
}

// Parameters counts the parameters of a ResNet for ImageNet. It has a stem, a 7×7 convolution
// from 3 to 64 channels with its batch norm; four stages with the given numbers of blocks and
// widths 64, 128, 256 and 512, each but the first beginning with a block of stride 2; and a
// linear layer from the last block's channels to the classes.
func Parameters(bottleneck bool, blocks [4]int, classes int) int {
	panic("not done yet: lesson/exercises/parameters/README.md says what to do")
}
