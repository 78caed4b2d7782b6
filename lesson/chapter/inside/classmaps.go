package inside

import (
	"fmt"
	"slices"

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

// Lowest returns the row and the column of the minimum in the map of one image and class.
func (m *ClassMaps) Lowest(image, class int) (y, x int) {
	values := m.Map(image, class)
	lowest := 0
	for place, value := range values {
		if value < values[lowest] {
			lowest = place
		}
	}
	return lowest / m.Width, lowest % m.Width
}

// Cover returns the images with a grey square, side pixels wide, over each. place returns the position in
// the maps that the square of an image is centred on; a square that would reach beyond the image is moved
// inside.
func (m *ClassMaps) Cover(images *dataset.Images, side int, place func(image int) (y, x int)) *dataset.Images {
	covered := *images
	covered.Pixels = slices.Clone(images.Pixels)
	for i := range images.Len() {
		y, x := place(i)
		top := start(y, m.Height, side, images.Height)
		left := start(x, m.Width, side, images.Width)
		for row := top; row < min(top+side, images.Height); row++ {
			line := covered.Image(i)[row*3*images.Width:][:3*images.Width]
			for at := 3 * left; at < min(3*(left+side), len(line)); at++ {
				line[at] = 128
			}
		}
	}
	return &covered
}

// start returns where a span of the given length begins on an axis of size pixels so that it is centred on
// one of several equal parts of the axis, or as near to that as there is room.
func start(part, parts, length, size int) int {
	centre := (2*part + 1) * size / (2 * parts)
	return max(0, min(centre-length/2, size-length))
}

// Groups returns groups of images of different classes, chosen from the given indices: at most size
// images in each, in the order of their classes. A class with too few images is in none.
func Groups(images *dataset.Images, indices []int, groups, size int) []*dataset.Images {
	byClass := make([][]int, len(images.Classes))
	for _, i := range indices {
		byClass[images.Labels[i]] = append(byClass[images.Labels[i]], i)
	}
	byClass = slices.DeleteFunc(byClass, func(of []int) bool { return len(of) < groups })
	var chosen []*dataset.Images
	for group := range groups {
		var members []int
		for k := range byClass {
			// Each group leaves out other classes.
			if (k+len(byClass)-group%max(1, len(byClass)))%len(byClass) < size {
				members = append(members, byClass[k][group])
			}
		}
		chosen = append(chosen, images.Pick(members))
	}
	return chosen
}

// Located is a collage, and in which of its images a network finds their classes.
type Located struct {
	Collage *dataset.Images
	Maps    *ClassMaps
	// Place has, for each image, the index of the image in which the map of its class is highest.
	Place []int
	// Found is the number of images that have their own index there.
	Found int
}

// Locate shows the network a collage of the images and finds the highest place of the map of each image's
// class. No two images should be of one class.
func (n *Network) Locate(images *dataset.Images, columns int) (*Located, error) {
	collage, err := Collage(images, columns)
	if err != nil {
		return nil, err
	}
	maps, err := n.ClassMaps(collage)
	if err != nil {
		return nil, err
	}
	l := &Located{Collage: collage, Maps: maps}
	for i, label := range images.Labels {
		y, x := maps.Peak(0, int(label))
		place := y*collage.Height/(maps.Height*images.Height)*columns + x*collage.Width/(maps.Width*images.Width)
		l.Place = append(l.Place, place)
		if place == i {
			l.Found++
		}
	}
	return l, nil
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
