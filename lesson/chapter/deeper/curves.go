package deeper

import (
	"fmt"

	"github.com/residual-go/residual/pkg/figure"
)

// Curve returns the network's values at the target's points.
func (n *Network) Curve(t Target) figure.Curve {
	return figure.Curve{Name: fmt.Sprintf("%s, depth %d", n.kind, n.Depth()), X: t.X, Y: n.At(t.X), Style: n.kind.Style(shade(n.Depth()))}
}

// shade returns how deep a network of this chapter is beside the others of it.
func shade(depth int) figure.Depth {
	switch {
	case depth <= 2:
		return figure.Shallow
	case depth <= 5:
		return figure.Deep
	}
	return figure.Deepest
}

// ErrorsByDepth returns the curve of the errors by depth. All networks must be of one kind.
func ErrorsByDepth(networks []*Network, t Target) figure.Curve {
	kind := networks[0].kind
	c := figure.Curve{Name: kind.String(), Style: kind.Style(figure.Deep)}
	c.Style.Marker = true
	for _, n := range networks {
		c.X, c.Y = append(c.X, float64(n.Depth())), append(c.Y, n.Error(t))
	}
	return c
}

// Curve returns the curve of the error before training, at 1, and after each step. It starts at 1
// for a logarithmic axis, which shows the first steps.
func (f Fit) Curve(name string, style figure.Style) figure.Curve {
	c := figure.Curve{Name: name, Y: f.Errors, Style: style}
	for step := range c.Y {
		c.X = append(c.X, float64(step+1))
	}
	return c
}

// Curve returns the target as a line with marks, which stay visible below a fit that covers
// the line.
func (t Target) Curve() figure.Curve {
	const apart = 3 // points from mark to mark
	c := figure.Curve{Name: "target", Style: figure.Style{Color: black, Thin: true, Marker: true}}
	for i := 0; i < len(t.X); i += apart {
		c.X, c.Y = append(c.X, t.X[i]), append(c.Y, t.Y[i])
	}
	return c
}

const black = 5 // in the palette of package figure

// Style returns the style of networks of this kind.
func (k Kind) Style(depth figure.Depth) figure.Style {
	return figure.NetworkStyle(figure.Family(k), depth)
}
