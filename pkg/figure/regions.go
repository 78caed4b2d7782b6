package figure

import (
	"errors"
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg/draw"
)

// Region is a set of points of a plane.
type Region struct {
	// Name appears in the legend. A region without a name is drawn but not listed.
	Name string
	// Mask says which cells of a grid over the panel belong to the region: Mask[0] is the
	// lowest row, from left to right. All rows have equal lengths; regions may differ in
	// size. A hundred cells or more in each direction look smooth.
	Mask [][]bool
	// Style is the look of the outline; the area is a tint of its colour.
	Style Style
	// Distance draws a line from the panel's Point to the nearest point of the region and
	// writes its length, in units of the axes, into the legend.
	Distance bool
}

// Point is a point of a plane with a name.
type Point struct {
	X, Y float64
	Name string
}

// RegionPanel is one plane of a figure of [Regions].
type RegionPanel struct {
	// Title is written above the panel; XLabel and YLabel name its axes.
	Title, XLabel, YLabel string
	// Regions are drawn in this order, so the largest should come first.
	Regions []Region
	// X0 to X1 and Y0 to Y1 is the area that the masks cover.
	X0, X1, Y0, Y1 float64
	// Point is drawn as a star: the target that the regions come close to. It may be nil.
	Point *Point
}

// Regions draws sets of points in a plane, or in several side by side: each lightly filled,
// with an outline. Panels with equal y axes share their numbers.
func Regions(title string, panels []RegionPanel, opts ...Option) (*Figure, error) {
	panels = slices.Clone(panels)
	for i := range panels {
		p := &panels[i]
		p.Regions = slices.Clone(p.Regions)
		for k := range p.Regions {
			p.Regions[k].Mask = clonedRows(p.Regions[k].Mask)
		}
		if p.Point != nil {
			target := *p.Point
			p.Point = &target
		}
	}
	return drawn(fmt.Sprintf("regions %q", title), opts, func(o options) (*Figure, error) { return regions(title, panels, o) })
}

func regions(title string, planes []RegionPanel, o options) (*Figure, error) {
	if len(planes) == 0 {
		return nil, errors.New("no panels")
	}
	panels := make([]panel, len(planes))
	for i, p := range planes {
		var err error
		if panels[i], err = p.panel(o); err != nil {
			return nil, fmt.Errorf("panel %d: %w", i, err)
		}
	}
	head := newHeader(o, title, "")
	bottom := arrangePlanes(panels, head.height, pageWidth-margin)
	return head.page(bottom, o, func(c *canvas) {
		for _, p := range panels {
			p.draw(c)
		}
	}), nil
}

func (p RegionPanel) panel(o options) (panel, error) {
	if err := errors.Join(checkRange("x", p.X0, p.X1, false), checkRange("y", p.Y0, p.Y1, false)); err != nil {
		return panel{}, err
	}
	made := panel{Plot: newPlot(o.Text(p.XLabel), o.Text(p.YLabel)), heading: o.Text(p.Title)}
	setScale(&made.X, p.X0, p.X1, false, linearTicks(p.X0, p.X1, 5, false, false))
	setScale(&made.Y, p.Y0, p.Y1, false, linearTicks(p.Y0, p.Y1, 6, false, false))
	var lines []plot.Plotter
	for i, r := range p.Regions {
		if !r.Style.valid() {
			return panel{}, fmt.Errorf("%q: unknown style %+v", r.Name, r.Style)
		}
		if err := r.check(); err != nil {
			return panel{}, fmt.Errorf("%q: %w", r.Name, err)
		}
		pen := r.Style.stroke(i)
		edges := r.edges(p)
		made.Add(tinted(edges, pen))
		for _, edge := range edges {
			made.Add(lineThrough(edge, pen))
		}
		name := o.Text(r.Name)
		if nearest, distance, some := r.nearest(p); r.Distance && some {
			thin := stroke{colour: pen.colour, width: 1.4}
			lines = append(lines, distanceLine(point{p.Point.X, p.Point.Y}, nearest, thin))
			if name != "" {
				name = fmt.Sprintf(o.Text("%s, distance %s"), name, threeDigits(distance))
			}
		}
		if len(edges) == 0 && name != "" {
			name += o.Text(" (nothing to draw)")
		}
		made.entries = append(made.entries, entry{name, &plotter.Polygon{Color: tint(pen), LineStyle: pen.lineStyle()}})
	}
	made.Add(lines...)
	if p.Point != nil {
		target := *p.Point
		target.Name = o.Text(target.Name)
		if !drawable(target.X) || !drawable(target.Y) {
			return panel{}, fmt.Errorf("the point %q is at %g, %g, want finite coordinates", target.Name, target.X, target.Y)
		}
		made.Add(drawFunc(target.draw))
	}
	made.Add(closedFrame)
	return made, nil
}

// tint returns the colour that fills an area; what is below it shows through.
func tint(pen stroke) color.Color {
	return color.NRGBA{pen.colour.R, pen.colour.G, pen.colour.B, 36}
}

// tinted fills the area within closed edges. An edge in the opposite direction encloses a
// hole.
func tinted(edges [][]point, pen stroke) drawFunc {
	area := &plotter.Polygon{Color: tint(pen)}
	for _, edge := range edges {
		ring := make(plotter.XYs, len(edge))
		for i, q := range edge {
			ring[i].X, ring[i].Y = q.x, q.y
		}
		area.XYs = append(area.XYs, ring)
	}
	return area.Plot
}

// lineThrough draws the part of a line that lies within the axes.
func lineThrough(points []point, pen stroke) drawFunc {
	return func(c draw.Canvas, p *plot.Plot) {
		c.StrokeLines(pen.lineStyle(), c.ClipLinesXY(places(c, p, points))...)
	}
}

// distanceLine draws the line from a point to the nearest point of a region, and a dot
// there.
func distanceLine(from, nearest point, pen stroke) drawFunc {
	return func(c draw.Canvas, p *plot.Plot) {
		lineThrough([]point{from, nearest}, pen).Plot(c, p)
		c.DrawGlyph(marker(0, 3.6, pen.colour), places(c, p, []point{nearest})[0])
	}
}

// draw draws the point as a star with its name beside it.
func (t Point) draw(axes draw.Canvas, p *plot.Plot) {
	c := &canvas{axes}
	all := c.area()
	at := c.onto(p)(point{t.X, t.Y})
	if !axes.Contains(c.at(at)) {
		return
	}
	c.star(at, 9, ink)
	text := lettering{size: legendSize, colour: ink, bold: true}
	name := text.fit(t.Name, all.width()/2)
	place := point{at.x + 12, at.y - 8}
	if place.x+text.width(name) > all.x1-4 {
		place.x, text.align = at.x-12, 1
	}
	if place.y-text.size < all.y0 {
		place.y = at.y + 18
	}
	c.text(name, place, text)
}

func (r Region) check() error {
	if len(r.Mask) == 0 || len(r.Mask[0]) == 0 {
		return errors.New("the mask is empty")
	}
	for i, row := range r.Mask {
		if len(row) != len(r.Mask[0]) {
			return fmt.Errorf("row %d of the mask has %d cells, row 0 has %d", i, len(row), len(r.Mask[0]))
		}
	}
	return nil
}

// edges returns the outline of the region in units of the panel's axes. It continues for
// two cells beyond the panel and is cut off at the frame, so that no line runs along the
// frame as if the region ended there.
func (r Region) edges(p RegionPanel) [][]point {
	const around = 3
	rows, columns := len(r.Mask), len(r.Mask[0])
	z := make([][]float64, rows+2*around)
	for y := range z {
		z[y] = make([]float64, columns+2*around)
		for x := range z[y] {
			outermost := x == 0 || y == 0 || x == len(z[y])-1 || y == len(z)-1
			if r.Mask[max(0, min(y-around, rows-1))][max(0, min(x-around, columns-1))] && !outermost {
				z[y][x] = 1
			}
		}
	}
	edges := isolines(z, 0.5)
	for _, edge := range edges {
		rounded(edge)
		for i, q := range edge {
			edge[i] = point{
				p.X0 + (q.x-around+0.5)/float64(columns)*(p.X1-p.X0),
				p.Y0 + (q.y-around+0.5)/float64(rows)*(p.Y1-p.Y0),
			}
		}
	}
	return edges
}

// rounded smooths the steps of the cells out of a closed line, by means over neighbours. A
// point moves by less than half a cell, so that a region of a few cells does not vanish.
func rounded(line []point) {
	const farthest = 0.4
	n := len(line) - 1 // the last is the first again
	original := slices.Clone(line[:n])
	for range 8 {
		before := slices.Clone(line[:n])
		for i, p := range before {
			a, b := before[(i+n-1)%n], before[(i+1)%n]
			line[i] = point{(a.x + 2*p.x + b.x) / 4, (a.y + 2*p.y + b.y) / 4}
		}
	}
	for i, p := range original {
		if moved := math.Hypot(line[i].x-p.x, line[i].y-p.y); moved > farthest {
			part := farthest / moved
			line[i] = point{p.x + part*(line[i].x-p.x), p.y + part*(line[i].y-p.y)}
		}
	}
	line[n] = line[0]
}

// nearest returns the point of the region that is nearest to the panel's Point, and its
// distance. All of the area of a cell belongs to the region.
func (r Region) nearest(p RegionPanel) (nearest point, distance float64, some bool) {
	if p.Point == nil {
		return point{}, 0, false
	}
	distance = math.Inf(1)
	width := (p.X1 - p.X0) / float64(len(r.Mask[0]))
	height := (p.Y1 - p.Y0) / float64(len(r.Mask))
	for iy, row := range r.Mask {
		y := max(p.Y0+float64(iy)*height, min(p.Point.Y, p.Y0+float64(iy+1)*height))
		for ix, in := range row {
			if !in {
				continue
			}
			x := max(p.X0+float64(ix)*width, min(p.Point.X, p.X0+float64(ix+1)*width))
			if d := math.Hypot(x-p.Point.X, y-p.Point.Y); d < distance {
				nearest, distance, some = point{x, y}, d, true
			}
		}
	}
	return nearest, distance, some
}
