package deeper

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
)

// Target is a function to fit, given by points (X[i], Y[i]).
type Target struct{ X, Y []float64 }

// Sample returns f at evenly spaced points from Left to Right. The number of points must be
// at least 2.
func Sample(f func(x float64) float64, points int) Target {
	var t Target
	for i := range points {
		x := Left + (Right-Left)*float64(i)/float64(points-1)
		t.X, t.Y = append(t.X, x), append(t.Y, f(x))
	}
	return t
}

// Error returns the network's root mean squared error on the target.
func (n *Network) Error(t Target) float64 {
	return math.Sqrt(squares(n.newPass(), t, nil))
}

// squares returns the mean squared error. If gradient is not nil, squares overwrites it with
// the gradient of that error.
func squares(p *pass, t Target, gradient []float64) float64 {
	clear(gradient)
	sum := 0.0
	for i, x := range t.X {
		difference := p.forward(x) - t.Y[i]
		sum += difference * difference
		if gradient != nil {
			p.backward(2*difference/float64(len(t.X)), gradient)
		}
	}
	return sum / float64(len(t.X))
}

// Fit is the result of training a network.
type Fit struct {
	// Network has the weights with the least error, of those before training and after each
	// step.
	*Network
	// Errors has the error before training and the error after each step.
	Errors []float64
}

// Train trains a copy of the network on the whole target with Adam. The learning rate starts
// at rate and falls to 0 along a cosine. The weights are confined to the bounds before the
// first step and after each step.
func Train(n *Network, t Target, bounds Bounds, steps int, rate float64) Fit {
	now := n.As(n.kind)
	now.confine(bounds)
	p := now.newPass()
	fit := Fit{}
	gradient := make([]float64, len(now.weights))
	mean, square := make([]float64, len(gradient)), make([]float64, len(gradient))
	best := math.Inf(1)
	for step := range steps + 1 {
		e := math.Sqrt(squares(p, t, gradient))
		fit.Errors = append(fit.Errors, e)
		if e < best {
			best, fit.Network = e, now.As(now.kind)
		}
		if step == steps {
			break
		}
		falling := rate * (1 + math.Cos(math.Pi*float64(step)/float64(steps))) / 2
		meanShare, squareShare := 1-math.Pow(0.9, float64(step+1)), 1-math.Pow(0.999, float64(step+1))
		for i, g := range gradient {
			mean[i] = 0.9*mean[i] + 0.1*g
			square[i] = 0.999*square[i] + 0.001*g*g
			now.weights[i] -= falling * mean[i] / meanShare / (math.Sqrt(square[i]/squareShare) + 1e-8)
		}
		now.confine(bounds)
	}
	return fit
}

// Settled returns the first step from which on the error is at most e, or -1 if the last error
// is above it.
func (f Fit) Settled(e float64) int {
	for step := len(f.Errors) - 1; step >= 0; step-- {
		if f.Errors[step] > e {
			if step == len(f.Errors)-1 {
				return -1
			}
			return step + 1
		}
	}
	return 0
}

// Search looks for the best network of each depth.
type Search struct {
	Width, Depth int
	Bounds       Bounds
	// Starts is the number of random networks trained for each depth, and Steps the number of
	// steps each is trained for. Rate is the initial learning rate.
	Starts, Steps int
	Rate          float64
}

// Run returns the best networks it finds of depth 1, 2, … up to Depth. For each depth it
// trains several random networks and also the best network of the previous depth with one
// layer added. That layer is all zeros in a residual network, which leaves the function as
// it was, and random in a plain one. Residual networks therefore never get worse with depth.
// Equal searches return equal networks.
func (s Search) Run(kind Kind, t Target) []*Network {
	var found []*Network
	for depth := range s.Depth {
		var starts []*Network
		if depth > 0 && kind == Residual {
			starts = append(starts, found[depth-1].WithZeros(1))
		} else if depth > 0 {
			starts = append(starts, found[depth-1].WithRandom(1, source(depth, s.Starts)))
		}
		for i := range s.Starts {
			starts = append(starts, New(kind, s.Width, depth+1, source(depth, i)))
		}
		fits := make([]Fit, len(starts))
		var work sync.WaitGroup
		for i, start := range starts {
			work.Go(func() { fits[i] = Train(start, t, s.Bounds, s.Steps, s.Rate) })
		}
		work.Wait()
		found = append(found, slices.MinFunc(fits, func(a, b Fit) int {
			return cmp.Compare(a.Error(t), b.Error(t))
		}).Network)
	}
	return found
}

// source returns the random number generator for one start at one depth.
func source(depth, start int) *rand.Rand { return rand.New(rand.NewPCG(uint64(depth), uint64(start))) }

// PlainSpread returns the largest possible difference between two values of a plain network
// of the given depth. After the first tanh, two values differ by at most 2. Each further
// layer can multiply a difference by Weight; its tanh then shrinks a difference s to at most
// 2·tanh(s/2), reached when the two values are symmetric about 0. The linear output layer
// multiplies by Weight once more.
func (bounds Bounds) PlainSpread(depth int) float64 {
	spread := 2.0
	for range depth - 1 {
		spread = 2 * math.Tanh(bounds.Weight*spread/2)
	}
	return bounds.Weight * spread
}

// LeastError returns the least error possible for a function whose values differ by at most
// spread. The best such function is the target clipped to an interval of that length, placed
// where clipping costs the least.
func (t Target) LeastError(spread float64) float64 {
	cut := func(low float64) float64 {
		sum := 0.0
		for _, y := range t.Y {
			beyond := max(low-y, y-low-spread, 0)
			sum += beyond * beyond
		}
		return math.Sqrt(sum / float64(len(t.Y)))
	}
	low, high := slices.Min(t.Y), slices.Max(t.Y)-spread
	if high <= low {
		return 0
	}
	for high-low > 1e-9 { // ternary search: cut falls, then rises
		third := (high - low) / 3
		if cut(low+third) < cut(high-third) {
			high -= third
		} else {
			low += third
		}
	}
	return cut(low)
}
