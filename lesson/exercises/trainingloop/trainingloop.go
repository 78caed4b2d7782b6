// This file is yours to edit. The task is in README.md in this folder (中文：README.zh.md). To check your answer: go test ./lesson/exercises/trainingloop
// Hand in only this file.

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
	panic("not done yet: lesson/exercises/trainingloop/README.md says what to do")
}
