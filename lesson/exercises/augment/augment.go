// This file is yours to edit. The task is in README.md in this folder (中文：README.zh.md). To check your answer: go test ./lesson/exercises/augment
// Hand in only this file.

// Package augment makes many images out of few: an object stays what it is when the image is
// mirrored or moved a little.
//
// An image is height·width·3 bytes, row by row, with the red, green and blue of a pixel side
// by side: channel c of the pixel in row y and column x is pixels[(y*width+x)*3+c].
package augment

import "math/rand/v2"

// Flip mirrors the image from left to right, in place.
func Flip(pixels []byte, height, width int) {
	panic("not done yet: lesson/exercises/augment/README.md says what to do")
}

// Crop adds padding black pixels, all 0, on each side of the image and returns a part of the
// padded image: the part of the image's size that begins at row top and column left. Both
// are from 0 to 2·padding. The given image stays as it is.
func Crop(pixels []byte, height, width, padding, top, left int) []byte {
	panic("not done yet: lesson/exercises/augment/README.md says what to do")
}

// Epoch returns all images, each once, in a random order, and their labels in the same order:
// labels[i] belongs to images[i], before and after. Each image is cropped at its own random
// place, any of the (2·padding+1)² with the same probability, and then flipped with
// probability ½.
//
// All randomness comes from rng, so that a run can be repeated. The given images and labels
// stay as they are: the next epoch starts from them.
func Epoch(images [][]byte, labels []int, height, width, padding int, rng *rand.Rand) ([][]byte, []int) {
	panic("not done yet: lesson/exercises/augment/README.md says what to do")
}
