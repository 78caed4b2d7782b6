// Package shapes10 draws the data set that every machine has: ten classes of small colour
// pictures, made from a seed, for where there is no network to fetch CIFAR-10 from.
//
// A picture is 32×32 pixels and shows one circle, ring, square, triangle, star, cross,
// heart, moon, arrow or spiral, a label each. Its place, size, turn (up to a twelfth of a
// circle either way) and mirroring are left to chance, and so are the colours and the
// patterns of the figure and of the ground: plain, shaded, striped, chequered or cloudy.
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
// images are drawn, nor of how many processors draw them. The bytes are the same on every
// architecture; what that takes is told at the type point. They rest on the sequence of
// [rand.PCG] and of Perm and IntN in math/rand/v2; a test pins their hash.
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
				c.scene(outlines[label], from.stream(pictures, i))
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
