// This file is yours to edit. The task is in README.md in this folder (中文：README.zh.md). To check your answer: go test ./lesson/exercises/gradientnorms
// Hand in only this file.

// Package gradientnorms measures how large the gradient is at each layer of a network.
package gradientnorms

import (
	"github.com/residual-go/residual/lesson/exercises/nn"
)

// Norms returns the norm of the gradient at each layer: the square root of the sum of the
// squares of its values, over all parameters of the layer. The layers are in the order of the
// gradients, in which the parameters of a layer are next to each other.
//
// The name of a layer is the part of its parameters' names before the last dot: the parameters
// bn1.weight and bn1.bias belong to layer bn1.
func Norms(gradients []nn.Parameter) []nn.LayerNorm {
	panic("not done yet: lesson/exercises/gradientnorms/README.md says what to do")
}

// Growth returns the factor by which the gradient grows from one layer to the one before it, on
// its way back from the last layer to the first: the single factor that, applied at every step,
// leads from the last norm to the first. norms has at least two elements, all above 0, in the
// order of the layers.
func Growth(norms []float64) float64 {
	panic("not done yet: lesson/exercises/gradientnorms/README.md says what to do")
}
