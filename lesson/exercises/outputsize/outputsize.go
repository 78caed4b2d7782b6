// This file is yours to edit. The task is in README.md in this folder (中文：README.zh.md). To check your answer: go test ./lesson/exercises/outputsize
// Hand in only this file.

// Package outputsize computes the size of a convolution's output.
package outputsize

// OutputSize returns the height of the output of a convolution, or a pooling, given the
// height in of its input, in pixels. The same rule gives the width.
//
// First, padding pixels are added above the image and as many below it. Then a kernel that
// is kernel pixels high moves over it, stride pixels at a time, stride ≥ 1. If the kernel
// does not fit into the padded image even once, the size is 0.
func OutputSize(in, kernel, stride, padding int) int {
	panic("not done yet: lesson/exercises/outputsize/README.md says what to do")
}
