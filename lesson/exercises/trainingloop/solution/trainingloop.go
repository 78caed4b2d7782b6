// Package trainingloop trains a network.
package trainingloop

import "github.com/residual-go/residual/lesson/exercises/nn"

// Train trains the learner for the given number of epochs, in batches of batch examples, and
// returns the losses of each epoch.
//
// Every epoch takes all training examples in a new order; its last batch is smaller if there
// are not enough examples left to fill it. Before each step, the learning rate is set to
// rate(step), where steps are counted from 0 through all epochs. After each epoch the network
// is tested in evaluation mode.
func Train(learner nn.Learner, epochs, batch int, rate func(step int) float64) []nn.Epoch {
	// BEGIN SOLUTION
	var history []nn.Epoch
	step := 0
	for range epochs {
		learner.SetTraining(true)
		sum := 0.0
		order := learner.Shuffle()
		for len(order) > 0 {
			n := min(batch, len(order))
			learner.SetLearningRate(rate(step))
			learner.ZeroGradients()
			sum += learner.Loss(order[:n]) * float64(n)
			learner.Backward()
			learner.Step()
			order = order[n:]
			step++
		}
		learner.SetTraining(false)
		history = append(history, nn.Epoch{
			Loss:     sum / float64(learner.Examples()),
			TestLoss: learner.TestLoss(),
		})
	}
	return history
	// END SOLUTION
}
