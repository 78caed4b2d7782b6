// Package gradientnorms measures how large the gradient is at each layer of a network.
package gradientnorms

import (
	"math"
	"strings"

	"github.com/residual-go/residual/lesson/exercises/nn"
)

// Norms returns the norm of the gradient at each layer: the square root of the sum of the
// squares of its values, over all parameters of the layer. The layers are in the order of the
// gradients, in which the parameters of a layer are next to each other.
//
// The name of a layer is the part of its parameters' names before the last dot: the parameters
// bn1.weight and bn1.bias belong to layer bn1.
func Norms(gradients []nn.Parameter) []nn.LayerNorm {
	// BEGIN SOLUTION
	var norms []nn.LayerNorm
	for _, gradient := range gradients {
		layer := gradient.Name[:strings.LastIndex(gradient.Name, ".")]
		if len(norms) == 0 || norms[len(norms)-1].Layer != layer {
			norms = append(norms, nn.LayerNorm{Layer: layer})
		}
		for _, g := range gradient.Values {
			norms[len(norms)-1].Norm += float64(g) * float64(g) // a sum of squares, for now
		}
	}
	for i := range norms {
		norms[i].Norm = math.Sqrt(norms[i].Norm)
	}
	return norms
	// END SOLUTION
}

// Growth returns the factor by which the gradient grows from one layer to the one before it, on
// its way back from the last layer to the first: the single factor that, applied at every step,
// leads from the last norm to the first. norms has at least two elements, all above 0, in the
// order of the layers.
func Growth(norms []float64) float64 {
	// BEGIN SOLUTION
	steps := len(norms) - 1
	return math.Pow(norms[0]/norms[steps], 1/float64(steps))
	// END SOLUTION
}
