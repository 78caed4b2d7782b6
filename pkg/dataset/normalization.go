package dataset

import (
	"fmt"
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/support/exceptions"
)

// Normalization is the mean and the standard deviation by which pixels are normalised: of the
// red, green and blue channel, for values scaled to 0 … 1. A network has to be given images
// normalised as in its training.
type Normalization struct {
	Mean [3]float32 `json:"mean"`
	Std  [3]float32 `json:"std"`
}

// CIFAR10Normalization returns the mean and standard deviation of CIFAR-10's training images.
func CIFAR10Normalization() Normalization {
	return Normalization{Mean: [3]float32{0.4914, 0.4822, 0.4465}, Std: [3]float32{0.2470, 0.2435, 0.2616}}
}

// ImageNetNormalization returns the values that torchvision's weights for ImageNet expect.
func ImageNetNormalization() Normalization {
	return Normalization{Mean: [3]float32{0.485, 0.456, 0.406}, Std: [3]float32{0.229, 0.224, 0.225}}
}

// Validate returns an error unless the means are finite and the standard deviations finite and
// above 0.
func (n Normalization) Validate() error {
	for c := range 3 {
		if mean := float64(n.Mean[c]); math.IsNaN(mean) || math.IsInf(mean, 0) {
			return fmt.Errorf("normalization: means %v, want finite numbers", n.Mean)
		}
		if std := float64(n.Std[c]); !(std > 0) || math.IsInf(std, 0) {
			return fmt.Errorf("normalization: standard deviations %v, want finite numbers above 0", n.Std)
		}
	}
	return nil
}

// Apply turns pixels, bytes [batch, height, width, 3], into float32 of the same shape: each
// channel is scaled to 0 … 1, its mean is subtracted, and the result is divided by its standard
// deviation. It builds a graph and so runs on the device.
func (n Normalization) Apply(pixels *graph.Node) *graph.Node {
	if pixels.Rank() != 4 || pixels.Shape().Dim(3) != 3 {
		exceptions.Panicf("Normalization: pixels have shape %s, want bytes [batch, height, width, 3]", pixels.Shape())
	}
	g := pixels.Graph()
	var scale, shift [3]float32
	for c := range scale {
		scale[c] = 1 / (255 * n.Std[c])
		shift[c] = -n.Mean[c] / n.Std[c]
	}
	x := graph.ConvertDType(pixels, dtypes.Float32)
	x = graph.Mul(x, graph.Reshape(graph.Const(g, scale[:]), 1, 1, 1, 3))
	return graph.Add(x, graph.Reshape(graph.Const(g, shift[:]), 1, 1, 1, 3))
}
