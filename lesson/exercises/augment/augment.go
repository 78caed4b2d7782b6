// This file is yours to edit. The task: README.md in this folder. To check it: go test ./lesson/exercises/augment
// Hand in this file alone.

// Package augment makes more out of few images: what is in one stays what it is if the
// image is mirrored or moved a little.
//
// An image is height·width·3 bytes, row by row, and red, green and blue of a pixel side
// by side: channel c of the pixel in row y and column x is pixels[(y*width+x)*3+c].
package augment

import "math/rand/v2"

// Flip mirrors the image from left to right, in place.
func Flip(pixels []byte, height, width int) {
	panic("not done yet: lesson/exercises/augment/README.md says what to do")
}

// Crop adds padding black pixels, all 0, on each side of the image, and returns the part
// of it that has the size of the image and begins at row top and column left of the padded
// image; both are from 0 to 2·padding. The image itself stays as it is.
func Crop(pixels []byte, height, width, padding, top, left int) []byte {
	panic("not done yet: lesson/exercises/augment/README.md says what to do")
}

// Epoch returns all the images, each once, in a random order, and their labels in that
// order: the label of images[i] is labels[i], before and after. Each image has been cropped
// at a place of its own, any of the (2·padding+1)² with the same chance, and then flipped
// or not, with the same chance.
//
// All randomness comes from rng, so that a run can be repeated. The given images and labels
// stay as they are: the next epoch starts from them.
func Epoch(images [][]byte, labels []int, height, width, padding int, rng *rand.Rand) ([][]byte, []int) {
	panic("not done yet: lesson/exercises/augment/README.md says what to do")
}
