// Makes new slices for the running statistics.

// Package batchnorm has the forward pass of batch normalisation.
package batchnorm

import "math"

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
	mean, variance := b.Mean, b.Variance
	if training {
		var n float64
		mean, variance, n = statistics(x)
		b.Mean, b.Variance = append([]float64(nil), b.Mean...), append([]float64(nil), b.Variance...)
		for channel := range mean {
			unbiased := variance[channel] * n / (n - 1)
			b.Mean[channel] = (1-b.Momentum)*b.Mean[channel] + b.Momentum*mean[channel]
			b.Variance[channel] = (1-b.Momentum)*b.Variance[channel] + b.Momentum*unbiased
		}
	}
	y := make([][][][]float64, len(x))
	for i, image := range x {
		y[i] = make([][][]float64, len(image))
		for j, row := range image {
			y[i][j] = make([][]float64, len(row))
			for k, pixel := range row {
				y[i][j][k] = make([]float64, len(pixel))
				for channel, value := range pixel {
					normal := (value - mean[channel]) / math.Sqrt(variance[channel]+b.Epsilon)
					y[i][j][k][channel] = b.Gamma[channel]*normal + b.Beta[channel]
				}
			}
		}
	}
	return y
}

// statistics returns the mean and the biased variance of each channel of x, and the number of
// values of a channel.
func statistics(x [][][][]float64) (mean, variance []float64, n float64) {
	channels := len(x[0][0][0])
	mean, variance = make([]float64, channels), make([]float64, channels)
	n = float64(len(x) * len(x[0]) * len(x[0][0]))
	each := func(do func(channel int, value float64)) {
		for _, image := range x {
			for _, row := range image {
				for _, pixel := range row {
					for channel, value := range pixel {
						do(channel, value)
					}
				}
			}
		}
	}
	each(func(channel int, value float64) { mean[channel] += value / n })
	each(func(channel int, value float64) {
		variance[channel] += (value - mean[channel]) * (value - mean[channel]) / n
	})
	return mean, variance, n
}
