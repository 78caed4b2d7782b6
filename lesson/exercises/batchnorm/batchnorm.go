// This file is yours to edit. The task is in README.md in this folder (中文：README.zh.md). To check your answer: go test ./lesson/exercises/batchnorm
// Hand in only this file.

// Package batchnorm has the forward pass of batch normalisation.
package batchnorm

// BatchNorm is batch normalisation as in PyTorch's BatchNorm2d. The check sets these fields:
// leave them as they are.
type BatchNorm struct {
	// Gamma and Beta scale and shift each channel after it is normalised: [channels].
	Gamma, Beta []float64
	// Mean and Variance are the running statistics of each channel: [channels].
	Mean, Variance []float64
	// Momentum is the weight of a new batch in the running statistics. Epsilon is added to a
	// variance before the root is taken, so that it is never 0.
	Momentum, Epsilon float64
}

// Forward normalises each channel of x, [batch][height][width][channel], over all its
// other axes, and returns a new batch of the same shape:
//
//	y = Gamma·(x − mean)/√(variance + Epsilon) + Beta
//
// In training, mean and variance are the batch's own, and the variance is the biased one: the
// mean of the squared distances. The running statistics move towards the batch's, by the
// share Momentum; the running variance moves towards the unbiased variance, the sum of the
// squared distances divided by n − 1, where n is batch·height·width. Otherwise mean and
// variance are the running ones, and these stay as they are.
func (b *BatchNorm) Forward(x [][][][]float64, training bool) [][][][]float64 {
	panic("not done yet: lesson/exercises/batchnorm/README.md says what to do")
}
