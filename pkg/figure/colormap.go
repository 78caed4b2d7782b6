package figure

import (
	"image/color"
	"math"
	"sync"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/palette"
	"gonum.org/v1/plot/palette/brewer"
	"gonum.org/v1/plot/palette/moreland"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// colours returns a colour map over the values from 0 to 1 that passes through the given
// colours, from dark to light, in equal steps of lightness. Equal steps of a value then
// look equal, and readers who cannot tell red from green see the same order.
func colours(controls []color.Color) palette.ColorMap {
	m, err := moreland.NewLuminance(controls)
	if err != nil {
		panic(err) // the controls are constants of this package
	}
	m.SetMax(1)
	return m
}

// viridis is Matplotlib's colour map of this name, interpolated from nine of its colours:
// dark violet through green to bright yellow.
var viridis = sync.OnceValue(func() palette.ColorMap {
	return colours([]color.Color{
		color.RGBA{0x44, 0x01, 0x54, 255},
		color.RGBA{0x47, 0x2d, 0x7b, 255},
		color.RGBA{0x3b, 0x52, 0x8b, 255},
		color.RGBA{0x2c, 0x72, 0x8e, 255},
		color.RGBA{0x21, 0x91, 0x8c, 255},
		color.RGBA{0x28, 0xae, 0x80, 255},
		color.RGBA{0x5e, 0xc9, 0x62, 255},
		color.RGBA{0xad, 0xdc, 0x30, 255},
		color.RGBA{0xfd, 0xe7, 0x25, 255},
	})
})

// blues is ColorBrewer's colour map of this name: almost white through blue to almost
// black.
var blues = sync.OnceValue(func() palette.ColorMap {
	p, err := brewer.GetPalette(brewer.TypeSequential, "Blues", 9)
	if err != nil {
		panic(err) // gonum has this palette
	}
	controls := p.Colors() // from light to dark
	dark := make([]color.Color, len(controls))
	for i, c := range controls {
		dark[len(controls)-1-i] = c
	}
	return palette.Reverse(colours(dark))
})

// shades is the number of colours taken from a colour map. More would look the same and make
// files larger. It is even because palette.Reverse drops the middle one of an odd number.
const shades = 128

// table returns the colours of a map as RGBA, for quick access.
func table(m palette.ColorMap) []color.RGBA {
	t := make([]color.RGBA, shades)
	for i, c := range m.Palette(shades).Colors() {
		t[i] = color.RGBAModel.Convert(c).(color.RGBA)
	}
	return t
}

var viridisTable = sync.OnceValue(func() []color.RGBA { return table(viridis()) })

// heat returns the colour of a value from 0 to 1 in viridis. Values outside this range get
// the colour of the nearer end.
func heat(value float64) color.RGBA {
	return viridisTable()[int(math.Round(max(0, min(value, 1))*(shades-1)))]
}

// scaleBar is a colour bar to the right of the panels of a figure.
type scaleBar struct {
	*plot.Plot
	room float64 // between the panels and the edge of the page
}

const (
	barWidth = 15
	barGap   = 14 // between the panels and the label of the bar
	barEdge  = 6  // between the bar and the edge of the page
)

// newScaleBar returns the colour bar of a colour map over the values from 0 to 1.
func newScaleBar(m palette.ColorMap, label string, ticks []plot.Tick) scaleBar {
	p := newPlot("", label)
	setScale(&p.X, 0, 1, false, nil)
	setScale(&p.Y, 0, 1, false, ticks)
	small := noteText()
	p.Y.Tick.Label = besideAxis(small)
	small.align = 0.5
	p.Y.Label.TextStyle, p.Y.Label.Padding = small.style(), px(2)
	p.Add(&plotter.ColorBar{ColorMap: m, Vertical: true, Colors: shades}, closedFrame)
	all := draw.Canvas{Rectangle: vg.Rectangle{Max: vg.Point{X: px(pageWidth), Y: px(pageWidth)}}}
	return scaleBar{p, barGap + pixels(p.DataCanvas(all).Min.X) + barWidth + barEdge}
}

// draw draws the bar to the right of x, from top to bottom.
func (b scaleBar) draw(c *canvas, x, top, bottom float64) {
	right := math.Round(x + b.room - barEdge)
	c.plot(b.Plot, rect{right - barWidth, top, right, bottom})
}
