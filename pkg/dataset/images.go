// Package dataset holds labelled images in memory and turns them into batches.
//
// [Images] is a set of images as bytes, [Batches] yields them shuffled and augmented to GoMLX's
// trainer, and [Resident] yields the same batches from the memory of the device. Pixels stay
// bytes until the device normalises them ([Normalization]): a batch is then a quarter of the
// size of its float32 form.
//
// Where to find what:
//
//   - images.go: a set of images, subsets of it, and images held out for validation
//   - sizes.go: smaller images in parts of a run
//   - batches.go: the order of the images in an epoch, making batches on the host
//   - resident.go: making batches on the device
//   - augment.go: cropping, flipping and cutout, on the host and on the device
//   - random.go: the random numbers that both draw
//   - normalization.go: mean and standard deviation
//   - memory.go: the error for images that need too much memory
//
// GoMLX's package ml/dataset is not used because a run must be resumable bit for bit, from any
// step: here every batch depends only on the seed, the epoch and its position.
package dataset

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
)

// Split is the part of a data set that some images are.
type Split string

// The parts of a data set.
const (
	Training   Split = "training"
	Validation Split = "validation"
	Test       Split = "test"
	HeldOut    Split = "held-out" // taken from images that have no split of their own
	All        Split = "all"      // of images that have no split of their own
)

// Images is a labelled set of colour images of one size.
type Images struct {
	// Name is what people read in figures, tables and logs. It says what the data really is:
	// only verified CIFAR-10 records are named "CIFAR-10".
	Name string
	// Split says which part of the data the images are; "" stands for Test or Training, as the
	// context has it.
	Split Split
	// Classes are the names of the classes, in the order of the labels.
	Classes []string
	// Height and Width are the size of every image in pixels.
	Height, Width int
	// Pixels has shape [n, Height, Width, 3], with red, green and blue for each pixel.
	Pixels []byte
	// Labels has shape [n]. A label is an index into Classes.
	Labels []int32
}

// TestSplit returns which part of the data the images to evaluate on are, Test unless Split says
// otherwise.
func (m *Images) TestSplit() Split { return cmp.Or(m.Split, Test) }

// Len returns the number of images.
func (m *Images) Len() int { return len(m.Labels) }

// ImageSize returns the number of bytes of an image, Height·Width·3.
func (m *Images) ImageSize() int { return m.Height * m.Width * 3 }

// Image returns the pixels of image i, [Height, Width, 3]. The slice is not a copy.
func (m *Images) Image(i int) []byte {
	n := m.ImageSize()
	return m.Pixels[i*n : (i+1)*n : (i+1)*n]
}

// Validate returns an error if the sizes do not match or a label is out of range.
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

// Pick returns a copy of the images with the given indices, in that order.
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

// First returns the first n images, or all if there are fewer. They share the memory of m.
func (m *Images) First(n int) *Images {
	n = max(0, min(n, m.Len()))
	first := *m
	first.Pixels = m.Pixels[: n*m.ImageSize() : n*m.ImageSize()]
	first.Labels = m.Labels[:n:n]
	return &first
}

// FirstPerClass returns a copy of the first n images of every class, or all of a class that has
// fewer. They keep their order in m.
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

// HoldOut splits the images in two at random: rest without n of them, and the n that are held out
// for validation. Every class gives its share, up to rounding, and both parts keep their order in
// m. The same images and seed give the same parts. It is an error if n is not between 1 and the
// number of images less one.
func (m *Images) HoldOut(n int, seed uint64) (rest, heldOut *Images, err error) {
	if n < 1 || n >= m.Len() {
		return nil, nil, fmt.Errorf("%s: %d of %d images cannot be held out; want at least 1, and leave at least 1", m.Name, n, m.Len())
	}
	// Sorted by class after shuffling, every len/n-th image is held out.
	order := rand.New(rand.NewPCG(seed, holdOutStream)).Perm(m.Len())
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(m.Labels[a], m.Labels[b]) })
	out := make([]bool, m.Len())
	for i := range n {
		out[order[(2*i+1)*m.Len()/(2*n)]] = true
	}
	var parts [2][]int
	for i := range out {
		part := 0
		if out[i] {
			part = 1
		}
		parts[part] = append(parts[part], i)
	}
	rest, heldOut = m.Pick(parts[0]), m.Pick(parts[1])
	heldOut.Split = Validation
	return rest, heldOut, nil
}
