package figure

import (
	"image"
	"image/color"
	"math"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// dotsPerPixel is how many pixels of a PNG make a CSS pixel, in each direction.
const dotsPerPixel = 2

// px converts CSS pixels to gonum's unit of length: there are 96 CSS pixels to the inch.
func px(v float64) vg.Length { return vg.Length(v) * vg.Inch / 96 }

// pixels converts a length to CSS pixels.
func pixels(l vg.Length) float64 { return float64(l / px(1)) }

// point is a place on a canvas in CSS pixels, or one in the units of a plot's axes.
type point struct{ x, y float64 }

// rect is an area in CSS pixels: left, top, right, bottom.
type rect struct{ x0, y0, x1, y1 float64 }

func (r rect) width() float64  { return r.x1 - r.x0 }
func (r rect) height() float64 { return r.y1 - r.y0 }
func (r rect) middle() point   { return point{(r.x0 + r.x1) / 2, (r.y0 + r.y1) / 2} }

// inset returns the area without a margin of width d along its edges. An area too flat
// for the margin has no height left.
func (r rect) inset(d float64) rect {
	return rect{r.x0 + d, min(r.y0+d, r.y1), r.x1 - d, max(r.y1-d, r.y0)}
}

// meets reports whether two areas overlap.
func (r rect) meets(s rect) bool { return r.x0 < s.x1 && s.x0 < r.x1 && r.y0 < s.y1 && s.y0 < r.y1 }

// canvas is gonum's canvas in CSS pixels from its upper left corner, with y pointing down,
// as a page is laid out.
type canvas struct{ draw.Canvas }

// area returns all of the canvas.
func (c *canvas) area() rect {
	size := c.Size()
	return rect{0, 0, pixels(size.X), pixels(size.Y)}
}

// at converts a place to gonum's coordinates, whose origin is at the bottom.
func (c *canvas) at(p point) vg.Point { return vg.Point{X: c.Min.X + px(p.x), Y: c.Max.Y - px(p.y)} }

func (c *canvas) all(points []point) []vg.Point {
	all := make([]vg.Point, len(points))
	for i, p := range points {
		all[i] = c.at(p)
	}
	return all
}

// window returns the area r of the page for gonum to draw on.
func (c *canvas) window(r rect) draw.Canvas {
	return draw.Canvas{Canvas: c.Canvas.Canvas, Rectangle: vg.Rectangle{
		Min: c.at(point{r.x0, r.y1}),
		Max: c.at(point{r.x1, r.y0}),
	}}
}

// corners returns the outline of r, not closed.
func (r rect) corners() []point {
	return []point{{r.x0, r.y0}, {r.x1, r.y0}, {r.x1, r.y1}, {r.x0, r.y1}}
}

func (c *canvas) fill(r rect, colour color.Color) { c.polygon(r.corners(), colour) }

func (c *canvas) polygon(points []point, colour color.Color) { c.FillPolygon(colour, c.all(points)) }

// frame strokes the edge of r, centred on it.
func (c *canvas) frame(r rect, pen stroke) { c.outline(r.corners(), pen) }

// outline strokes a closed line.
func (c *canvas) outline(points []point, pen stroke) {
	path := make(vg.Path, 0, len(points)+1)
	for i, p := range c.all(points) {
		if i == 0 {
			path.Move(p)
		} else {
			path.Line(p)
		}
	}
	path.Close()
	c.SetLineStyle(pen.lineStyle())
	c.Stroke(path)
}

func (c *canvas) line(x0, y0, x1, y1 float64, pen stroke) {
	c.polyline([]point{{x0, y0}, {x1, y1}}, pen)
}

func (c *canvas) polyline(points []point, pen stroke) { c.StrokeLines(pen.lineStyle(), c.all(points)) }

// clipped strokes the part of a line that lies inside r.
func (c *canvas) clipped(points []point, pen stroke, r rect) {
	inside := c.window(r)
	c.StrokeLines(pen.lineStyle(), inside.ClipLinesXY(c.all(points))...)
}

// disc fills a circle.
func (c *canvas) disc(p point, radius float64, colour color.Color) {
	c.DrawGlyphNoClip(draw.GlyphStyle{Color: colour, Radius: px(radius), Shape: draw.CircleGlyph{}}, c.at(p))
}

// star draws a star around p with a white edge that sets it off from any background. It
// marks the one point that a figure is about.
func (c *canvas) star(p point, radius float64, colour color.Color) {
	points := make([]point, 10)
	for i := range points {
		r := radius
		if i%2 == 1 {
			r *= 0.45
		}
		sin, cos := math.Sincos(float64(i) * math.Pi / 5)
		points[i] = point{p.x + r*sin, p.y - r*cos}
	}
	c.outline(points, stroke{colour: white, width: 3})
	c.polygon(points, colour)
}

// image draws img over r.
func (c *canvas) image(img image.Image, r rect) { c.DrawImage(c.window(r).Rectangle, img) }

// text writes s with its baseline at p.
func (c *canvas) text(s string, p point, l lettering) {
	s = clean(s)
	if s == "" {
		return
	}
	face := l.face()
	back := -vg.Length(l.align) * textWidth(face, s)
	c.SetColor(l.colour)
	if !l.turned {
		c.FillString(face, c.at(p).Add(vg.Point{X: back}), s)
		return
	}
	c.Push()
	c.Translate(c.at(p))
	c.Rotate(math.Pi / 2)
	c.FillString(face, vg.Point{X: back}, s)
	c.Pop()
}
