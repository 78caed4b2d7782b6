// This file is yours to edit. The task is in README.md in this folder (中文：README.zh.md). To check your answer: go test ./lesson/exercises/newhead
// Hand in only this file.

// Package newhead puts a new head on a trained network and leaves its body alone.
package newhead

import "github.com/residual-go/residual/lesson/exercises/nn"

// Prepare replaces the head of the network, its layer fc, by a new one for the given number of
// classes, with a weight and a bias of zeros, and freezes all other layers: training changes
// only the head.
func Prepare(network nn.Trained, classes int) {
	panic("not done yet: lesson/exercises/newhead/README.md says what to do")
}

// SetMode switches the network to training mode or to evaluation mode. The training loop calls
// it with true before each epoch, and with false before each test. Only the head follows: the
// body is in evaluation mode in both cases, so that its running statistics do not move.
func SetMode(network nn.Trained, training bool) {
	panic("not done yet: lesson/exercises/newhead/README.md says what to do")
}
