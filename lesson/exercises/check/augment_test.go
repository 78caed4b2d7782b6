package check

import (
	"math/rand/v2"
	"slices"
	"testing"

	stub "github.com/residual-go/residual/lesson/exercises/augment"
	solution "github.com/residual-go/residual/lesson/exercises/augment/solution"
)

func TestAugment(t *testing.T) {
	try := func(change func(a *Augmentation)) func(T) {
		return func(t T) {
			answer := Augmentation{solution.Flip, solution.Crop, solution.Epoch}
			change(&answer)
			Augment(t, answer)
		}
	}
	flip := func(flip func(pixels []byte, height, width int)) func(T) {
		return try(func(a *Augmentation) { a.Flip = flip })
	}
	crop := func(crop func(pixels []byte, height, width, padding, top, left int) []byte) func(T) {
		return try(func(a *Augmentation) { a.Crop = crop })
	}
	epoch := func(epoch func(images [][]byte, labels []int, height, width, padding int, rng *rand.Rand) ([][]byte, []int)) func(T) {
		return try(func(a *Augmentation) { a.Epoch = epoch })
	}
	// each returns the check of an Epoch that makes the images with make, in a random order.
	each := func(make func(pixels []byte, height, width, padding int, rng *rand.Rand) []byte) func(T) {
		return epoch(func(images [][]byte, labels []int, height, width, padding int, rng *rand.Rand) (y [][]byte, l []int) {
			for _, i := range rng.Perm(len(images)) {
				y, l = append(y, make(images[i], height, width, padding, rng)), append(l, labels[i])
			}
			return y, l
		})
	}
	test(t, "augment",
		try(func(*Augmentation) {}),
		func(t T) { Augment(t, Augmentation{stub.Flip, stub.Crop, stub.Epoch}) },
		wrong{"image-not-changed", flip(func(pixels []byte, height, width int) {
			for y := range height {
				for x := range width {
					swapPixels(pixels, y*width+x, y*width+width-1-x)
				}
			}
		})},
		wrong{"vertical-flip", flip(func(pixels []byte, height, width int) {
			for y := range height / 2 {
				for x := range width {
					swapPixels(pixels, y*width+x, (height-1-y)*width+x)
				}
			}
		})},
		wrong{"channels-mirrored", flip(func(pixels []byte, height, width int) {
			for y := range height {
				slices.Reverse(pixels[y*width*3 : (y+1)*width*3])
			}
		})},
		wrong{"all-bytes-reversed", flip(func(pixels []byte, _, _ int) { slices.Reverse(pixels) })},
		wrong{"turned-half-round", flip(func(pixels []byte, _, _ int) {
			for i := range len(pixels) / 6 {
				swapPixels(pixels, i, len(pixels)/3-1-i)
			}
		})},
		wrong{"half-overwritten", flip(func(pixels []byte, height, width int) {
			for y := range height {
				for x := range width {
					copy(pixels[(y*width+x)*3:][:3], pixels[(y*width+width-1-x)*3:])
				}
			}
		})},
		wrong{"moved-the-wrong-way", crop(func(pixels []byte, height, width, padding, top, left int) []byte {
			return solution.Crop(pixels, height, width, padding, 2*padding-top, 2*padding-left)
		})},
		wrong{"top-left-swapped", crop(func(pixels []byte, height, width, padding, top, left int) []byte {
			return solution.Crop(pixels, height, width, padding, left, top)
		})},
		wrong{"padding-not-subtracted", crop(func(pixels []byte, height, width, padding, top, left int) []byte {
			return solution.Crop(pixels, height, width, 0, top, left)
		})},
		wrong{"rows-run-over", crop(func(pixels []byte, height, width, padding, top, left int) []byte {
			y := make([]byte, len(pixels))
			for i := range y {
				from := i + ((top-padding)*width+left-padding)*3
				if from >= 0 && from < len(pixels) {
					y[i] = pixels[from]
				}
			}
			return y
		})},
		wrong{"outside-the-image", crop(func(pixels []byte, height, width, padding, top, left int) []byte {
			y := make([]byte, len(pixels))
			for i := range y {
				y[i] = pixels[i+((top-padding)*width+left-padding)*3]
			}
			return y
		})},
		wrong{"labels-not-shuffled", epoch(func(images [][]byte, labels []int, height, width, padding int, rng *rand.Rand) ([][]byte, []int) {
			images, _ = solution.Epoch(images, labels, height, width, padding, rng)
			return images, labels
		})},
		wrong{"labels-shuffled-apart", epoch(func(images [][]byte, labels []int, height, width, padding int, rng *rand.Rand) ([][]byte, []int) {
			images, labels = solution.Epoch(images, labels, height, width, padding, rng)
			rng.Shuffle(len(labels), func(i, j int) { labels[i], labels[j] = labels[j], labels[i] })
			return images, labels
		})},
		wrong{"drawn-with-replacement", epoch(func(images [][]byte, labels []int, height, width, padding int, rng *rand.Rand) (y [][]byte, l []int) {
			for range images {
				i := rng.IntN(len(images))
				y, l = append(y, slices.Clone(images[i])), append(l, labels[i])
			}
			return y, l
		})},
		wrong{"originals-changed", each(func(pixels []byte, height, width, padding int, rng *rand.Rand) []byte {
			if rng.IntN(2) == 1 {
				solution.Flip(pixels, height, width)
			}
			return solution.Crop(pixels, height, width, padding, rng.IntN(2*padding+1), rng.IntN(2*padding+1))
		})},
		wrong{"originals-changed", epoch(func(images [][]byte, labels []int, height, width, padding int, rng *rand.Rand) (y [][]byte, l []int) {
			rng.Shuffle(len(images), func(i, j int) {
				images[i], images[j] = images[j], images[i]
				labels[i], labels[j] = labels[j], labels[i]
			})
			return solution.Epoch(images, labels, height, width, padding, rng)
		})},
		wrong{"originals-changed", epoch(func(images [][]byte, labels []int, height, width, padding int, rng *rand.Rand) (y [][]byte, l []int) {
			y, l = solution.Epoch(images, labels, height, width, padding, rng)
			copy(labels, l)
			return y, l
		})},
		wrong{"originals-changed", crop(func(pixels []byte, height, width, padding, top, left int) []byte {
			copy(pixels, solution.Crop(pixels, height, width, padding, top, left))
			return pixels
		})},
		wrong{"original-returned", crop(func(pixels []byte, height, width, padding, top, left int) []byte {
			if top == padding && left == padding {
				return pixels
			}
			return solution.Crop(pixels, height, width, padding, top, left)
		})},
		wrong{"flip-not-even", each(func(pixels []byte, height, width, padding int, rng *rand.Rand) []byte {
			y := solution.Crop(pixels, height, width, padding, rng.IntN(2*padding+1), rng.IntN(2*padding+1))
			if rng.IntN(3) == 0 {
				solution.Flip(y, height, width)
			}
			return y
		})},
		wrong{"slices-not-made", crop(func(pixels []byte, _, _, _, _, _ int) []byte {
			var y []byte
			for i, value := range pixels {
				y[i] = 255 - value
			}
			return y
		})},
		wrong{"not-cropped", crop(func(pixels []byte, _, _, _, _, _ int) []byte { return slices.Clone(pixels) })},
		wrong{"padding-repeats-the-edge", crop(func(pixels []byte, height, width, padding, top, left int) []byte {
			y := make([]byte, len(pixels))
			for row := range height {
				for column := range width {
					fromRow, fromColumn := min(max(row+top-padding, 0), height-1), min(max(column+left-padding, 0), width-1)
					copy(y[(row*width+column)*3:][:3], pixels[(fromRow*width+fromColumn)*3:])
				}
			}
			return y
		})},
		wrong{"not-shuffled", epoch(func(images [][]byte, labels []int, height, width, padding int, rng *rand.Rand) (y [][]byte, l []int) {
			for i := range images {
				y = append(y, solution.Crop(images[i], height, width, padding, rng.IntN(3), rng.IntN(3)))
			}
			return y, labels
		})},
		wrong{"same-crop", epoch(func(images [][]byte, labels []int, height, width, padding int, rng *rand.Rand) (y [][]byte, l []int) {
			top, left := rng.IntN(2*padding+1), rng.IntN(2*padding+1)
			for _, i := range rng.Perm(len(images)) {
				y, l = append(y, solution.Crop(images[i], height, width, padding, top, left)), append(l, labels[i])
			}
			return y, l
		})},
		wrong{"one-number-for-both", each(func(pixels []byte, height, width, padding int, rng *rand.Rand) []byte {
			offset := rng.IntN(2*padding + 1)
			return solution.Crop(pixels, height, width, padding, offset, offset)
		})},
		wrong{"last-place-missing", each(func(pixels []byte, height, width, padding int, rng *rand.Rand) []byte {
			return solution.Crop(pixels, height, width, padding, rng.IntN(2*padding), rng.IntN(2*padding))
		})},
		wrong{"same-flip", each(func(pixels []byte, height, width, padding int, rng *rand.Rand) []byte {
			return solution.Crop(pixels, height, width, padding, rng.IntN(2*padding+1), rng.IntN(2*padding+1))
		})},
		wrong{"flip-not-even", each(func(pixels []byte, height, width, padding int, rng *rand.Rand) []byte {
			y := solution.Crop(pixels, height, width, padding, rng.IntN(2*padding+1), rng.IntN(2*padding+1))
			if rng.IntN(10) == 0 {
				solution.Flip(y, height, width)
			}
			return y
		})},
		wrong{"other-randomness", epoch(func(images [][]byte, labels []int, height, width, padding int, _ *rand.Rand) ([][]byte, []int) {
			return solution.Epoch(images, labels, height, width, padding, rand.New(rand.NewPCG(rand.Uint64(), 0)))
		})},
	)
}

// swapPixels swaps pixels i and j.
func swapPixels(pixels []byte, i, j int) {
	for c := range 3 {
		pixels[i*3+c], pixels[j*3+c] = pixels[j*3+c], pixels[i*3+c]
	}
}
