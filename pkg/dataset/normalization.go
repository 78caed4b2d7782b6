package dataset

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/support/exceptions"

	"github.com/residual-go/residual/pkg/printable"
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

// HalfNormalization returns a mean and a standard deviation of 0.5, which bring pixels to -1 … 1 as
// in many tutorials.
func HalfNormalization() Normalization {
	return Normalization{Mean: [3]float32{0.5, 0.5, 0.5}, Std: [3]float32{0.5, 0.5, 0.5}}
}

// NoNormalization returns a mean of 0 and a standard deviation of 1, which leave pixels at 0 … 1.
func NoNormalization() Normalization { return Normalization{Std: [3]float32{1, 1, 1}} }

// NamedNormalization is a normalization with the name that ParseNormalization knows it by.
type NamedNormalization struct {
	Name string
	Normalization
}

// NamedNormalizations returns the normalizations that have names: imagenet, cifar10, half and none.
func NamedNormalizations() []NamedNormalization {
	return []NamedNormalization{
		{"imagenet", ImageNetNormalization()},
		{"cifar10", CIFAR10Normalization()},
		{"half", HalfNormalization()},
		{"none", NoNormalization()},
	}
}

// ParseNormalization returns the normalization of a name, or of the three means and the three
// standard deviations in text, as in 0.49,0.48,0.45/0.25,0.24,0.26. String writes such texts.
func ParseNormalization(text string) (Normalization, error) {
	for _, named := range NamedNormalizations() {
		if named.Name == text {
			return named.Normalization, nil
		}
	}
	var n Normalization
	means, stds, ok := strings.Cut(text, "/")
	if !ok || !parseChannels(means, &n.Mean) || !parseChannels(stds, &n.Std) {
		return n, fmt.Errorf("unknown normalization %s; want imagenet, cifar10, half, none, or means and standard deviations of red, green and blue, such as %s",
			printable.Quote(text), CIFAR10Normalization().values())
	}
	return n, n.Validate()
}

// parseChannels reads three numbers with commas between them.
func parseChannels(text string, channels *[3]float32) bool {
	parts := strings.Split(text, ",")
	if len(parts) != len(channels) {
		return false
	}
	for i, part := range parts {
		x, err := strconv.ParseFloat(strings.TrimSpace(part), 32)
		if err != nil {
			return false
		}
		channels[i] = float32(x)
	}
	return true
}

// String returns the normalization's name or, if it has none, its values.
func (n Normalization) String() string {
	for _, named := range NamedNormalizations() {
		if named.Normalization == n {
			return named.Name
		}
	}
	return n.values()
}

// values returns MEAN/STD.
func (n Normalization) values() string {
	channels := func(x [3]float32) string { return fmt.Sprintf("%v,%v,%v", x[0], x[1], x[2]) }
	return channels(n.Mean) + "/" + channels(n.Std)
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
// deviation. It builds a graph and so runs on the device. It panics if pixels have another shape
// or are not bytes (uint8): other numbers may be scaled already.
func (n Normalization) Apply(pixels *graph.Node) *graph.Node {
	if pixels.DType() != dtypes.Uint8 || pixels.Rank() != 4 || pixels.Shape().Dim(3) != 3 {
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
