// Package newhead puts a new head on a trained network and leaves its body alone.
package newhead

import "github.com/residual-go/residual/lesson/exercises/nn"

// Prepare replaces the head of the network, its layer fc, by a new one for the given number of
// classes, with a weight and a bias of zeros, and freezes all other layers: training changes
// only the head.
func Prepare(network nn.Trained, classes int) {
	// BEGIN SOLUTION
	weight := make([][]float32, network.Features())
	for i := range weight {
		weight[i] = make([]float32, classes)
	}
	network.SetHead(weight, make([]float32, classes))
	for _, layer := range network.Layers() {
		if layer != "fc" {
			network.SetTrainable(layer, false)
		}
	}
	// END SOLUTION
}

// SetMode switches the network to training mode or to evaluation mode. The training loop calls
// it with true before each epoch, and with false before each test. Only the head follows: the
// body is in evaluation mode in both cases, so that its running statistics do not move.
func SetMode(network nn.Trained, training bool) {
	// BEGIN SOLUTION
	for _, layer := range network.Layers() {
		network.SetTraining(layer, training && layer == "fc")
	}
	// END SOLUTION
}
