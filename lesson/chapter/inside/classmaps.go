package inside

import (
	"fmt"

	"github.com/residual-go/residual/pkg/dataset"
)

// ClassMaps holds the class activation maps of some images. For each class, a map tells how
// much each position of the last stage's output adds to the logit.
type ClassMaps struct {
	// Height and Width are the size of a map, and Classes is the number of classes.
	Height, Width, Classes int
	// Logits are the network's logits, [images, classes], and Bias is the last layer's bias,
	// [classes].
	Logits, Bias []float32
	// maps is [images, classes, height, width].
	maps []float64
}

// ClassMaps returns the class activation maps of images; see [infer.Explanation.ClassMap].
func (n *Network) ClassMaps(images *dataset.Images) (*ClassMaps, error) {
	e, err := n.infer.Explain(images.Pixels, images.Height, images.Width)
	if err != nil {
		return nil, err
	}
	m := &ClassMaps{Height: e.Height, Width: e.Width, Classes: e.Classes(), Logits: e.Logits, Bias: n.whole["fc.bias"].Data}
	for image := range images.Len() {
		for class := range m.Classes {
			m.maps = append(m.maps, e.ClassMap(image, class)...)
		}
	}
	return m, nil
}

// Map returns the map of one image and class, [height, width].
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

// Logit returns the logit of one image and class.
func (m *ClassMaps) Logit(image, class int) float64 { return float64(m.Logits[image*m.Classes+class]) }

// Guess returns the class with the highest logit for an image.
func (m *ClassMaps) Guess(image int) int {
	guess := 0
	for class := range m.Classes {
		if m.Logit(image, class) > m.Logit(image, guess) {
			guess = class
		}
	}
	return guess
}

// Peak returns the row and the column of the maximum in the map of one image and class.
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

// Collage returns one image composed of images, in rows of the given number of columns. Empty
// places in the last row are black. The collage has the label of the first image.
func Collage(images *dataset.Images, columns int) (*dataset.Images, error) {
	if images.Len() == 0 || columns < 1 {
		return nil, fmt.Errorf("collage of %d images in %d columns: want at least 1 of each", images.Len(), columns)
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
