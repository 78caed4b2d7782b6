// Package outputsize computes the size of a convolution's output.
package outputsize

// OutputSize returns the height of the output of a convolution, or a pooling, given the
// height in of its input, in pixels. The same rule gives the width.
//
// First, padding pixels are added above the image and as many below it. Then a kernel that
// is kernel pixels high moves over it, stride pixels at a time, stride ≥ 1. If the kernel
// does not fit into the padded image even once, the size is 0.
func OutputSize(in, kernel, stride, padding int) int {
	// BEGIN SOLUTION
	way := in + 2*padding - kernel // the distance that the kernel can move
	if way < 0 {
		return 0
	}
	return way/stride + 1
	// END SOLUTION
}
