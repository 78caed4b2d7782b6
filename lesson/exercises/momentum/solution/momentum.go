// Package momentum has stochastic gradient descent with momentum.
package momentum

// SGD is stochastic gradient descent as PyTorch does it. The check makes it with these
// fields, so leave them as they are, and changes LearningRate between steps.
type SGD struct {
	// LearningRate is the length of a step, Momentum the share of the velocity that is kept
	// from step to step, and WeightDecay the share of each weight that is added to its
	// gradient.
	LearningRate, Momentum, WeightDecay float64
	// Velocity has an element for each weight: all gradients so far, each less the longer
	// it is ago. Before the first step it is nil.
	Velocity []float64
}

// Step changes the weights by one step, given the gradient of the loss by each of them: as
// many as there are weights. For a weight w with gradient g and velocity v, which starts
// at 0:
//
//	g ← g + WeightDecay·w
//	v ← Momentum·v + g
//	w ← w − LearningRate·v
//
// The gradients stay as they are.
func (s *SGD) Step(weights, gradients []float64) {
	// BEGIN SOLUTION
	if s.Velocity == nil {
		s.Velocity = make([]float64, len(weights))
	}
	for i, g := range gradients {
		s.Velocity[i] = s.Momentum*s.Velocity[i] + g + s.WeightDecay*weights[i]
		weights[i] -= s.LearningRate * s.Velocity[i]
	}
	// END SOLUTION
}
