package deeper

import (
	"fmt"

	"github.com/residual-go/residual/pkg/figure"
)

// Curve returns the network's values at the target's points.
func (n *Network) Curve(t Target, dash figure.Dash) figure.Curve {
	return figure.Curve{Name: fmt.Sprintf("%s, depth %d", n.kind, n.Depth()), X: t.X, Y: n.At(t.X), Style: n.kind.style(dash)}
}

// ErrorsByDepth returns the curve of the errors by depth. All networks must be of one kind.
func ErrorsByDepth(networks []*Network, t Target) figure.Curve {
	kind := networks[0].kind
	c := figure.Curve{Name: kind.String(), Style: kind.style(figure.Dash(kind))}
	c.Style.Marker = true
	for _, n := range networks {
		c.X, c.Y = append(c.X, float64(n.Depth())), append(c.Y, n.Error(t))
	}
	return c
}

// Curve returns the curve of the least error up to each step.
func (f Fit) Curve(name string, dash figure.Dash) figure.Curve {
	c := figure.Curve{Name: name, Y: f.best(), Style: f.kind.style(dash)}
	for step := range c.Y {
		c.X = append(c.X, float64(step))
	}
	return c
}

// style returns a line style with the kind's colour.
func (k Kind) style(dash figure.Dash) figure.Style {
	return figure.Style{Color: 1 + int(k), Dash: dash}
}
