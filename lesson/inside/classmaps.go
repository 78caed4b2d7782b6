package inside

import (
	"fmt"

	"github.com/residual-go/residual/pkg/dataset"
)

// ClassMaps are the class activation maps of some images: for every class, how much each
// place of the last stage's maps adds to the class's logit.
type ClassMaps struct {
	// Height and Width are those of the maps, and Classes is the number of classes.
	Height, Width, Classes int
	// Logits are the network's own, [images, classes], and Bias is the last layer's.
	Logits, Bias []float32
	// maps is [images, classes, height, width].
	maps []float64
}

// ClassMaps returns the class activation maps of images,
//
//	CAM_c(y, x) = Σ_k w_ck · f_k(y, x),
//
// where f_k are the maps that go into the global average pool and w the weights of the
// linear layer behind it. Both are linear, so their order can be changed: the mean of a
// class's map, and the bias, is the class's logit.
func (n *Network) ClassMaps(images *dataset.Images) (*ClassMaps, error) {
	last := fmt.Sprintf("layer%d", len(n.recipe.Model.Blocks))
	if n.recipe.Model.PreActivation {
		last = "relu" // behind the batch norm that follows the last stage
	}
	outputs, err := n.Outputs(images, last, "fc")
	if err != nil {
		return nil, err
	}
	weight, features := n.whole["fc.weight"], outputs[0] // [classes, channels], [images, height, width, channels]
	m := &ClassMaps{Height: features.Shape[1], Width: features.Shape[2], Classes: weight.Shape[0],
		Logits: outputs[1].Data, Bias: n.whole["fc.bias"].Data}
	places, channels := m.Height*m.Width, weight.Shape[1]
	for image := range images.Len() {
		for class := range m.Classes {
			for place := range places {
				at := features.Data[(image*places+place)*channels:][:channels]
				var sum float64
				for k, w := range row(weight, class) {
					sum += float64(w) * float64(at[k])
				}
				m.maps = append(m.maps, sum)
			}
		}
	}
	return m, nil
}

// Map returns the map of one image and class, [height, width] row by row.
func (m *ClassMaps) Map(image, class int) []float64 {
	size := m.Height * m.Width
	return m.maps[(image*m.Classes+class)*size:][:size]
}

// Mean returns the mean of the map of one image and class.
func (m *ClassMaps) Mean(image, class int) float64 {
	sum := 0.0
	for _, value := range m.Map(image, class) {
		sum += value
	}
	return sum / float64(m.Height*m.Width)
}

// Logit returns one logit of an image.
func (m *ClassMaps) Logit(image, class int) float64 { return float64(m.Logits[image*m.Classes+class]) }

// Guess returns the class with the highest logit.
func (m *ClassMaps) Guess(image int) int {
	guess := 0
	for class := range m.Classes {
		if m.Logit(image, class) > m.Logit(image, guess) {
			guess = class
		}
	}
	return guess
}

// Peak returns where the map of one image and class is highest, in places of the map.
func (m *ClassMaps) Peak(image, class int) (y, x int) {
	values := m.Map(image, class)
	highest := 0
	for place, value := range values {
		if value > values[highest] {
			highest = place
		}
	}
	return highest / m.Width, highest % m.Width
}

// Collage returns one image that has images side by side, in rows of so many columns. What
// is missing in the last row is black. It has no label of its own and gets the first one's.
func Collage(images *dataset.Images, columns int) (*dataset.Images, error) {
	if images.Len() == 0 || columns < 1 {
		return nil, fmt.Errorf("a collage of %d images in rows of %d, want at least 1 of each", images.Len(), columns)
	}
	rows := (images.Len() + columns - 1) / columns
	collage := *images
	collage.Height, collage.Width, collage.Labels = rows*images.Height, columns*images.Width, images.Labels[:1]
	collage.Pixels = make([]byte, collage.ImageSize())
	line := 3 * images.Width
	for i := range images.Len() {
		for y := range images.Height {
			to := ((i/columns*images.Height+y)*columns + i%columns) * line
			copy(collage.Pixels[to:], images.Image(i)[y*line:][:line])
		}
	}
	return &collage, nil
}
