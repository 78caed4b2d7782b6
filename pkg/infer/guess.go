package infer

import (
	"math"
	"slices"
)

// LogSumExp returns log Σ exp x. It does not overflow for large x.
func LogSumExp(xs []float32) float64 {
	largest := float64(slices.Max(xs))
	sum := 0.0
	for _, x := range xs {
		sum += math.Exp(float64(x) - largest)
	}
	return largest + math.Log(sum)
}

// Guess is a class and its probability.
type Guess struct {
	Class       int
	Probability float64
}

// Top returns the k most probable classes for one image's logits, the most probable first.
func Top(logits []float32, k int) []Guess {
	total := LogSumExp(logits)
	guesses := make([]Guess, len(logits))
	for class, logit := range logits {
		guesses[class] = Guess{class, math.Exp(float64(logit) - total)}
	}
	slices.SortStableFunc(guesses, func(a, b Guess) int {
		switch {
		case a.Probability > b.Probability:
			return -1
		case a.Probability < b.Probability:
			return 1
		}
		return 0
	})
	return guesses[:min(k, len(guesses))]
}
