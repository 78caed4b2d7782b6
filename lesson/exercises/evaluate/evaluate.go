// This file is yours to edit. The task is in README.md in this folder (中文：README.zh.md). To check your answer: go test ./lesson/exercises/evaluate
// Hand in only this file.

// Package evaluate measures the accuracy of a network.
package evaluate

// Model is a network that classifies images, a batch at a time.
type Model interface {
	// Training reports whether the model is in training mode, in which batch norm uses the
	// current batch's statistics, so that the result for an image depends on the rest of its
	// batch.
	Training() bool
	// SetTraining switches to training mode, or to evaluation mode if training is false.
	SetTraining(training bool)
	// Logits returns the logits of each image, one for each class: [batch][classes]. The
	// model's guess for an image is the class with the largest logit.
	Logits(images [][]float32) [][]float32
}

// Evaluate returns the accuracy of the model: the share of images, from 0 to 1, for which
// its guess is the label. labels[i] is the class of images[i], counted from 0. There is at
// least one image. Images and labels stay as they are.
//
// The model gets the images in their order, in evaluation mode, batch at a time, batch ≥ 1;
// the last batch may be smaller, but none is empty. Afterwards the model is back in the mode
// that it was in before.
func Evaluate(model Model, images [][]float32, labels []int, batch int) float64 {
	panic("not done yet: lesson/exercises/evaluate/README.md says what to do")
}
