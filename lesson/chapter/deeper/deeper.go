// Package deeper is the code of notebook 1, Why deeper is not simply better: networks so
// small that everything about them can be computed.
//
// All functions that networks of one depth can represent form a class. Does the class of
// the deeper networks contain the class of the shallower ones? [Reach] answers this by
// computing whole classes. It describes a function by its values at two inputs, so that a
// function is a point in a plane and a class is a [Region]. [Search] fits networks of
// growing depth to a [Target]. Both know two [Kind]s of layers, plain and residual, and
// keep the weights within [Bounds]. Only a residual layer can be exactly the identity.
package deeper

import "math"

// Kind is what a layer computes from its input h.
type Kind int

const (
	// Plain layers compute tanh(Wh + b).
	Plain Kind = iota
	// Residual layers compute h + tanh(Wh + b), which is h itself if W and b are 0.
	Residual
)

// String returns "plain" or "residual".
func (k Kind) String() string {
	if k == Residual {
		return "residual"
	}
	return "plain"
}

// Bounds limits the size of the weights. The absolute values in each row of W add up to at
// most Weight, and no element of b is larger in absolute value than Bias. With a Weight of
// 1, Wh + b never amplifies the difference between two inputs, and tanh shrinks it.
type Bounds struct{ Weight, Bias float64 }

// Unbounded sets no limit.
var Unbounded = Bounds{math.Inf(1), math.Inf(1)}

// confine scales the rows of w and clips b in place, so that both are within the bounds.
func (bounds Bounds) confine(w, b []float64) {
	columns := len(w) / len(b)
	for i := range b {
		b[i] = max(-bounds.Bias, min(b[i], bounds.Bias))
		row := w[i*columns : (i+1)*columns]
		sum := 0.0
		for _, v := range row {
			sum += math.Abs(v)
		}
		// The tolerance allows for rounding in the sum: a row that was already scaled to the
		// bound must not change again.
		if sum > bounds.Weight*(1+1e-12) {
			for k := range row {
				row[k] *= bounds.Weight / sum
			}
		}
	}
}
