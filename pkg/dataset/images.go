// Package dataset holds labelled images in memory and turns them into batches.
//
// [Images] is a set of images as bytes; subsets and splits of it share its pixels.
// [Batches] walks over one in a seeded order, augments, and yields batches for GoMLX's
// trainer. Pixels stay bytes until the device normalises them ([Normalization]): a batch is
// a quarter of the size of its float32 form.
package dataset

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// Images is a labelled set of colour images of one size.
type Images struct {
	// Name is what the set is called in front of people: on figures, in tables, in logs.
	// It says what the data really is; only verified CIFAR-10 records are "CIFAR-10".
	Name string
	// Classes are the names of the classes. A label is an index into it.
	Classes []string
	// Height and Width in pixels, of every image.
	Height, Width int
	// Pixels is [n, Height, Width, 3], row by row, red, green and blue of each pixel.
	Pixels []byte
	// Labels is [n], each in 0 … len(Classes)−1.
	Labels []int32
}

// Len returns the number of images.
func (m *Images) Len() int { return len(m.Labels) }

// ImageSize returns the number of bytes of one image, Height·Width·3.
func (m *Images) ImageSize() int { return m.Height * m.Width * 3 }

// Image returns the pixels of image i, [Height, Width, 3]. The slice is the set's own
// memory, not a copy.
func (m *Images) Image(i int) []byte {
	n := m.ImageSize()
	return m.Pixels[i*n : (i+1)*n : (i+1)*n]
}

// Validate reports whether the parts agree with one another: sizes, and labels in range.
func (m *Images) Validate() error {
	switch {
	case m.Height <= 0 || m.Width <= 0:
		return fmt.Errorf("%s: images of %d×%d pixels", m.Name, m.Height, m.Width)
	case len(m.Classes) == 0:
		return fmt.Errorf("%s: no class names", m.Name)
	case len(m.Pixels) != m.Len()*m.ImageSize():
		return fmt.Errorf("%s: %d bytes of pixels for %d images of %d bytes", m.Name, len(m.Pixels), m.Len(), m.ImageSize())
	}
	for i, label := range m.Labels {
		if label < 0 || int(label) >= len(m.Classes) {
			return fmt.Errorf("%s: image %d has label %d, want 0 to %d", m.Name, i, label, len(m.Classes)-1)
		}
	}
	return nil
}

// Pick returns the images at the given indices, in that order, copied.
func (m *Images) Pick(indices []int) *Images {
	size := m.ImageSize()
	picked := *m
	picked.Pixels = make([]byte, 0, len(indices)*size)
	picked.Labels = make([]int32, 0, len(indices))
	for _, i := range indices {
		picked.Pixels = append(picked.Pixels, m.Image(i)...)
		picked.Labels = append(picked.Labels, m.Labels[i])
	}
	return &picked
}

// First returns the first n images, all of them if there are fewer. It shares m's memory.
func (m *Images) First(n int) *Images {
	n = max(0, min(n, m.Len()))
	first := *m
	first.Pixels = m.Pixels[: n*m.ImageSize() : n*m.ImageSize()]
	first.Labels = m.Labels[:n:n]
	return &first
}

// FirstPerClass returns the first n images of every class, in their order in m. A class
// that has fewer gives all it has.
func (m *Images) FirstPerClass(n int) *Images {
	taken := make([]int, len(m.Classes))
	var indices []int
	for i, label := range m.Labels {
		if taken[label] < n {
			taken[label]++
			indices = append(indices, i)
		}
	}
	return m.Pick(indices)
}

// Split divides m at random into a training part and a validation part of
// round(fraction·n) images, each in m's order. The same seed gives the same split.
func (m *Images) Split(fraction float64, seed uint64) (training, validation *Images) {
	order := rand.New(rand.NewPCG(seed, splitStream)).Perm(m.Len())
	n := max(0, min(int(fraction*float64(m.Len())+0.5), m.Len()))
	held, kept := order[:n], order[n:]
	slices.Sort(held)
	slices.Sort(kept)
	return m.Pick(kept), m.Pick(held)
}
