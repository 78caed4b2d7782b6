package check

import (
	"math"
	"testing"

	stub "github.com/residual-go/residual/lesson/exercises/batchnorm"
	solution "github.com/residual-go/residual/lesson/exercises/batchnorm/solution"
)

// normaliser makes a type of an answer that is a function.
type normaliser struct {
	*Norm
	forward func(n *Norm, x [][][][]float64, training bool) [][][][]float64
}

func (n normaliser) Forward(x [][][][]float64, training bool) [][][][]float64 {
	return n.forward(n.Norm, x, training)
}

func TestBatchNorm(t *testing.T) {
	try := func(forward func(n *Norm, x [][][][]float64, training bool) [][][][]float64) func(T) {
		return func(t T) { BatchNorm(t, func(n *Norm) Normaliser { return normaliser{n, forward} }) }
	}
	// right is the worked solution, for answers that use it in a wrong way.
	right := func(n *Norm, x [][][][]float64, training bool) [][][][]float64 {
		return (*solution.BatchNorm)(n).Forward(x, training)
	}
	test(t, "batchnorm",
		func(t T) { BatchNorm(t, func(n *Norm) Normaliser { return (*solution.BatchNorm)(n) }) },
		func(t T) { BatchNorm(t, func(n *Norm) Normaliser { return (*stub.BatchNorm)(n) }) },
		wrong{"statistics-per-image", try(func(n *Norm, x [][][][]float64, training bool) [][][][]float64 {
			var y [][][][]float64
			for _, image := range x {
				y = append(y, right(n, [][][][]float64{image}, training)...)
			}
			return y
		})},
		wrong{"statistics-over-channels", try(withStatistics(overAll, root))},
		wrong{"statistics-per-position", try(func(n *Norm, x [][][][]float64, training bool) [][][][]float64 {
			y := cloneBatch(x)
			for i := range x[0] {
				for j := range x[0][i] {
					column := make([][][][]float64, len(x))
					for b := range x {
						column[b] = [][][]float64{{x[b][i][j]}}
					}
					for b, image := range right(n, column, training) {
						y[b][i][j] = image[0][0]
					}
				}
			}
			return y
		})},
		wrong{"unbiased-normalisation", try(withStatistics(func(values []float64, _ [][][][]float64) (mean, variance float64) {
			mean, variance = momentsOfSlice(values)
			return mean, variance * float64(len(values)) / float64(len(values)-1)
		}, root))},
		wrong{"epsilon-outside-the-root", try(withStatistics(ofChannel, func(variance, epsilon float64) float64 {
			return math.Sqrt(variance) + epsilon
		}))},
		wrong{"epsilon-forgotten", try(withStatistics(ofChannel, func(variance, _ float64) float64 { return math.Sqrt(variance) }))},
		wrong{"root-forgotten", try(withStatistics(ofChannel, func(variance, epsilon float64) float64 { return variance + epsilon }))},
		wrong{"x-changed", try(func(n *Norm, x [][][][]float64, training bool) [][][][]float64 {
			for b, image := range right(n, x, training) {
				for i, row := range image {
					for j, pixel := range row {
						copy(x[b][i][j], pixel)
					}
				}
			}
			return x
		})},
		wrong{"running-statistics-in-training", try(func(n *Norm, x [][][][]float64, training bool) [][][][]float64 {
			y := right(n, x, false)
			if training {
				right(n, x, true)
			}
			return y
		})},
		wrong{"running-statistics-not-updated", try(func(n *Norm, x [][][][]float64, training bool) [][][][]float64 {
			still := Norm{n.Gamma, n.Beta, append([]float64(nil), n.Mean...), append([]float64(nil), n.Variance...), n.Momentum, n.Epsilon}
			return right(&still, x, training)
		})},
		wrong{"biased-running-variance", try(func(n *Norm, x [][][][]float64, training bool) [][][][]float64 {
			old := append([]float64(nil), n.Variance...)
			y := right(n, x, training)
			if training {
				count := float64(len(x) * len(x[0]) * len(x[0][0]))
				for c := range n.Variance {
					unbiased := (n.Variance[c] - (1-n.Momentum)*old[c]) / n.Momentum
					n.Variance[c] = (1-n.Momentum)*old[c] + n.Momentum*unbiased*(count-1)/count
				}
			}
			return y
		})},
		wrong{"momentum-reversed", try(func(n *Norm, x [][][][]float64, training bool) [][][][]float64 {
			n.Momentum = 1 - n.Momentum
			defer func() { n.Momentum = 1 - n.Momentum }()
			return right(n, x, training)
		})},
		wrong{"momentum-reversed-and-biased", try(func(n *Norm, x [][][][]float64, training bool) [][][][]float64 {
			mean, variance := append([]float64(nil), n.Mean...), append([]float64(nil), n.Variance...)
			y := right(n, x, training)
			if training {
				values := make([][]float64, len(mean))
				cloneBatch(x, func(_, _, _, channel int, value float64) float64 {
					values[channel] = append(values[channel], value)
					return value
				})
				for c := range mean {
					batchMean, batchVariance := momentsOfSlice(values[c])
					n.Mean[c] = n.Momentum*mean[c] + (1-n.Momentum)*batchMean
					n.Variance[c] = n.Momentum*variance[c] + (1-n.Momentum)*batchVariance
				}
			}
			return y
		})},
		wrong{"gamma-beta-forgotten", try(func(n *Norm, x [][][][]float64, training bool) [][][][]float64 {
			gamma, beta := n.Gamma, n.Beta
			defer func() { n.Gamma, n.Beta = gamma, beta }()
			n.Gamma, n.Beta = make([]float64, len(gamma)), make([]float64, len(beta))
			for c := range n.Gamma {
				n.Gamma[c] = 1
			}
			return right(n, x, training)
		})},
		wrong{"statistics-of-a-pixel", try(func(n *Norm, x [][][][]float64, _ bool) [][][][]float64 {
			return cloneBatch(x, func(b, i, j, channel int, value float64) float64 {
				mean, variance := momentsOfSlice(x[b][i][j])
				return n.Gamma[channel]*(value-mean)/root(variance, n.Epsilon) + n.Beta[channel]
			})
		})},
		wrong{"slices-not-made", try(func(_ *Norm, x [][][][]float64, _ bool) [][][][]float64 {
			y := make([][][][]float64, len(x))
			for b := range x {
				y[b][0] = x[b][0]
			}
			return y
		})},
		wrong{"momentum-ignored", try(func(n *Norm, x [][][][]float64, training bool) [][][][]float64 {
			n.Momentum = 1
			return right(n, x, training)
		})},
		wrong{"batch-statistics-in-evaluation", try(func(n *Norm, x [][][][]float64, training bool) [][][][]float64 {
			if training {
				return right(n, x, true)
			}
			other := Norm{n.Gamma, n.Beta, append([]float64(nil), n.Mean...), append([]float64(nil), n.Variance...), n.Momentum, n.Epsilon}
			return right(&other, x, true)
		})},
		wrong{"updated-in-evaluation", try(func(n *Norm, x [][][][]float64, training bool) [][][][]float64 {
			y := right(n, x, training)
			if !training {
				right(n, x, true)
			}
			return y
		})},
		wrong{"mode-ignored", try(func(n *Norm, x [][][][]float64, _ bool) [][][][]float64 { return right(n, x, true) })},
	)
}

// withStatistics returns an answer that normalises with what statistics returns for the
// values of a channel and for x, whatever the mode, and divides by root of variance and ε.
func withStatistics(statistics func(values []float64, x [][][][]float64) (mean, variance float64), root func(variance, epsilon float64) float64) func(n *Norm, x [][][][]float64, training bool) [][][][]float64 {
	return func(n *Norm, x [][][][]float64, _ bool) [][][][]float64 {
		values := make([][]float64, len(n.Gamma))
		cloneBatch(x, func(_, _, _, channel int, value float64) float64 {
			values[channel] = append(values[channel], value)
			return value
		})
		return cloneBatch(x, func(_, _, _, channel int, value float64) float64 {
			mean, variance := statistics(values[channel], x)
			return n.Gamma[channel]*(value-mean)/root(variance, n.Epsilon) + n.Beta[channel]
		})
	}
}

func root(variance, epsilon float64) float64 { return math.Sqrt(variance + epsilon) }

func ofChannel(values []float64, _ [][][][]float64) (mean, variance float64) {
	return momentsOfSlice(values)
}

func momentsOfSlice(values []float64) (mean, variance float64) {
	for _, value := range values {
		mean += value / float64(len(values))
	}
	for _, value := range values {
		variance += (value - mean) * (value - mean) / float64(len(values))
	}
	return mean, variance
}

func overAll(_ []float64, x [][][][]float64) (mean, variance float64) {
	var values []float64
	cloneBatch(x, func(_, _, _, _ int, value float64) float64 {
		values = append(values, value)
		return value
	})
	return momentsOfSlice(values)
}
