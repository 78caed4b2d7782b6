// Package evaluate measures how good a network is.
package evaluate

// Model is a network that can be asked about images, a batch at a time.
type Model interface {
	// Training says whether the model is in training mode, in which batch norm uses the
	// statistics of the batch at hand, and so an answer depends on the batch's other images.
	Training() bool
	// SetTraining sets the mode.
	SetTraining(training bool)
	// Logits returns the logits of each image, one for each class: [batch][classes]. An
	// image's class, as the model has it, is the one with the largest logit.
	Logits(images [][]float32) [][]float32
}

// Evaluate returns the accuracy of the model: of all the images, the share, from 0 to 1,
// whose class is the one that labels says: labels[i] is that of images[i], a number from 0.
// There is at least one image. Images and labels stay as they are.
//
// The images are given to the model in their order, in evaluation mode, batch at a time,
// batch ≥ 1; the last batch may have fewer, and none is empty. Afterwards the model is in
// the mode that it was in before.
func Evaluate(model Model, images [][]float32, labels []int, batch int) float64 {
	// BEGIN SOLUTION
	defer model.SetTraining(model.Training())
	model.SetTraining(false)
	right := 0
	for from := 0; from < len(images); from += batch {
		to := min(from+batch, len(images))
		for i, logits := range model.Logits(images[from:to]) {
			class := 0
			for c, logit := range logits {
				if logit > logits[class] {
					class = c
				}
			}
			if class == labels[from+i] {
				right++
			}
		}
	}
	return float64(right) / float64(len(images))
	// END SOLUTION
}
