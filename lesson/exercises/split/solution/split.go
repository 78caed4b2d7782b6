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
	// BEGIN SOLUTION
	var classes [][]int // the indices of the images of each class
	for i, class := range labels {
		for class >= len(classes) {
			classes = append(classes, nil)
		}
		classes[class] = append(classes[class], i)
	}
	for _, images := range classes {
		random.Shuffle(len(images), func(i, j int) { images[i], images[j] = images[j], images[i] })
		held := len(images) / parts
		validation = append(validation, images[:held]...)
		training = append(training, images[held:]...)
	}
	return training, validation
	// END SOLUTION
}
