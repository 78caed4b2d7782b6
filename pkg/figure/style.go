package figure

import (
	"image/color"
	"math"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Lengths are in CSS pixels.
const (
	pageWidth = 800 // of a notebook's column
	margin    = 20
)

var (
	white     = color.RGBA{255, 255, 255, 255}
	ink       = color.RGBA{0x1f, 0x23, 0x28, 255}
	softInk   = color.RGBA{0x57, 0x5e, 0x67, 255}
	gridInk   = color.RGBA{0xe4, 0xe7, 0xeb, 255}
	faintGrid = color.RGBA{0xf1, 0xf3, 0xf5, 255}
	wrongInk  = color.RGBA{0xd5, 0x5e, 0x00, 255}
)

// okabeIto returns colour i, from 0, of the palette of Okabe and Ito, which repeats. Their
// yellow is left out because it is invisible on white.
func okabeIto(i int) color.RGBA {
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

// mix returns the colour between a and b: a at part 0, b at part 1.
func mix(a, b color.RGBA, part float64) color.RGBA {
	between := func(x, y uint8) uint8 { return uint8(float64(x) + part*(float64(y)-float64(x)) + 0.5) }
	return color.RGBA{between(a.R, b.R), between(a.G, b.G), between(a.B, b.B), 255}
}

// Dash is the dash pattern of a line.
type Dash int

// The dash patterns.
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

// Style is the look of a curve, a bar or the outline of a region. With the zero Style,
// colour and dash follow from the curve's index; setting Marker alone keeps them. Any
// other Style is used as it is, except that a Color of 0 still follows from the index.
// [NetworkStyle] returns a Style in the course's code of colours.
type Style struct {
	// Color selects a colour of the palette, counted from 1; curves with equal Color read
	// as belonging together. 0 takes the colour from the curve's index.
	Color int
	// Dash tells lines of one colour apart: solid is measured on test images, dashed on
	// training images.
	Dash Dash
	// Thin draws a fine line, for the less important one of a pair.
	Thin bool
	// Marker draws a mark at every point; its shape follows from the curve's index. Use it
	// for curves of few measured points, not for the course of a training run.
	Marker bool

	coded coded // if set, it decides the colour instead of Color
}

func (s Style) valid() bool {
	return s.Color >= 0 && s.coded != unknownCoded && s.Dash >= Solid && s.Dash <= DashDotted
}

// of returns the style of the curve at index i, with the dash filled in.
func (s Style) of(i int) Style {
	if s == (Style{Marker: s.Marker}) {
		s.Dash = Dash(i % 4)
	}
	return s
}

// stroke returns the pen for the curve at index i.
func (s Style) stroke(i int) stroke {
	s = s.of(i)
	hue := i
	if s.Color > 0 {
		hue = s.Color - 1
	}
	pen := stroke{colour: okabeIto(hue), width: 2.4}
	if s.coded > notCoded {
		pen.colour = s.coded.colour()
	}
	if s.Thin {
		pen.width = 1.1
	}
	pen.dash = s.Dash.lengths(pen.width)
	return pen
}

// stroke is a pen. Lengths are in CSS pixels.
type stroke struct {
	colour color.RGBA
	width  float64
	dash   []float64
}

// axisPen draws axes, ticks and frames.
func axisPen() stroke { return stroke{colour: softInk, width: 1} }

func (s stroke) lineStyle() draw.LineStyle {
	style := draw.LineStyle{Color: s.colour, Width: px(s.width)}
	for _, length := range s.dash {
		style.Dashes = append(style.Dashes, px(length))
	}
	return style
}

// markerShapes tell series apart where the points matter more than the line between them.
var markerShapes = [...]draw.GlyphDrawer{
	draw.CircleGlyph{},
	draw.BoxGlyph{},
	draw.PyramidGlyph{},
	polygonGlyph{{X: 0, Y: 1.35}, {X: 1.35, Y: 0}, {X: 0, Y: -1.35}, {X: -1.35, Y: 0}}, // diamond
	polygonGlyph{{X: 0, Y: -1.25}, {X: 1.15, Y: 0.8}, {X: -1.15, Y: 0.8}},              // triangle pointing down
}

// marker returns the mark for points of the curve at index i.
func marker(i int, radius float64, colour color.Color) draw.GlyphStyle {
	return draw.GlyphStyle{Color: colour, Radius: px(radius), Shape: markerShapes[i%len(markerShapes)]}
}

// polygonGlyph is a filled shape; its corners are in units of the radius.
type polygonGlyph []vg.Point

// DrawGlyph implements [draw.GlyphDrawer].
func (g polygonGlyph) DrawGlyph(c *draw.Canvas, style draw.GlyphStyle, p vg.Point) {
	corners := make([]vg.Point, len(g))
	for i, q := range g {
		corners[i] = p.Add(q.Scale(style.Radius))
	}
	c.FillPolygon(style.Color, corners)
}

// hatch is the hatching that fills a bar.
type hatch int

const (
	filled hatch = iota
	risingStripes
	fallingStripes
	crossedStripes
	light // an outline around a tint
)

// hatch returns the hatching for the bars of the group at index i.
func (s Style) hatch(i int) hatch {
	if s.Thin {
		return light
	}
	return [...]hatch{Solid: filled, Dashed: risingStripes, Dotted: crossedStripes, DashDotted: fallingStripes}[s.of(i).Dash]
}

// hatched fills r with the hatching h in the colour of pen.
func (c *canvas) hatched(r rect, pen stroke, h hatch) {
	if h == filled {
		c.fill(r, pen.colour)
		return
	}
	c.fill(r, mix(pen.colour, white, 0.8))
	const apart = 6
	stripe := stroke{colour: pen.colour, width: 1.4}
	// Stripes begin at multiples of their distance, so that those of neighbours line up.
	for x := math.Floor((r.x0-r.height())/apart) * apart; x < r.x1+r.height() && h != light; x += apart {
		if h == risingStripes || h == crossedStripes {
			c.clipped([]point{{x, r.y1}, {x + r.height(), r.y0}}, stripe, r.inset(1))
		}
		if h == fallingStripes || h == crossedStripes {
			c.clipped([]point{{x, r.y0}, {x + r.height(), r.y1}}, stripe, r.inset(1))
		}
	}
	c.frame(r.inset(0.75), stroke{colour: pen.colour, width: 1.5})
}
