// This file is yours to edit. The task is in README.md in this folder (中文：README.zh.md). To check your answer: go test ./lesson/exercises/momentum
// Hand in only this file.

// Package momentum has stochastic gradient descent with momentum.
package momentum

// SGD is stochastic gradient descent as in PyTorch. The check sets these fields, so leave
// them as they are; it changes LearningRate between steps.
type SGD struct {
	// LearningRate scales a step, Momentum is the share of the velocity that is kept from
	// step to step, and WeightDecay the share of each weight that is added to its gradient.
	LearningRate, Momentum, WeightDecay float64
	// Velocity has one element for each weight: the sum of all gradients so far, in which
	// older ones count for less. It is nil before the first step.
	Velocity []float64
}

// Step updates the weights by one step, given the gradient of the loss for each of them. For
// a weight w with gradient g and velocity v, which starts at 0:
//
//	g ← g + WeightDecay·w
//	v ← Momentum·v + g
//	w ← w − LearningRate·v
//
// The gradients stay as they are.
func (s *SGD) Step(weights, gradients []float64) {
	panic("not done yet: lesson/exercises/momentum/README.md says what to do")
}
