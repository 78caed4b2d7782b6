// Package shapes10 draws the data set that every machine has: ten classes of small colour
// pictures, made from a seed, for where there is no network to fetch CIFAR-10 from.
//
// A picture is 32×32 pixels and shows one circle, ring, square, triangle, star, cross,
// heart, moon, arrow or spiral, a label each. Its place, size, turn (up to an eighth of a
// circle either way) and mirroring are left to chance, and so are the colours and the
// patterns of the figure and of the ground: plain, shaded, striped, chequered or cloudy.
// Only two times in five the ground has a colour that goes with the class.
// Blobs and lines lie about and sometimes across it. Contrast, brightness and noise vary
// from picture to picture. A mirrored picture is still one of its class, so the usual
// flips and crops are right for training.
//
// It is not CIFAR-10, and says so wherever its [Name] is shown. It has the same size, the
// same number of classes and, by [WriteRecords], the same record layout, so whatever reads
// one reads the other.
//
// # Reproducibility
//
// Image i of a split is a function of the seed, the split and i alone: not of how many
// images are drawn, nor of how many processors draw them. The bytes do not depend on the
// architecture either; what that takes is told in geometry.go. A test pins their hash. It
// was run on amd64, with and without GOAMD64=v3, and on 386; for arm64 the instructions
// were looked at. What remains assumed is that math/rand/v2 keeps its sequences.
//
// # Difficulty
//
// Measured on Train([DefaultTrain], 42) and Test([DefaultTest], 42), test accuracy, one run
// each:
//
//	10.0%  guessing
//	42.0%  softmax regression on the normalised pixels: AdamW, best of three weight decays
//	       (43.3% at the best epoch)
//	95.9%  ResNet-20 after 10 epochs
//
// ResNet-20, epoch by epoch: 42.5, 42.6, 42.8, 48.9, 58.4, 69.2, 59.4, 88.9, 91.5, 95.9%:
// what the colours give away first, the outlines after that. It was PyTorch's, reading the
// files of [WriteRecords]: SGD with Nesterov momentum 0.9 and weight decay 5e-4, random
// crops after 4 pixels of padding, random flips, batches of 128 and a one-cycle learning
// rate with 30% of warm-up and a peak of 0.4. An AI that looked at a contact sheet of an
// earlier version, with a little less contrast and more noise, named 156 of 160 rightly.
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

// The sizes that the project trains and tests on.
const (
	DefaultTrain = 10_000
	DefaultTest  = 2_000
)

// Classes returns the ten names; a label is an index into them.
func Classes() []string {
	return []string{"circle", "ring", "square", "triangle", "star", "cross", "heart", "moon", "arrow", "spiral"}
}

// Train returns the first n images of the training split of a seed.
func Train(n int, seed uint64) *dataset.Images {
	return generate(n, source{seed, 0}, runtime.GOMAXPROCS(0))
}

// Test returns the first n images of the test split of a seed. No image of it is one of
// the training split.
func Test(n int, seed uint64) *dataset.Images {
	return generate(n, source{seed, 1}, runtime.GOMAXPROCS(0))
}

// generate draws the first n images of a split, worker w every image i with
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
	outlines := figures()
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			var c canvas
			for i := w; i < n; i += workers {
				label := from.label(i)
				c.scene(label, outlines[label], from.stream(pictures, i))
				c.bytes(m.Image(i))
				m.Labels[i] = int32(label)
			}
		})
	}
	group.Wait()
	return m
}

// A source is all the chance there is in one split of one seed.
type source struct {
	seed  uint64
	split uint64 // 0 is training, 1 is test
}

// What a stream of random numbers is for.
const (
	labels = iota
	pictures
)

// label returns the class of image i. Every ten images in a row, from a multiple of ten,
// are one of each class in an order of their own, so the classes of any prefix differ by
// at most one image.
func (s source) label(i int) int {
	classes := len(Classes())
	return s.stream(labels, i/classes).Perm(classes)[i%classes]
}

// stream returns the random numbers of item i. The four values seed, split, purpose and i
// make a state of the generator that no other four make: mix is one to one.
func (s source) stream(purpose uint64, i int) *rand.Rand {
	return rand.New(rand.NewPCG(s.seed, mix(uint64(i)<<2|purpose<<1|s.split)))
}

// mix scatters neighbouring numbers over all 64 bits, without collisions. It is the
// finaliser of SplitMix64.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
