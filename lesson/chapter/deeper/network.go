package deeper

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Network is a trainable function of one number x. Its first layer computes the vector
// h = tanh(ux + a). Layers of the network's kind follow, and a linear output layer computes
// y = c·h + d. The depth counts the tanh layers, including the first. At depth 1 the two
// kinds are the same.
type Network struct {
	kind  Kind
	width int
	// weights holds u, a, c and d, then W (by rows) and b of each further layer. A network
	// therefore grows by appending to the weights of the shallower one.
	weights []float64
}

// New returns a network with random weights; depth must be at least 1. The first layer's
// units bend at different places between -1 and 1. The other weights are scaled so that
// values keep about the same size from layer to layer.
func New(kind Kind, width, depth int, random *rand.Rand) *Network {
	n := &Network{kind, width, make([]float64, 3*width+1)}
	u, a, c, _ := n.ends(n.weights)
	for i := range width {
		u[i] = 3 * random.NormFloat64()
		a[i] = 2*random.Float64() - 1
		c[i] = random.NormFloat64() / math.Sqrt(float64(width))
	}
	return n.grow(depth-1, func(w, b []float64) { randomise(w, width, random) })
}

// randomise fills w with normal values of variance 1/width.
func randomise(w []float64, width int, random *rand.Rand) {
	for i := range w {
		w[i] = random.NormFloat64() / math.Sqrt(float64(width))
	}
}

// grow returns a copy with more layers added before the linear output layer. They start as
// zeros; grow calls set with the weights of each.
func (n *Network) grow(more int, set func(w, b []float64)) *Network {
	grown := n.As(n.kind)
	for range more {
		grown.weights = append(grown.weights, make([]float64, n.width*n.width+n.width)...)
		set(grown.layer(grown.weights, grown.Depth()-1))
	}
	return grown
}

// WithZeros returns a copy with more layers added whose weights are all 0. In a residual
// network they are the identity. In a plain network they output 0 for every input.
func (n *Network) WithZeros(more int) *Network {
	return n.grow(more, func(w, b []float64) {})
}

// WithRandom returns a copy with more layers added whose weights are random, as in [New].
func (n *Network) WithRandom(more int, random *rand.Rand) *Network {
	return n.grow(more, func(w, b []float64) { randomise(w, n.width, random) })
}

// WithCopies returns a copy of a plain network with more layers added that approximate the
// identity. The first added layer multiplies all values by scale: the smaller the values,
// the closer tanh is to linear. The other added layers pass the values on, and the linear
// output layer divides by scale.
func (n *Network) WithCopies(more int, scale float64) *Network {
	factor := scale
	grown := n.grow(more, func(w, b []float64) {
		for i := range n.width {
			w[i*n.width+i] = factor
		}
		factor = 1
	})
	_, _, c, _ := grown.ends(grown.weights)
	for i := range c {
		c[i] /= scale
	}
	return grown
}

// As returns a copy whose layers after the first are of the given kind.
func (n *Network) As(kind Kind) *Network {
	return &Network{kind, n.width, slices.Clone(n.weights)}
}

// Depth returns the number of tanh layers.
func (n *Network) Depth() int {
	return 1 + (len(n.weights)-3*n.width-1)/(n.width*n.width+n.width)
}

// Parameters returns the number of trainable parameters.
func (n *Network) Parameters() int { return len(n.weights) }

// LargestWeight returns the largest absolute value of any weight.
func (n *Network) LargestWeight() float64 {
	largest := 0.0
	for _, w := range n.weights {
		largest = max(largest, math.Abs(w))
	}
	return largest
}

// ends returns the parts u, a, c and d of weights, which are the network's or a gradient.
func (n *Network) ends(weights []float64) (u, a, c, d []float64) {
	m := n.width
	return weights[:m], weights[m : 2*m], weights[2*m : 3*m], weights[3*m : 3*m+1]
}

// layer returns the parts W and b of layer l, where 1 is the layer after h = tanh(ux + a).
func (n *Network) layer(weights []float64, l int) (w, b []float64) {
	m := n.width
	at := 3*m + 1 + (l-1)*(m*m+m)
	return weights[at : at+m*m], weights[at+m*m : at+m*m+m]
}

// confine brings all weights except u and a within the bounds.
func (n *Network) confine(bounds Bounds) {
	_, _, c, d := n.ends(n.weights)
	bounds.confine(c, d)
	for l := 1; l < n.Depth(); l++ {
		bounds.confine(n.layer(n.weights, l))
	}
}

// At returns the network's output for every element of x.
func (n *Network) At(x []float64) []float64 {
	p := n.newPass()
	y := make([]float64, len(x))
	for i := range x {
		y[i] = p.forward(x[i])
	}
	return y
}

// pass holds the intermediate values of a forward and a backward pass for one x.
type pass struct {
	*Network
	x    float64
	h    [][]float64 // the output of each layer
	tanh [][]float64 // the layer's tanh: h itself, except in residual layers
	dh   [][]float64 // the gradient at h
}

func (n *Network) newPass() *pass {
	p := &pass{Network: n}
	for _, values := range []*[][]float64{&p.h, &p.tanh, &p.dh} {
		for range n.Depth() {
			*values = append(*values, make([]float64, n.width))
		}
	}
	return p
}

// forward returns the output for x.
func (p *pass) forward(x float64) float64 {
	p.x = x
	u, a, c, d := p.ends(p.weights)
	for i := range p.width {
		p.tanh[0][i] = math.Tanh(u[i]*x + a[i])
	}
	copy(p.h[0], p.tanh[0])
	for l := 1; l < len(p.h); l++ {
		w, b := p.layer(p.weights, l)
		for i := range p.width {
			sum := b[i]
			for k, h := range p.h[l-1] {
				sum += w[i*p.width+k] * h
			}
			p.tanh[l][i] = math.Tanh(sum)
			p.h[l][i] = p.tanh[l][i]
			if p.kind == Residual {
				p.h[l][i] += p.h[l-1][i]
			}
		}
	}
	y := d[0]
	for i, h := range p.h[len(p.h)-1] {
		y += c[i] * h
	}
	return y
}

// backward adds dy times the derivative of the output with respect to each weight to
// gradient, at the x of the last call of forward.
func (p *pass) backward(dy float64, gradient []float64) {
	_, _, c, _ := p.ends(p.weights)
	gu, ga, gc, gd := p.ends(gradient)
	last := len(p.h) - 1
	gd[0] += dy
	for i, h := range p.h[last] {
		gc[i] += dy * h
		p.dh[last][i] = dy * c[i]
	}
	for l := last; l > 0; l-- {
		w, _ := p.layer(p.weights, l)
		gw, gb := p.layer(gradient, l)
		if p.kind == Residual { // the gradient also flows through the shortcut
			copy(p.dh[l-1], p.dh[l])
		} else {
			clear(p.dh[l-1])
		}
		for i, tanh := range p.tanh[l] {
			inner := p.dh[l][i] * (1 - tanh*tanh)
			gb[i] += inner
			for k, h := range p.h[l-1] {
				gw[i*p.width+k] += inner * h
				p.dh[l-1][k] += inner * w[i*p.width+k]
			}
		}
	}
	for i, tanh := range p.tanh[0] {
		inner := p.dh[0][i] * (1 - tanh*tanh)
		gu[i] += inner * p.x
		ga[i] += inner
	}
}
