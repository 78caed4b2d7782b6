// Package shapes10 draws a data set that needs no download: ten classes of small colour images
// made from a seed, for machines that cannot fetch CIFAR-10.
//
// An image is 32×32 pixels and shows a circle, ring, square, triangle, star, cross, heart, moon,
// arrow or spiral. Its position, size, rotation (up to an eighth of a turn either way) and
// mirroring are random, and so are the colours and the patterns of the shape and the background:
// plain, shaded, striped, chequered or cloudy. Only two times in five does the background have a
// colour that is typical of the class. Blobs and lines lie about, some of them across the shape.
// Contrast, brightness and noise vary from image to image. A mirrored image still belongs to its
// class, so the usual flips and crops are right for training.
//
// The data set is not CIFAR-10, and its [Name] says so wherever it is shown. It has the same
// image size, the same number of classes and, written by cifar.WriteRecords, the same record
// format, so code that reads one can read the other.
//
// Where to find what:
//
//   - shapes10.go: the data set: labels, seeds, training and test images
//   - scene.go: how an image is composed and painted
//   - shapes.go: the shapes
//   - paint.go: the colours and patterns
//   - geometry.go: points, and the arithmetic that is the same on every machine
//
// # Reproducibility
//
// Image i of a split depends only on the seed, the split and i, not on how many images are drawn
// or on how many processors. The bytes do not depend on the architecture either; geometry.go
// says what that takes. A test pins their hash. It has been run on amd64, with and without
// GOAMD64=v3, and on 386; for arm64 the generated instructions were inspected. The remaining
// assumption is that math/rand/v2 keeps its sequences.
//
// # Difficulty
//
// Test accuracy with Train([DefaultTrain], 42) and Test([DefaultTest], 42), one run each:
//
//	10.0%  guessing
//	42.0%  softmax regression on the normalised pixels: AdamW, best of three weight decays
//	       (43.3% at the best epoch)
//	95.9%  ResNet-20 after 10 epochs
//
// ResNet-20 by epoch: 42.5, 42.6, 42.8, 48.9, 58.4, 69.2, 59.4, 88.9, 91.5, 95.9%. It first
// learns what the colours give away and then the shapes. This was PyTorch, with the images
// written as CIFAR-10 records: SGD with Nesterov momentum 0.9 and weight decay 5e-4, random crops
// after 4 pixels of padding, random flips, batches of 128 and a one-cycle learning rate with 30%
// warm-up and a peak of 0.4. An AI that looked at a contact sheet of an earlier version, with a
// little less contrast and more noise, named 156 of 160 images correctly.
//
// Drawing the training images takes one core about a second.
package shapes10

import (
	"math/rand/v2"
	"runtime"
	"sync"

	"github.com/residual-go/residual/pkg/dataset"
)

// Name is what the set is called on every figure and in every table.
const Name = "Shapes-10 (built-in)"

// Side is the height and the width of every image, in pixels.
const Side = 32

// The numbers of training and test images in this project.
const (
	DefaultTrain = 10_000
	DefaultTest  = 2_000
)

// Classes returns the names of the ten classes, in the order of the labels.
func Classes() []string {
	return []string{"circle", "ring", "square", "triangle", "star", "cross", "heart", "moon", "arrow", "spiral"}
}

// Train returns the first n training images for a seed.
func Train(n int, seed uint64) *dataset.Images {
	return generate(n, source{seed, 0}, runtime.GOMAXPROCS(0))
}

// Test returns the first n test images for a seed. They differ from all training images.
func Test(n int, seed uint64) *dataset.Images {
	return generate(n, source{seed, 1}, runtime.GOMAXPROCS(0))
}

// generate draws the first n images of a split. Worker w draws every image i with
// i mod workers = w.
func generate(n int, from source, workers int) *dataset.Images {
	m := &dataset.Images{
		Name:    Name,
		Classes: Classes(),
		Height:  Side,
		Width:   Side,
		Pixels:  make([]byte, n*Side*Side*3),
		Labels:  make([]int32, n),
	}
	outlines := shapes()
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			var c canvas
			for i := w; i < n; i += workers {
				label := from.label(i)
				c.scene(label, outlines[label], from.stream(scenes, i))
				c.bytes(m.Image(i))
				m.Labels[i] = int32(label)
			}
		})
	}
	group.Wait()
	return m
}

// A source is the source of randomness for a split.
type source struct {
	seed  uint64
	split uint64 // 0 for training, 1 for test
}

// The purposes of random numbers.
const (
	labels = iota
	scenes
)

// label returns the class of image i. Each block of ten images has one of each class, in its
// own random order, so that the classes are balanced to within one image in every prefix.
func (s source) label(i int) int {
	classes := len(Classes())
	return s.stream(labels, i/classes).Perm(classes)[i%classes]
}

// stream returns the random numbers of item i. Seed, split, purpose and i together determine a
// state of the generator that no other combination has, because mix is one-to-one.
func (s source) stream(purpose uint64, i int) *rand.Rand {
	return rand.New(rand.NewPCG(s.seed, mix(uint64(i)<<2|purpose<<1|s.split)))
}

// mix scatters neighbouring numbers over all 64 bits without collisions. It is the finaliser of
// SplitMix64.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
