package dataset

import (
	"fmt"
	"math"

	"github.com/gomlx/gomlx/core/graph"
)

// Sizes is a plan to train on smaller images at first, which cost less: a fully convolutional
// network does not mind, and the last steps, on whole images, adapt it to those (progressive
// resizing; Howard 2018, https://www.fast.ai/posts/2018-04-30-dawnbench-fastai.html). An empty
// plan trains on whole images only.
type Sizes []Size

// Size is a part of a run and the size of its images.
type Size struct {
	// Until is the end of the part as a share of the run's steps, above 0 and below 1. The part
	// begins where the one before it ends.
	Until float64 `json:"until"`
	// Pixels is the shorter side of the images after shrinking.
	Pixels int `json:"pixels"`
}

// maxSide bounds the side of an image.
const maxSide = 4096

// Validate returns an error if the plan is not valid.
func (s Sizes) Validate() error {
	before := Size{}
	for _, size := range s {
		switch {
		case !(size.Until > before.Until && size.Until < 1):
			return fmt.Errorf("images of %d pixels until %g of the run, want increasing shares of the run, above 0 and below 1", size.Pixels, size.Until)
		case size.Pixels < 1 || size.Pixels > maxSide:
			return fmt.Errorf("images of %d pixels, want 1 to %d", size.Pixels, maxSide)
		}
		before = size
	}
	return nil
}

// Fits returns an error if the plan asks for images that are not smaller than those given.
func (s Sizes) Fits(m *Images) error {
	for _, size := range s {
		if side := min(m.Height, m.Width); size.Pixels >= side {
			return fmt.Errorf("%s: sizes: images of %d×%d pixels cannot be shrunk to %d", m.Name, m.Height, m.Width, size.Pixels)
		}
	}
	return nil
}

// At returns the shorter side of the images in the given step, counted from 0, of a run of that
// many steps, and the first step after it that has another size. The side is 0 for whole images.
func (s Sizes) At(step, steps int) (pixels, until int) {
	for _, size := range s {
		if end := int(math.Round(size.Until * float64(steps))); step < end {
			return size.Pixels, end
		}
	}
	return 0, steps
}

// Shrink builds the graph that shrinks images, floats [n, height, width, channels], so that their
// shorter side has the given number of pixels. Each pixel is the mean over the part of the image
// that it covers, as with OpenCV's INTER_AREA. 0 leaves the images as they are.
//
// It panics if the images are smaller than that, as graph-building functions do.
func Shrink(images *graph.Node, pixels int) *graph.Node {
	if pixels == 0 {
		return images
	}
	height, width := images.Shape().Dim(1), images.Shape().Dim(2)
	side := min(height, width)
	if pixels < 0 || pixels > side {
		panic(fmt.Errorf("dataset.Shrink: %d×%d pixels cannot be shrunk to %d", height, width, pixels))
	}
	scaled := func(n int) int { return (n*pixels + side/2) / side }
	matrix := func(from, to int) *graph.Node {
		return graph.ConvertDType(graph.Const(images.Graph(), coverage(from, to)), images.DType())
	}
	rows := graph.Einsum("nhwc,yh->nywc", images, matrix(height, scaled(height)))
	return graph.Einsum("nywc,xw->nyxc", rows, matrix(width, scaled(width)))
}

// coverage returns the matrix [to, from] that shrinks a line of pixels: row i has the share of each
// old pixel in new pixel i.
func coverage(from, to int) [][]float32 {
	matrix := make([][]float32, to)
	for i := range matrix {
		matrix[i] = make([]float32, from)
		for j := range matrix[i] {
			// In units of 1/to of an old pixel, the new pixel covers [i·from, (i+1)·from) and the
			// old one [j·to, (j+1)·to).
			overlap := min((i+1)*from, (j+1)*to) - max(i*from, j*to)
			matrix[i][j] = float32(max(0, overlap)) / float32(from)
		}
	}
	return matrix
}
