package dataset

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime"
	"sync"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/train"
)

// Augment is what is done at random to every training image.
type Augment struct {
	// Crop pads the image with that many black pixels on every side and cuts the original
	// size out of it at a random place. He et al. 2015 use 4.
	Crop int `json:"crop,omitempty"`
	// Flip mirrors the image left to right half of the time.
	Flip bool `json:"flip,omitempty"`
	// Cutout blacks out a square of that many pixels a side, its centre anywhere in the image
	// (DeVries and Taylor 2017).
	Cutout int `json:"cutout,omitempty"`
}

// Options say how [NewBatches] walks over images.
type Options struct {
	// BatchSize is the number of images per batch.
	BatchSize int
	// DropLast leaves out the last batch of an epoch if it is not full.
	DropLast bool
	// Shuffle gives every epoch an order of its own. Without it, images come as they lie.
	Shuffle bool
	Augment Augment
	// Seed makes the orders and the augmentation. Batch i of epoch e is a function of it and
	// of e and i alone: not of the workers, nor of the batches asked for before.
	Seed uint64
	// Epochs to yield; 0 is without end. FirstStep batches, counted from the start of the
	// first epoch, are passed over: a run that is resumed starts where it stopped.
	Epochs, FirstStep int
	// Workers make batches ahead of their use. 0 stands for one per four processors and at
	// least one: a batch of CIFAR images takes a worker a fraction of a millisecond, and the
	// processors are the CPU backend's.
	Workers int
}

// Batches yields an [Images] in batches. It implements GoMLX's train.Dataset: one input,
// bytes [batch, height, width, 3], and one tensor of labels, int32 [batch, 1].
type Batches struct {
	images  *Images
	options Options
}

// NewBatches returns batches over images, which must not change meanwhile.
func NewBatches(images *Images, options Options) (*Batches, error) {
	a := options.Augment
	switch {
	case images.Len() == 0:
		return nil, fmt.Errorf("%s: no images to make batches of", images.Name)
	case options.BatchSize < 1:
		return nil, fmt.Errorf("%s: batches of %d images, want at least 1", images.Name, options.BatchSize)
	case options.DropLast && images.Len() < options.BatchSize:
		return nil, fmt.Errorf("%s: %d images do not fill a batch of %d; take a smaller batch or more images",
			images.Name, images.Len(), options.BatchSize)
	case options.Epochs < 0 || options.FirstStep < 0 || options.Workers < 0:
		return nil, fmt.Errorf("%s: negative epochs (%d), first step (%d) or workers (%d)",
			images.Name, options.Epochs, options.FirstStep, options.Workers)
	case a.Crop < 0 || a.Cutout < 0 || max(a.Crop, a.Cutout) > min(images.Height, images.Width):
		return nil, fmt.Errorf("%s: crop %d and cutout %d, want 0 up to the image size, %d×%d",
			images.Name, a.Crop, a.Cutout, images.Height, images.Width)
	}
	if options.Workers == 0 {
		options.Workers = max(1, runtime.NumCPU()/4)
	}
	return &Batches{images, options}, nil
}

// Name is that of the images.
func (b *Batches) Name() string { return b.images.Name }

// StepsPerEpoch is the number of batches in an epoch.
func (b *Batches) StepsPerEpoch() int {
	if b.options.DropLast {
		return b.images.Len() / b.options.BatchSize
	}
	return (b.images.Len() + b.options.BatchSize - 1) / b.options.BatchSize
}

// Iter walks over the batches from FirstStep on, for Epochs epochs. Workers make them
// ahead; when the loop over it ends, so have they.
func (b *Batches) Iter() iter.Seq2[train.Batch, error] {
	return func(yield func(train.Batch, error) bool) {
		first, end := b.options.FirstStep, b.options.Epochs*b.StepsPerEpoch()
		workers := b.options.Workers
		if b.options.Epochs > 0 {
			workers = max(0, min(workers, end-first))
		}
		// Worker w makes the batches first+w, first+w+workers, …; taking from the workers in
		// turn keeps the order without any of them waiting for another. One batch waits in
		// each channel while the next is made.
		stop := make(chan struct{})
		var running sync.WaitGroup
		queues := make([]chan batch, workers)
		for w := range queues {
			queues[w] = make(chan batch, 1)
			running.Go(func() {
				defer close(queues[w])
				var order []int
				for epoch, step := -1, first+w; b.options.Epochs == 0 || step < end; step += workers {
					if at := step / b.StepsPerEpoch(); at != epoch {
						epoch, order = at, b.order(at)
					}
					select {
					case queues[w] <- b.make(step, order):
					case <-stop:
						return
					}
				}
			})
		}
		defer running.Wait()
		defer close(stop)
		for i := 0; workers > 0; i++ {
			made, more := <-queues[i%workers]
			if !more {
				return
			}
			n := len(made.labels)
			if !yield(train.Batch{
				Inputs: []*tensors.Tensor{tensors.FromFlatDataAndDimensions(made.pixels, n, b.images.Height, b.images.Width, 3)},
				Labels: []*tensors.Tensor{tensors.FromFlatDataAndDimensions(made.labels, n, 1)},
			}, nil) {
				return
			}
		}
	}
}

type batch struct {
	pixels []uint8
	labels []int32
}

// make returns the batch of a step counted from the start of the first epoch, given the
// order of its epoch.
func (b *Batches) make(step int, order []int) batch {
	epoch := step / b.StepsPerEpoch()
	from := step % b.StepsPerEpoch() * b.options.BatchSize
	to := min(from+b.options.BatchSize, b.images.Len())
	size := b.images.ImageSize()
	made := batch{make([]uint8, (to-from)*size), make([]int32, to-from)}
	for i, index := range order[from:to] {
		made.labels[i] = b.images.Labels[index]
		b.augment(made.pixels[i*size:(i+1)*size], b.images.Image(index), epoch, index)
	}
	return made
}

// order returns the indices of the images as epoch has them.
func (b *Batches) order(epoch int) []int {
	if b.options.Shuffle {
		return rand.New(rand.NewPCG(b.options.Seed, shuffleStream+uint64(epoch)<<32)).Perm(b.images.Len())
	}
	order := make([]int, b.images.Len())
	for i := range order {
		order[i] = i
	}
	return order
}

// augment writes image index to to as epoch is to see it. Each image has random numbers
// of its own, so that its augmentation does not depend on its neighbours.
func (b *Batches) augment(to, image []byte, epoch, index int) {
	a := b.options.Augment
	if a == (Augment{}) {
		copy(to, image)
		return
	}
	height, width := b.images.Height, b.images.Width
	random := rand.New(rand.NewPCG(b.options.Seed, augmentStream^uint64(epoch)<<32^uint64(index)))
	top, left := random.IntN(2*a.Crop+1)-a.Crop, random.IntN(2*a.Crop+1)-a.Crop
	flip := a.Flip && random.IntN(2) == 1
	centreY, centreX := random.IntN(height), random.IntN(width)
	for y := range height {
		for x := range width {
			fromY, fromX := y+top, x+left
			if flip {
				fromX = width - 1 - x + left
			}
			pixel := to[(y*width+x)*3:][:3]
			switch {
			case fromY < 0 || fromY >= height || fromX < 0 || fromX >= width,
				within(y-centreY, a.Cutout) && within(x-centreX, a.Cutout):
				clear(pixel)
			default:
				copy(pixel, image[(fromY*width+fromX)*3:])
			}
		}
	}
}

// within reports whether an offset from the centre lies in a square of the given side.
func within(offset, side int) bool {
	return -side/2 <= offset && offset < side-side/2
}
