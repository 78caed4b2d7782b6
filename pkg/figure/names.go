package figure

import (
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
)

// names are the names of rows or columns, made to fit along an axis.
type names struct {
	texts  []string
	style  text.Style
	turned bool
	every  int // 1 shows all names; 2, 3 … every second, third … one, if they do not all fit
}

const (
	longestName  = 150 // CSS pixels
	smallestName = 10.5
)

// namesBelow fits names, step apart, below a horizontal axis: names that are too wide get
// smaller type, or are turned.
func namesBelow(texts []string, step float64) names {
	for size := float64(tickSize); size >= smallestName; size -= 0.5 {
		upright := lettering{size: size, colour: softInk}
		if upright.widest(texts)+4 <= step {
			return names{texts: texts, style: belowAxis(upright), every: 1}
		}
	}
	n := namesBeside(texts, step)
	n.turned = true
	n.style.Rotation, n.style.YAlign = math.Pi/2, middleOfDigits
	return n
}

// namesBeside fits names, step apart, beside a vertical axis.
func namesBeside(texts []string, step float64) names {
	look := tickText()
	n := names{style: besideAxis(look), every: 1}
	for _, s := range texts {
		n.texts = append(n.texts, look.fit(s, longestName))
	}
	for float64(n.every)*step < look.size*1.05 {
		n.every++
	}
	return n
}

// label writes the names along an axis, at 1, 2, 3 ….
func (n names) label(a *plot.Axis) {
	var ticks []plot.Tick
	for i := 0; i < len(n.texts); i += n.every {
		name := clean(n.texts[i])
		if n.turned && name != "" {
			name += "  " // or the name would touch the axis
		}
		ticks = append(ticks, plot.Tick{Value: float64(i + 1), Label: name})
	}
	a.Tick.Marker, a.Tick.Label = plot.ConstantTicks(ticks), n.style
}
