// This file is yours to edit. The task is in README.md in this folder (中文：README.zh.md). To check your answer: go test ./lesson/exercises/direction
// Hand in only this file.

// Package direction makes directions in which to walk away from a trained network, to see the
// loss around it.
package direction

import (
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
	panic("not done yet: lesson/exercises/direction/README.md says what to do")
}

// Along returns new weights: weights + alpha·direction. It does not change its arguments.
func Along(weights, direction []nn.Parameter, alpha float64) []nn.Parameter {
	panic("not done yet: lesson/exercises/direction/README.md says what to do")
}
