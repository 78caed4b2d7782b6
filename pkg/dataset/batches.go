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

// Options for [NewBatches].
type Options struct {
	// BatchSize is the number of images per batch.
	BatchSize int
	// DropLast drops the last batch of an epoch if it is not full.
	DropLast bool
	// Shuffle gives every epoch its own random order. Without it, images keep their order.
	Shuffle bool
	// Augment is the random augmentation of the images.
	Augment Augment
	// Seed determines the orders and the augmentation. Batch i of epoch e depends only on the
	// seed, e and i.
	Seed uint64
	// Epochs is the number of epochs; 0 means no end.
	Epochs int
	// FirstStep is the number of batches to skip, counted from the start of the first epoch. A
	// resumed run starts where it stopped.
	FirstStep int

	// workers make batches ahead of time. 0, except in tests, stands for one worker per four
	// processors and at least one: a batch of CIFAR images takes a fraction of a millisecond,
	// and the CPU backend needs the processors.
	workers int
}

// Batches yields images in batches. It implements GoMLX's train.Dataset: a batch has one
// input, bytes [batch, height, width, 3], and one tensor of labels, int32 [batch, 1].
type Batches struct {
	images  *Images
	options Options
}

// NewBatches returns batches over images, which must be valid (see [Images.Validate]) and must not
// be changed while they are in use.
func NewBatches(images *Images, options Options) (*Batches, error) {
	a := options.Augment
	switch {
	case images.Len() == 0:
		return nil, fmt.Errorf("%s: no images to make batches of", images.Name)
	case options.BatchSize < 1:
		return nil, fmt.Errorf("%s: batches of %d images, want at least 1", images.Name, options.BatchSize)
	case options.DropLast && images.Len() < options.BatchSize:
		return nil, fmt.Errorf("%s: %d images do not fill a batch of %d; use smaller batches or more images",
			images.Name, images.Len(), options.BatchSize)
	case options.Epochs < 0 || options.FirstStep < 0:
		return nil, fmt.Errorf("%s: negative number of epochs (%d) or first step (%d)",
			images.Name, options.Epochs, options.FirstStep)
	case a.Crop < 0 || a.Cutout < 0 || max(a.Crop, a.Cutout) > min(images.Height, images.Width):
		return nil, fmt.Errorf("%s: crop %d and cutout %d, want 0 to the image size, %d×%d",
			images.Name, a.Crop, a.Cutout, images.Height, images.Width)
	}
	if err := images.Validate(); err != nil {
		return nil, err
	}
	if options.workers == 0 {
		options.workers = max(1, runtime.NumCPU()/4)
	}
	return &Batches{images, options}, nil
}

// Name returns the name of the images.
func (b *Batches) Name() string { return b.images.Name }

// StepsPerEpoch returns the number of batches in an epoch.
func (b *Batches) StepsPerEpoch() int {
	if b.options.DropLast {
		return b.images.Len() / b.options.BatchSize
	}
	return (b.images.Len() + b.options.BatchSize - 1) / b.options.BatchSize
}

// Iter yields the batches from FirstStep on, to the end of the last epoch. Workers make them
// ahead of time and stop when the loop over Iter ends.
func (b *Batches) Iter() iter.Seq2[train.Batch, error] {
	return func(yield func(train.Batch, error) bool) {
		first, end := b.options.FirstStep, b.options.Epochs*b.StepsPerEpoch()
		workers := b.options.workers
		if b.options.Epochs > 0 {
			workers = max(0, min(workers, end-first))
		}
		// Worker w makes the batches first+w, first+w+workers, …; taking from the workers in
		// turn keeps the order without making them wait for one another. One batch waits in
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
					if at, _, _ := b.place(step); at != epoch {
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

// place returns the epoch of a step, counted from the start of the first epoch, and the
// positions of its batch in the order of the epoch: from, up to but not including end.
func (b *Batches) place(step int) (epoch, from, end int) {
	epoch = step / b.StepsPerEpoch()
	from = step % b.StepsPerEpoch() * b.options.BatchSize
	return epoch, from, min(from+b.options.BatchSize, b.images.Len())
}

// make returns the batch of a step, given the order of its epoch.
func (b *Batches) make(step int, order []int) batch {
	epoch, from, end := b.place(step)
	size := b.images.ImageSize()
	made := batch{make([]uint8, (end-from)*size), make([]int32, end-from)}
	for i, index := range order[from:end] {
		made.labels[i] = b.images.Labels[index]
		b.augment(made.pixels[i*size:(i+1)*size], b.images.Image(index), epoch, index)
	}
	return made
}

// order returns the indices of the images in the order of the epoch.
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
