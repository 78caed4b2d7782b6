package figure

import (
	"image/color"

	stdfont "golang.org/x/image/font"
)

// Lengths are in CSS pixels.
const (
	pageWidth = 800 // of a notebook's column
	margin    = 20

	titleSize  = 17
	headSize   = 14.5
	labelSize  = 14
	tickSize   = 12.5
	legendSize = 13
	noteSize   = 12

	// leading is the distance between two lines of text over their size.
	leading = 1.35
)

var (
	white     = color.RGBA{255, 255, 255, 255}
	ink       = color.RGBA{0x1f, 0x23, 0x28, 255}
	softInk   = color.RGBA{0x57, 0x5e, 0x67, 255}
	gridInk   = color.RGBA{0xe4, 0xe7, 0xeb, 255}
	faintGrid = color.RGBA{0xf1, 0xf3, 0xf5, 255}
	wrongInk  = color.RGBA{0xd5, 0x5e, 0x00, 255}
)

// palette returns colour i of Okabe and Ito's, counted from 0 and repeated. Their yellow
// is left out: it does not show on white.
func palette(i int) color.RGBA {
	colours := [...]color.RGBA{
		{0x00, 0x72, 0xb2, 255}, // blue
		{0xd5, 0x5e, 0x00, 255}, // vermillion
		{0x00, 0x9e, 0x73, 255}, // bluish green
		{0xcc, 0x79, 0xa7, 255}, // reddish purple
		{0x33, 0x33, 0x33, 255}, // black
		{0xe6, 0x9f, 0x00, 255}, // orange
		{0x56, 0xb4, 0xe9, 255}, // sky blue
	}
	return colours[i%len(colours)]
}

// mix returns the colour the given part of the way from a to b.
func mix(a, b color.RGBA, part float64) color.RGBA {
	between := func(x, y uint8) uint8 { return uint8(float64(x) + part*(float64(y)-float64(x)) + 0.5) }
	return color.RGBA{between(a.R, b.R), between(a.G, b.G), between(a.B, b.B), 255}
}

// Dash is the pattern of a line.
type Dash int

// The patterns of lines.
const (
	Solid Dash = iota
	Dashed
	Dotted
	DashDotted
)

// lengths returns the pattern for a line of the given width: dash, gap, dash, gap.
func (d Dash) lengths(width float64) []float64 {
	unit := max(1, width*0.6)
	switch d {
	case Dashed:
		return []float64{6 * unit, 3 * unit}
	case Dotted:
		return []float64{1.5 * unit, 2.5 * unit}
	case DashDotted:
		return []float64{7 * unit, 2.5 * unit, 1.5 * unit, 2.5 * unit}
	}
	return nil
}

// Style says what the line of a curve looks like. The zero Style takes both colour and
// dash from the curve's place among the curves, with a Marker or without; any other is
// taken as it stands, but for a Color of 0.
type Style struct {
	// Color is 1, 2, 3 … for a colour of the palette: curves with one number have one
	// colour, and so read as belonging together. 0 stands for the curve's place.
	Color int
	// Dash sets lines of one colour apart: test from training, residual from plain.
	Dash Dash
	// Thin draws a fine line, for the lesser of a pair.
	Thin bool
	// Marker draws a mark at every point, in a shape that comes from the curve's place. It
	// is for curves of few points, which are measurements, not a course of training.
	Marker bool
}

func (s Style) valid() bool { return s.Color >= 0 && s.Dash >= Solid && s.Dash <= DashDotted }

// stroke returns the pen for the style of the curve at index i.
func (s Style) stroke(i int) stroke {
	if s == (Style{Marker: s.Marker}) {
		s.Dash = Dash(i % 4)
	}
	hue := i
	if s.Color > 0 {
		hue = s.Color - 1
	}
	pen := stroke{colour: palette(hue), width: 2.4}
	if s.Thin {
		pen.width = 1.1
	}
	pen.dash = s.Dash.lengths(pen.width)
	return pen
}

// stroke is a pen.
type stroke struct {
	colour color.RGBA
	width  float64
	dash   []float64
}

// lettering is the look of a text and how it lies to its point: align 0 begins there, 0.5
// is centred, 1 ends there. Turned text reads upwards.
type lettering struct {
	size   float64
	colour color.RGBA
	bold   bool
	italic bool
	align  float64
	turned bool
}

func (l lettering) weight() stdfont.Weight {
	if l.bold {
		return stdfont.WeightBold
	}
	return stdfont.WeightNormal
}

func (l lettering) slant() stdfont.Style {
	if l.italic {
		return stdfont.StyleItalic
	}
	return stdfont.StyleNormal
}
