package figure

import (
	"image"
	"image/color"
	"math"
	"sort"
	"strings"
	"sync"
	"unicode"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/font/liberation"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// dotsPerPixel is the sharpness of a PNG.
const dotsPerPixel = 2

// px converts CSS pixels to the canvas's unit: 96 to the inch.
func px(v float64) vg.Length { return vg.Length(v) * vg.Inch / 96 }

// point is a place on the page, y downwards.
type point struct{ x, y float64 }

// rect is an area of the page: left, top, right, bottom.
type rect struct{ x0, y0, x1, y1 float64 }

func (r rect) width() float64  { return r.x1 - r.x0 }
func (r rect) height() float64 { return r.y1 - r.y0 }

// canvas is a vg.Canvas in CSS pixels with y downwards, the way a page is laid out.
type canvas struct {
	vg.Canvas
	height float64
}

func (c *canvas) at(p point) vg.Point { return vg.Point{X: px(p.x), Y: px(c.height - p.y)} }

func (c *canvas) fill(r rect, colour color.Color) {
	c.SetColor(colour)
	c.Fill(c.outline(r))
}

// frame strokes the edge of r, centred on it.
func (c *canvas) frame(r rect, pen stroke) {
	c.use(pen)
	c.Stroke(c.outline(r))
}

func (c *canvas) outline(r rect) vg.Path {
	var p vg.Path
	p.Move(c.at(point{r.x0, r.y0}))
	p.Line(c.at(point{r.x1, r.y0}))
	p.Line(c.at(point{r.x1, r.y1}))
	p.Line(c.at(point{r.x0, r.y1}))
	p.Close()
	return p
}

func (c *canvas) use(pen stroke) {
	c.SetColor(pen.colour)
	c.SetLineWidth(px(pen.width))
	dashes := make([]vg.Length, len(pen.dash))
	for i, length := range pen.dash {
		dashes[i] = px(length)
	}
	c.SetLineDash(dashes, 0)
}

func (c *canvas) line(x0, y0, x1, y1 float64, pen stroke) {
	c.polyline([]point{{x0, y0}, {x1, y1}}, pen)
}

func (c *canvas) polyline(points []point, pen stroke) {
	c.use(pen)
	c.Stroke(c.path(points))
}

func (c *canvas) path(points []point) vg.Path {
	var p vg.Path
	for i, q := range points {
		if i == 0 {
			p.Move(c.at(q))
		} else {
			p.Line(c.at(q))
		}
	}
	return p
}

// clipped strokes the part of the line that lies inside r.
func (c *canvas) clipped(points []point, pen stroke, r rect) {
	inside := c.window(r)
	c.use(pen)
	for _, part := range inside.ClipLinesXY(c.all(points)) {
		var p vg.Path
		p.Move(part[0])
		for _, q := range part[1:] {
			p.Line(q)
		}
		c.Stroke(p)
	}
}

// fillClipped fills the part of an area that lies inside r. Its edges are closed lines; an
// edge that runs the other way round is that of a hole.
func (c *canvas) fillClipped(edges [][]point, colour color.Color, r rect) {
	inside := c.window(r)
	var p vg.Path
	for _, edge := range edges {
		for i, q := range inside.ClipPolygonXY(c.all(edge)) {
			if i == 0 {
				p.Move(q)
			} else {
				p.Line(q)
			}
		}
		if len(p) > 0 {
			p.Close()
		}
	}
	if len(p) > 0 {
		c.SetColor(colour)
		c.Fill(p)
	}
}

func (c *canvas) window(r rect) draw.Canvas {
	return draw.Canvas{Canvas: c.Canvas, Rectangle: vg.Rectangle{
		Min: c.at(point{r.x0, r.y1}),
		Max: c.at(point{r.x1, r.y0}),
	}}
}

func (c *canvas) all(points []point) []vg.Point {
	all := make([]vg.Point, len(points))
	for i, p := range points {
		all[i] = c.at(p)
	}
	return all
}

// star draws a star around p, for the one point a figure is about, with a light edge that
// sets it off from any ground.
func (c *canvas) star(p point, radius float64, colour color.Color) {
	points := make([]point, 11)
	for i := range points {
		r := radius
		if i%2 == 1 {
			r *= 0.45
		}
		sin, cos := math.Sincos(float64(i) * math.Pi / 5)
		points[i] = point{p.x + r*sin, p.y - r*cos}
	}
	path := c.path(points)
	path.Close()
	c.use(stroke{colour: white, width: 3})
	c.Stroke(path)
	c.SetColor(colour)
	c.Fill(path)
}

// marker draws one of a few shapes, filled, around p. Shapes tell series apart where the
// points count more than the line between them.
func (c *canvas) marker(shape int, p point, radius float64, colour color.Color) {
	c.SetColor(colour)
	if shape%5 == 0 {
		var path vg.Path
		centre := c.at(p)
		path.Move(vg.Point{X: centre.X + px(radius), Y: centre.Y})
		path.Arc(centre, px(radius), 0, 2*math.Pi)
		path.Close()
		c.Fill(path)
		return
	}
	r := radius
	corners := [...][]point{
		{{-0.9, -0.9}, {0.9, -0.9}, {0.9, 0.9}, {-0.9, 0.9}}, // square
		{{0, -1.25}, {1.15, 0.8}, {-1.15, 0.8}},              // triangle up
		{{0, -1.35}, {1.35, 0}, {0, 1.35}, {-1.35, 0}},       // diamond
		{{0, 1.25}, {1.15, -0.8}, {-1.15, -0.8}},             // triangle down
	}[shape%5-1]
	points := make([]point, len(corners))
	for i, q := range corners {
		points[i] = point{p.x + r*q.x, p.y + r*q.y}
	}
	path := c.path(points)
	path.Close()
	c.Fill(path)
}

// image draws img over r.
func (c *canvas) image(img image.Image, r rect) {
	c.DrawImage(vg.Rectangle{Min: c.at(point{r.x0, r.y1}), Max: c.at(point{r.x1, r.y0})}, img)
}

// text writes s with its baseline at p.
func (c *canvas) text(s string, p point, l lettering) {
	s = clean(s)
	if s == "" {
		return
	}
	face := l.face()
	back := -vg.Length(l.align) * face.Width(s)
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

// middle is how far below the middle of a line of digits or capitals its baseline is.
func (l lettering) middle() float64 { return 0.36 * l.size }

func (l lettering) width(s string) float64 {
	face := l.face()
	return float64(face.Width(clean(s)) / px(1))
}

// fit returns s, cut short with an ellipsis if it is wider than width.
func (l lettering) fit(s string, width float64) string {
	s = clean(s)
	if l.width(s) <= width {
		return s
	}
	runes := []rune(s)
	cut := func(n int) string { return strings.TrimRight(string(runes[:n]), " ") + "…" }
	tooMany := sort.Search(len(runes), func(n int) bool { return l.width(cut(n)) > width })
	return cut(max(0, tooMany-1))
}

// wrap breaks s into lines no wider than width, at spaces.
func (l lettering) wrap(s string, width float64) []string {
	var lines []string
	for _, word := range strings.Fields(clean(s)) {
		if n := len(lines); n > 0 && l.width(lines[n-1]+" "+word) <= width {
			lines[n-1] += " " + word
		} else {
			lines = append(lines, l.fit(word, width))
		}
	}
	return lines
}

// widest returns the width of the widest text.
func (l lettering) widest(texts []string) (widest float64) {
	for _, s := range texts {
		widest = max(widest, l.width(s))
	}
	return widest
}

func (l lettering) face() font.Face {
	f := font.Font{Typeface: "Liberation", Variant: "Sans", Weight: l.weight(), Style: l.slant()}
	return fonts().Lookup(f, px(l.size))
}

// fonts parses the bundled fonts once.
var fonts = sync.OnceValue(func() *font.Cache { return font.NewCache(liberation.Collection()) })

// clean takes out of s what XML does not allow in a file: control characters, line
// breaks with them, and bytes that are not UTF-8.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\ufffe' || r == '\uffff' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}
