// This file is yours to edit. The task is in README.md in this folder (中文：README.zh.md). To check your answer: go test ./lesson/exercises/convolution
// Hand in only this file.

// Package convolution computes a convolution by hand.
package convolution

// Convolution moves the kernels w over the image x, stride pixels at a time, and returns the
// sums of products, one for each position and each kernel:
//
//	x       [height][width][in]
//	w       [kernel height][kernel width][in][out]
//	result  [output height][output width][out]
//
// The image is padded with padding zeros on each of its four sides. The sizes of the result
// are those of the exercise outputsize. You may assume that the kernel fits into the padded
// image at least once.
//
// As everywhere in deep learning, the kernel is not flipped: its first row and column lie on
// the first of the pixels under it.
func Convolution(x [][][]float32, w [][][][]float32, stride, padding int) [][][]float32 {
	panic("not done yet: lesson/exercises/convolution/README.md says what to do")
}
