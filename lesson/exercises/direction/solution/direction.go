// Package direction makes directions in which to walk away from a trained network, to see the
// loss around it.
package direction

import (
	"math"

	"github.com/residual-go/residual/lesson/exercises/nn"
)

// Direction returns a random direction for the weights, normalised by filter (Li et al. 2018):
// each filter of the direction is scaled to the length, √(sum of squares), of the same filter
// of the weights.
//
// random has a random value for each weight, with the same names and shapes as weights. A filter
// is the set of values of one output channel, and output channels are the last axis: filter f
// has the values at f, f + out, f + 2·out, and so on. A parameter with a single axis, of a batch
// norm or a bias, has no filters: its direction is 0. So is that of a filter whose random values
// are all 0. Direction does not change its arguments.
func Direction(weights, random []nn.Parameter) []nn.Parameter {
	// BEGIN SOLUTION
	direction := make([]nn.Parameter, len(weights))
	for i, w := range weights {
		direction[i] = nn.Parameter{Name: w.Name, Shape: w.Shape, Values: make([]float32, len(w.Values))}
		if len(w.Shape) < 2 {
			continue
		}
		out := w.Shape[len(w.Shape)-1]
		for filter := range out {
			scale := length(w.Values, filter, out) / length(random[i].Values, filter, out)
			if math.IsInf(scale, 0) || math.IsNaN(scale) {
				continue // a filter without a direction
			}
			for j := filter; j < len(w.Values); j += out {
				direction[i].Values[j] = random[i].Values[j] * float32(scale)
			}
		}
	}
	return direction
	// END SOLUTION
}

// Along returns new weights: weights + alpha·direction. It does not change its arguments.
func Along(weights, direction []nn.Parameter, alpha float64) []nn.Parameter {
	// BEGIN SOLUTION
	moved := make([]nn.Parameter, len(weights))
	for i, w := range weights {
		moved[i] = nn.Parameter{Name: w.Name, Shape: w.Shape, Values: make([]float32, len(w.Values))}
		for j := range w.Values {
			moved[i].Values[j] = w.Values[j] + float32(alpha)*direction[i].Values[j]
		}
	}
	return moved
	// END SOLUTION
}

// BEGIN SOLUTION
// STUB:

// length returns the length of a filter.
func length(values []float32, filter, out int) float64 {
	sum := 0.0
	for j := filter; j < len(values); j += out {
		sum += float64(values[j]) * float64(values[j])
	}
	return math.Sqrt(sum)
}

// END SOLUTION
