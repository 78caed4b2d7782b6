// Begins the order at a random image, without shuffling.

// Package augment makes many images out of few: an object stays what it is when the image is
// mirrored or moved a little.
//
// An image is height·width·3 bytes, row by row, with the red, green and blue of a pixel side
// by side: channel c of the pixel in row y and column x is pixels[(y*width+x)*3+c].
package augment

import "math/rand/v2"

// Flip mirrors the image from left to right, in place.
func Flip(pixels []byte, height, width int) {
	for y := range height {
		row := pixels[y*width*3 : (y+1)*width*3]
		for left, right := 0, width-1; left < right; left, right = left+1, right-1 {
			for c := range 3 {
				row[left*3+c], row[right*3+c] = row[right*3+c], row[left*3+c]
			}
		}
	}
}

// Crop adds padding black pixels, all 0, on each side of the image and returns a part of the
// padded image: the part of the image's size that begins at row top and column left. Both
// are from 0 to 2·padding. The given image stays as it is.
func Crop(pixels []byte, height, width, padding, top, left int) []byte {
	crop := make([]byte, len(pixels))
	for y := range height {
		for x := range width {
			fromY, fromX := y+top-padding, x+left-padding
			if fromY >= 0 && fromY < height && fromX >= 0 && fromX < width {
				copy(crop[(y*width+x)*3:], pixels[(fromY*width+fromX)*3:][:3])
			}
		}
	}
	return crop
}

func rotated(n, by int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = (i + by) % n
	}
	return order
}

// Epoch returns all images, each once, in a random order, and their labels in the same order:
// labels[i] belongs to images[i], before and after. Each image is cropped at its own random
// place, any of the (2·padding+1)² with the same probability, and then flipped with
// probability ½.
//
// All randomness comes from rng, so that a run can be repeated. The given images and labels
// stay as they are: the next epoch starts from them.
func Epoch(images [][]byte, labels []int, height, width, padding int, rng *rand.Rand) ([][]byte, []int) {
	newImages, newLabels := make([][]byte, len(images)), make([]int, len(labels))
	for to, from := range rotated(len(images), rng.IntN(len(images))) {
		top, left := rng.IntN(2*padding+1), rng.IntN(2*padding+1)
		newImages[to] = Crop(images[from], height, width, padding, top, left)
		if rng.IntN(2) == 1 {
			Flip(newImages[to], height, width)
		}
		newLabels[to] = labels[from]
	}
	return newImages, newLabels
}
