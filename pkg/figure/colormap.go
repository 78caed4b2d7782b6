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

// colours returns the colour map that rises in equal steps of lightness through the given
// colours, which must rise in lightness, over the values from 0 to 1. Equal steps of a
// value then look equal, and readers who cannot tell red from green see the same order.
func colours(controls []color.Color) palette.ColorMap {
	m, err := moreland.NewLuminance(controls)
	if err != nil {
		panic(err) // the controls are constants of this package
	}
	m.SetMax(1)
	return m
}

// viridis is Matplotlib's colour map of this name, from dark violet through green to
// bright yellow, by nine of its colours.
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

// blues is the colour map from white through blue to a near black.
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

// shades is the number of colours of a colour map that are used: more could not be told
// apart and would make files larger. It is even because palette.Reverse loses the middle
// one of an odd number.
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

// heat returns the colour of a value from 0 to 1 in viridis. Values beyond have the colour
// of the nearer end.
func heat(value float64) color.RGBA {
	return viridisTable()[int(math.Round(max(0, min(value, 1))*(shades-1)))]
}

// scaleBar is the scale of a colour map over 0 to 1, which stands to the right of panels.
type scaleBar struct {
	*plot.Plot
	room float64 // to the right of panels, up to the edge of the page
}

const (
	barWidth = 15
	barGap   = 14 // to the left of what is written beside the bar
	barEdge  = 6  // to the right of the bar
)

func newScaleBar(m palette.ColorMap, label string, ticks []plot.Tick) scaleBar {
	p := newPlot("", label)
	scaled(&p.X, 0, 1, false, nil)
	scaled(&p.Y, 0, 1, false, ticks)
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
