// This file is yours to edit. The task is in README.md in this folder (中文：README.zh.md). To check your answer: go test ./lesson/exercises/split
// Hand in only this file.

// Package split holds out images to choose settings with.
package split

import "math/rand/v2"

// Split divides the indices of images into those to train on and those to validate with: one in
// parts of each class, rounded down, goes to validation. labels[i] is the class of image i,
// counted from 0, and parts is at least 2. The images held out of a class are chosen at random.
// The choice depends only on labels, parts and random, so the same seed gives the same result.
//
// Each index is in exactly one of the two results, in any order. The labels stay as they are.
func Split(labels []int, parts int, random *rand.Rand) (training, validation []int) {
	panic("not done yet: lesson/exercises/split/README.md says what to do")
}
