package weights

import (
	"hash/fnv"
	"math"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/statedict"
)

// uniform returns count numbers in [−1, 1) that depend only on the name and their positions,
// the same as in tests/reference/weight_networks.py.
func uniform(name string, count int) []float64 {
	start := fnv.New64a()
	start.Write([]byte(name))
	state := start.Sum64()
	numbers := make([]float64, count)
	for i := range numbers {
		state += 0x9E3779B97F4A7C15
		x := state
		x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
		x = (x ^ x>>27) * 0x94D049BB133111EB
		x ^= x >> 31
		numbers[i] = float64(x>>40)/(1<<23) - 1
	}
	return numbers
}

// formula returns the weights that tests/reference/weight_networks.py gives the tensor of this
// name, in PyTorch's layout.
func formula(name string, shape []int) statedict.Tensor {
	size := 1
	for _, dim := range shape {
		size *= dim
	}
	centre, spread := 0.0, 0.3
	switch {
	case len(shape) == 4:
		spread = math.Sqrt(6 / float64(shape[1]*shape[2]*shape[3]))
	case len(shape) == 2:
		spread = math.Sqrt(3 / float64(shape[1]))
	case strings.HasSuffix(name, ".running_var"):
		centre, spread = 1, 0.5
	case strings.HasSuffix(name, ".weight"):
		centre, spread = 0.75, 0.25
	}
	data := make([]float32, size)
	for i, u := range uniform(name, size) {
		data[i] = float32(centre + float64(spread*u)) // rounded after each step, as NumPy does
	}
	return statedict.Tensor{Shape: shape, Data: data}
}

// byFormula returns all of the network's weights, under torchvision's names.
func byFormula(t *testing.T, c resnet.Config) map[string]statedict.Tensor {
	t.Helper()
	shapes, err := statedict.Shapes(c)
	if err != nil {
		t.Fatal(err)
	}
	tensors := map[string]statedict.Tensor{}
	for name, shape := range shapes {
		tensors[name] = formula(name, shape)
	}
	return tensors
}

// side is the size in pixels of the images that tests/reference/weight_networks.py makes.
const side = 64

// images returns the pixels of two images, [2, side, side, 3], the second darker.
func images() []byte {
	pixels := make([]byte, 2*side*side*3)
	for i, u := range uniform("images", len(pixels)) {
		pixels[i] = byte((u + 1) * 128)
		if i >= len(pixels)/2 {
			pixels[i] /= 4
		}
	}
	return pixels
}
