package figure

import (
	"errors"
	"fmt"
	"image/color"
	"math"
	"slices"
)

// Region is a set of points of a plane.
type Region struct {
	// Name stands in the legend. A region without one is drawn and not listed.
	Name string
	// Mask says for each cell of a grid over the panel whether it belongs to the region:
	// Mask[0] is the lowest row, from left to right. All rows are of one length; regions may
	// differ in theirs. A hundred cells each way or more look smooth.
	Mask [][]bool
	// Style is the look of the outline; the area is a tint of its colour.
	Style Style
	// Distance draws a line from the panel's point to the nearest point of the region, and
	// writes its length, in units of the axes, into the legend.
	Distance bool
}

// Point is a point of a plane with a name.
type Point struct {
	X, Y float64
	Name string
}

// RegionPanel is one of the planes of a figure of [Regions].
type RegionPanel struct {
	// Title stands above the panel; XLabel and YLabel beside its axes.
	Title, XLabel, YLabel string
	// Regions are drawn in this order, so the largest should come first.
	Regions []Region
	// X0 to X1 and Y0 to Y1 is what the masks cover.
	X0, X1, Y0, Y1 float64
	// Point is drawn as a star: the target that the regions come near to. It may be nil.
	Point *Point
}

// Regions draws sets of points in one plane or several side by side: each lightly filled,
// with an outline. Panels with equal y axes share its numbers.
func Regions(title string, panels []RegionPanel, opts ...Option) (*Figure, error) {
	f, err := regions(title, panels, opts)
	if err != nil {
		return nil, fmt.Errorf("regions %q: %w", title, err)
	}
	return f, nil
}

// regionPlane is a panel laid out.
type regionPlane struct {
	shapes []shape
	target *Point
}

// shape is a region made ready.
type shape struct {
	edges   [][]point // closed, in units of the axes
	pen     stroke
	nearest *point // to the target, if there is a line to it
}

func regions(title string, panels []RegionPanel, opts []Option) (*Figure, error) {
	o, err := gather(opts)
	if err != nil {
		return nil, err
	}
	if len(panels) == 0 {
		return nil, errors.New("no panels")
	}
	planes := make([]plane, len(panels))
	contents := make([]regionPlane, len(panels))
	for i, p := range panels {
		if contents[i], planes[i].legend.entries, err = p.prepare(); err != nil {
			return nil, fmt.Errorf("panel %d: %w", i, err)
		}
		planes[i].heading, planes[i].xLabel, planes[i].yLabel = p.Title, p.XLabel, p.YLabel
		planes[i].x, planes[i].y = axis{low: p.X0, high: p.X1}, axis{low: p.Y0, high: p.Y1}
	}
	head := newHeader(title, "", pageWidth)
	bottom := places(planes, head.height, rightEdge)
	foot := newFooter(o.caption, pageWidth)
	height := math.Ceil(bottom + foot.height)
	draw := func(c *canvas) {
		head.draw(c)
		for i, p := range planes {
			contents[i].draw(c, p)
			p.drawAround(c)
		}
		foot.draw(c, height)
	}
	return &Figure{width: pageWidth, height: height, draw: draw}, nil
}

func (p RegionPanel) prepare() (content regionPlane, entries []entry, err error) {
	if err := errors.Join(checkRange("x", p.X0, p.X1, false), checkRange("y", p.Y0, p.Y1, false)); err != nil {
		return content, nil, err
	}
	if p.Point != nil {
		target := *p.Point
		content.target = &target
		if !drawable(target.X) || !drawable(target.Y) {
			return content, nil, fmt.Errorf("the point %q is at %g, %g", target.Name, target.X, target.Y)
		}
	}
	for i, r := range p.Regions {
		if !r.Style.valid() {
			return content, nil, fmt.Errorf("%q has no such style: %+v", r.Name, r.Style)
		}
		if err := r.check(); err != nil {
			return content, nil, fmt.Errorf("%q: %w", r.Name, err)
		}
		s := shape{pen: r.Style.stroke(i), edges: r.edges(p)}
		name := r.Name
		if nearest, distance, some := r.nearest(p); r.Distance && p.Point != nil && some {
			s.nearest = &nearest
			if name != "" {
				name += ", distance " + threeDigits(distance)
			}
		}
		if len(s.edges) == 0 && name != "" {
			name += " (nothing to draw)"
		}
		content.shapes = append(content.shapes, s)
		entries = append(entries, entry{name, func(c *canvas, r rect) {
			c.fill(r, tint(s.pen.colour))
			c.frame(rect{r.x0 + 1, r.y0 + 1, r.x1 - 1, r.y1 - 1}, s.pen)
		}})
	}
	return content, entries, nil
}

func (r Region) check() error {
	if len(r.Mask) == 0 || len(r.Mask[0]) == 0 {
		return errors.New("an empty mask")
	}
	for i, row := range r.Mask {
		if len(row) != len(r.Mask[0]) {
			return fmt.Errorf("row %d of the mask has %d cells, row 0 %d", i, len(row), len(r.Mask[0]))
		}
	}
	return nil
}

// edges returns the outline of the region in units of the panel's axes. It goes on for two
// cells beyond the panel, where it is cut off: no line runs along the frame, as if the
// region ended there.
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

// rounded takes the steps of the cells off a closed line, by means over neighbours. A
// point moves by less than half a cell, so that a region of few cells does not vanish.
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

// nearest returns the region's point that is nearest to the panel's, and how far it is. A
// cell is all of its area.
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

// tint is a colour to fill an area with, through which what is under it shows.
func tint(c color.RGBA) color.NRGBA { return color.NRGBA{c.R, c.G, c.B, 36} }

func (content regionPlane) draw(c *canvas, p plane) {
	place := p.place(p.y)
	for _, s := range content.shapes {
		edges := make([][]point, len(s.edges))
		for i, edge := range s.edges {
			for _, q := range edge {
				edges[i] = append(edges[i], place(q))
			}
		}
		c.fillClipped(edges, tint(s.pen.colour), p.plot)
		for _, edge := range edges {
			c.clipped(edge, s.pen, p.plot)
		}
	}
	if content.target == nil {
		return
	}
	target := place(point{content.target.X, content.target.Y})
	for _, s := range content.shapes {
		if s.nearest == nil {
			continue
		}
		end := place(*s.nearest)
		c.clipped([]point{target, end}, stroke{colour: s.pen.colour, width: 1.4}, p.plot)
		p.drawMarker(c, 0, end, 3.6, s.pen)
	}
	if !p.holds(target) {
		return
	}
	c.star(target, 9, ink)
	text := lettering{size: legendSize, colour: ink, bold: true}
	name := text.fit(content.target.Name, p.plot.width()/2)
	at := point{target.x + 12, target.y - 8}
	if at.x+text.width(name) > p.plot.x1-4 {
		at.x, text.align = target.x-12, 1
	}
	if at.y-text.size < p.plot.y0 {
		at.y = target.y + 18
	}
	c.text(name, at, text)
}
