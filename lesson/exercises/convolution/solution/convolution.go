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
	// BEGIN SOLUTION
	height, width := len(x), len(x[0])
	kernelHeight, kernelWidth, channels := len(w), len(w[0]), len(w[0][0][0])
	result := make([][][]float32, (height+2*padding-kernelHeight)/stride+1)
	for row := range result {
		result[row] = make([][]float32, (width+2*padding-kernelWidth)/stride+1)
		for column := range result[row] {
			sums := make([]float32, channels)
			for i := range kernelHeight {
				for j := range kernelWidth {
					y, x0 := row*stride-padding+i, column*stride-padding+j
					if y < 0 || y >= height || x0 < 0 || x0 >= width {
						continue // padding, which adds 0
					}
					for in, value := range x[y][x0] {
						for out := range sums {
							sums[out] += value * w[i][j][in][out]
						}
					}
				}
			}
			result[row][column] = sums
		}
	}
	return result
	// END SOLUTION
}
