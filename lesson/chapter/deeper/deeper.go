// Package deeper shows why a deeper network is not simply a better one, with networks so
// small that all of it can be computed.
//
// The functions that networks of one depth can be are a class. Does the class of the
// deeper ones hold that of the shallower ones? [Reach] answers it by computing classes
// whole: it sees a function by its values at two inputs, which makes it a point in a
// plane, and a class a [Region]. [Search] fits networks of growing depth to a [Target].
// Both know two [Kind]s of layers, plain and residual ones, of which only the latter can
// be the identity, and keep weights within [Bounds].
package deeper

import "math"

// Kind says what a layer makes of the numbers h that it gets.
type Kind int

const (
	// Plain layers make tanh(Wh + b) of h.
	Plain Kind = iota
	// Residual layers make h + tanh(Wh + b) of it, which is h itself where W and b are 0.
	Residual
)

// String returns plain or residual.
func (k Kind) String() string {
	if k == Residual {
		return "residual"
	}
	return "plain"
}

// Bounds is how large weights may be. The absolute weights that make one number, which are
// a row of W, add up to Weight at most, and none of b is larger than Bias. With a Weight
// of 1, no layer makes differences larger before its tanh, and tanh makes them smaller.
type Bounds struct{ Weight, Bias float64 }

// Unbounded lets weights be as large as they come.
var Unbounded = Bounds{math.Inf(1), math.Inf(1)}

// confine brings rows of weights w, and b, within the bounds.
func (bounds Bounds) confine(w, b []float64) {
	columns := len(w) / len(b)
	for i := range b {
		b[i] = max(-bounds.Bias, min(b[i], bounds.Bias))
		row := w[i*columns : (i+1)*columns]
		sum := 0.0
		for _, v := range row {
			sum += math.Abs(v)
		}
		// A row at its bound adds up to a little more or less, by rounding. It has to stay
		// as it is: a network within the bounds is not to change at all.
		if sum > bounds.Weight*(1+1e-12) {
			for k := range row {
				row[k] *= bounds.Weight / sum
			}
		}
	}
}
