package figure

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// DiagramLayer is one box of a figure made by [Diagram].
type DiagramLayer struct {
	// Kind sets the colour of the box and is listed in the legend: "convolution".
	Kind string
	// Color selects the colour of the Kind from the palette, counted from 1, so that several
	// diagrams can agree. 0 takes the colours in the order in which the kinds first appear.
	// The first layer of a Kind decides.
	Color int
	// Label is written in the box, on two lines if necessary: "3×3, 64". Networks of more
	// than 40 layers are drawn without labels.
	Label string
	// Size is the shape of the layer's output: "56×56×64". It is written below the first of
	// consecutive boxes with the same Size, where there is room.
	Size string
	// Group names the part of the network that the box belongs to: "layer1". A bracket
	// above neighbours of one Group carries the name.
	Group string
}

// Link is a shortcut past the layers From to To, counted from 0: the input of From is added
// to the output of To.
type Link struct {
	From, To int
	// Projection draws a dashed line: the shortcut projects its input before the addition.
	Projection bool
	// Label is written on the line: "1×1, 32". Networks of more than 40 layers are drawn
	// without labels.
	Label string
}

// Diagram draws a network as a chain of boxes from left to right, in as many rows as
// needed, and its shortcuts as lines above. Rows break between shortcuts and, where they
// are still well filled, between groups.
func Diagram(title string, layers []DiagramLayer, links []Link, opts ...Option) (*Figure, error) {
	layers, links = slices.Clone(layers), slices.Clone(links)
	return drawn(fmt.Sprintf("diagram %q", title), opts, func(o options) (*Figure, error) { return newDiagram(title, layers, links, o) })
}

// mostLabelled is the largest number of layers of a network whose boxes are labelled.
const mostLabelled = 40

// diagram is the layout of a network.
type diagram struct {
	options
	layers []DiagramLayer
	links  []Link
	kinds  []string
	looks  []Style // of each kind
	kind   []int   // of each layer
	lane   []int   // of each link, from 0; links that overlap have different lanes
	splits []bool  // whether a link begins before the layer
	joins  []bool  // whether a link ends after the layer

	compact bool
	box     float64 // width of a box
	tall    float64 // height of a box
	deep    int     // lines of the longest label
	sizes
	rows []row
	x    []float64 // the left edge of each box
}

// sizes are the lengths that differ between diagrams with and without labels.
type sizes struct {
	gap      float64 // between two boxes
	lift     float64 // from the boxes to the lowest lane of links
	joinRoom float64 // extra gap for an addition
	forkRoom float64 // extra gap for the beginning of a link
	radius   float64 // of an addition
	laneStep float64 // from one lane of links to the next
	pen      float64
}

// row is a row of layers, from first up to but not including end, and its place on the
// page.
type row struct {
	first, end  int
	top, boxes  float64 // upper edges of the brackets and of the boxes
	sizesAt     []label
	right       float64 // where its last layer, or its addition, ends
	lanes       int
	hasBrackets bool
}

// label is a text below a box.
type label struct {
	text string
	at   point
}

func newDiagram(title string, layers []DiagramLayer, links []Link, o options) (*Figure, error) {
	d := &diagram{options: o, layers: slices.Clone(layers), links: slices.Clone(links)}
	for i, l := range layers {
		d.layers[i].Label, d.layers[i].Size, d.layers[i].Group = o.Text(l.Label), o.Text(l.Size), o.Text(l.Group)
	}
	for i, l := range links {
		d.links[i].Label = o.Text(l.Label)
	}
	if err := d.prepare(); err != nil {
		return nil, err
	}
	d.fit()
	head := newHeader(o, title, "")
	key := newLegend(d.entries(), pageWidth-2*margin)
	bottom := d.place(head.height + key.height() + 14)
	return head.page(bottom, o, func(c *canvas) {
		key.draw(c, point{margin, head.height})
		for i := range d.rows {
			d.drawRow(c, i)
		}
	}), nil
}

// prepare checks the layers and links and assigns links to lanes.
func (d *diagram) prepare() error {
	n := len(d.layers)
	if n == 0 {
		return errors.New("no layers")
	}
	d.splits, d.joins = make([]bool, n), make([]bool, n)
	for i, l := range d.links {
		if l.From < 0 || l.To < l.From || l.To >= n {
			return fmt.Errorf("link %d runs from layer %d to layer %d of %d", i, l.From, l.To, n)
		}
		d.splits[l.From], d.joins[l.To] = true, true
	}
	for i, l := range d.layers {
		if l.Color < 0 {
			return fmt.Errorf("layer %d has the colour %d, want at least 0", i, l.Color)
		}
		k := slices.Index(d.kinds, l.Kind)
		if k < 0 {
			k = len(d.kinds)
			d.kinds = append(d.kinds, l.Kind)
			d.looks = append(d.looks, Style{Color: l.Color})
		}
		d.kind = append(d.kind, k)
	}
	// Short links run below the long ones that pass over them.
	order := make([]int, len(d.links))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return (d.links[a].To - d.links[a].From) - (d.links[b].To - d.links[b].From)
	})
	d.lane = make([]int, len(d.links))
	for i, k := range order {
		var taken []int
		for _, other := range order[:i] {
			a, b := d.links[k], d.links[other]
			if a.From <= b.To && b.From <= a.To {
				taken = append(taken, d.lane[other])
			}
		}
		for slices.Contains(taken, d.lane[k]) {
			d.lane[k]++
		}
	}
	return nil
}

const (
	boxSize     = 12
	smallestBox = 10 // smallest type in a box
	boxStep     = 15 // from line to line in a box
	boxEdge     = 3
)

func boxText(size float64) lettering { return lettering{size: size, colour: ink, align: 0.5} }

// fit finds the width of the boxes: the largest one that needs no more rows than the
// smallest.
func (d *diagram) fit() {
	d.compact = len(d.layers) > mostLabelled
	narrowest, widest := 9.0, 16.0
	d.tall = 34
	d.sizes = sizes{gap: 4, lift: 8, joinRoom: 10, forkRoom: 5, radius: 4, laneStep: 9, pen: 1.2}
	if !d.compact {
		d.sizes = sizes{gap: 14, lift: 8, joinRoom: 17, forkRoom: 8, radius: 7, laneStep: 14, pen: 1.6}
		if slices.ContainsFunc(d.links, func(l Link) bool { return l.Label != "" }) {
			d.lift, d.laneStep = 13, 18
		}
		var labels []string
		for _, l := range d.layers {
			labels = append(labels, l.Label)
		}
		widest = max(40, min(math.Ceil(boxText(boxSize).widest(labels))+14, 110))
		narrowest = widest
		for narrowest > 40 && d.lines(narrowest-1) <= 2 {
			narrowest--
		}
	}
	fewest := 0
	for w := narrowest; w <= widest; w++ {
		rows := d.broken(w)
		if fewest == 0 {
			fewest = len(rows)
		}
		if len(rows) > fewest {
			break
		}
		d.box, d.rows = w, rows
	}
	if !d.compact {
		d.deep = d.lines(d.box)
		d.tall = max(46, float64(d.deep)*boxStep+18)
	}
}

// lines returns the largest number of lines of a label in boxes of the given width, or
// math.MaxInt if a word does not fit.
func (d *diagram) lines(width float64) (most int) {
	for _, l := range d.layers {
		lines, _ := inBox(l.Label, width, 1)
		for _, line := range lines {
			if strings.HasSuffix(line, "…") && !strings.Contains(l.Label, "…") {
				return math.MaxInt
			}
		}
		most = max(most, len(lines))
	}
	return most
}

// inBox breaks a label into lines for a box of the given width, and into no fewer than
// fewest lines if it has that many words. A long word makes the type smaller.
func inBox(s string, width float64, fewest int) ([]string, lettering) {
	look := boxText(boxSize)
	width -= 2 * boxEdge
	longest := look.widest(strings.Fields(clean(s)))
	if longest > width {
		look.size = max(smallestBox, math.Floor(2*boxSize*width/longest)/2)
	}
	lines := look.wrap(s, width)
	for narrow := width; len(lines) < fewest && narrow > longest; narrow-- {
		lines = look.wrap(s, narrow)
	}
	return lines, look
}

// broken breaks the layers into rows, for boxes of the given width.
func (d *diagram) broken(width float64) []row {
	var rows []row
	for first := 0; first < len(d.layers); {
		end, between, grouped := first+1, 0, 0
		for i := first + 1; i <= len(d.layers); i++ {
			if d.span(first, i, width) > pageWidth-2*margin {
				break
			}
			end = i
			if i == len(d.layers) {
				between, grouped = i, i
			} else if d.free(i) {
				between = i
				if d.layers[i-1].Group != d.layers[i].Group {
					grouped = i
				}
			}
		}
		const wellFilled = 0.6
		switch {
		case grouped > 0 && (grouped == len(d.layers) || d.span(first, grouped, width) > wellFilled*(pageWidth-2*margin)):
			end = grouped
		case between > 0:
			end = between
		}
		rows = append(rows, row{first: first, end: end})
		first = end
	}
	return rows
}

// free reports whether no link passes between a layer and its predecessor.
func (d *diagram) free(layer int) bool {
	return !slices.ContainsFunc(d.links, func(l Link) bool { return l.From < layer && l.To >= layer })
}

// before returns the room before a layer, and behind the room after it.
func (d *diagram) before(i int) float64 {
	if d.splits[i] {
		return d.gap/2 + d.forkRoom
	}
	return d.gap / 2
}

func (d *diagram) behind(i int) float64 {
	if d.joins[i] {
		return d.gap/2 + d.joinRoom
	}
	return d.gap / 2
}

// span returns the length of a row of the layers from first up to end.
func (d *diagram) span(first, end int, width float64) (length float64) {
	for i := first; i < end; i++ {
		length += d.before(i) + width + d.behind(i)
	}
	return length + 2*d.gap
}

const (
	bracketHeight = 26
	sizeStep      = 15
	diagramRowGap = 16
)

func sizeText() lettering { return lettering{size: 11, colour: softInk, align: 0.5} }

// place places everything on the page from top down and returns where it ends.
func (d *diagram) place(top float64) (bottom float64) {
	d.x = make([]float64, len(d.layers))
	last := ""
	for r := range d.rows {
		row := &d.rows[r]
		x := margin + d.gap
		row.top = top
		for i := row.first; i < row.end; i++ {
			d.x[i] = x + d.before(i)
			x = d.x[i] + d.box + d.behind(i)
			row.hasBrackets = row.hasBrackets || d.layers[i].Group != ""
		}
		row.right = x
		for i, l := range d.links {
			if l.From < row.end && l.To >= row.first {
				row.lanes = max(row.lanes, d.lane[i]+1)
			}
		}
		if row.hasBrackets {
			top += bracketHeight
		}
		if row.lanes > 0 {
			top += float64(row.lanes)*d.laneStep + d.lift
		}
		row.boxes = top
		top += d.tall + 4
		top += d.placeSizes(row, &last)
		top += diagramRowGap
	}
	return top - diagramRowGap
}

// placeSizes places the sizes below the boxes of a row, on a second line where the first
// has no room, and returns the height of the lines.
func (d *diagram) placeSizes(row *row, last *string) (height float64) {
	text := sizeText()
	var free [2]float64 // where the free part of each line begins
	for i := row.first; i < row.end; i++ {
		size := d.layers[i].Size
		if size == "" || size == *last {
			continue
		}
		half := text.width(size) / 2
		at := d.x[i] + d.box/2
		if d.compact {
			at = d.x[i] + half // starting at this box
		}
		at = max(margin+half, min(at, pageWidth-margin-half))
		for line := range free {
			if at-half < free[line] {
				continue
			}
			*last = size
			free[line] = at + half + 5
			y := row.boxes + d.tall + 4 + float64(line)*sizeStep + text.size
			row.sizesAt = append(row.sizesAt, label{size, point{at, y}})
			height = max(height, float64(line+1)*sizeStep)
			break
		}
	}
	return height
}

// entries returns the legend: the kinds of layers, and the kinds of links.
func (d *diagram) entries() []entry {
	var entries []entry
	for k, kind := range d.kinds {
		entries = append(entries, entry{d.Text(kind), thumbFunc(func(c *canvas, r rect) { d.drawBox(c, r, k) })})
	}
	for _, kind := range [...]struct {
		name       string
		projection bool
	}{{d.Text("identity shortcut"), false}, {d.Text("projection shortcut"), true}} {
		if slices.ContainsFunc(d.links, func(l Link) bool { return l.Projection == kind.projection }) {
			entries = append(entries, entry{kind.name, thumbFunc(func(c *canvas, r rect) {
				y := r.middle().y
				c.line(r.x0, y, r.x1, y, linkPen(1.6, kind.projection))
			})})
		}
	}
	if len(d.links) > 0 {
		entries = append(entries, entry{d.Text("addition"), thumbFunc(func(c *canvas, r rect) {
			drawAddition(c, r.middle(), 6.5, 1.4)
		})})
	}
	return entries
}

func linkPen(width float64, projection bool) stroke {
	pen := stroke{colour: ink, width: width}
	if projection {
		pen.dash = []float64{3.2 * width, 2.2 * width}
	}
	return pen
}

// drawBox draws a box of a kind: tinted if it has a label, else hatched.
func (d *diagram) drawBox(c *canvas, r rect, kind int) {
	pen := d.looks[kind].stroke(kind)
	if d.compact {
		c.hatched(r, pen, Style{}.hatch(kind))
		return
	}
	c.fill(r, mix(pen.colour, white, 0.82))
	c.frame(r.inset(0.8), stroke{colour: pen.colour, width: 1.6})
}

func drawAddition(c *canvas, p point, radius, width float64) {
	c.disc(p, radius+width/2, ink)
	c.disc(p, radius-width/2, white)
	arm := radius * 0.6
	c.line(p.x-arm, p.y, p.x+arm, p.y, stroke{colour: ink, width: width})
	c.line(p.x, p.y-arm, p.x, p.y+arm, stroke{colour: ink, width: width})
}

func (d *diagram) drawRow(c *canvas, r int) {
	row := d.rows[r]
	middle := row.boxes + d.tall/2
	chain := stroke{colour: ink, width: d.pen}
	// The chain continues beyond both ends if there is another row.
	from, to := d.x[row.first]-d.before(row.first)-d.gap, row.right
	if r < len(d.rows)-1 {
		to += d.gap
	}
	for i := row.first; i < row.end; i++ {
		if i > 0 || d.splits[i] {
			c.line(from, middle, d.x[i], middle, chain)
			if !d.compact {
				c.arrow(point{d.x[i], middle}, 1, 0, 6)
			}
		}
		box := rect{d.x[i], row.boxes, d.x[i] + d.box, row.boxes + d.tall}
		d.drawBox(c, box, d.kind[i])
		if !d.compact {
			d.drawLabel(c, d.layers[i].Label, box)
		}
		from = box.x1
	}
	end := row.end - 1
	if d.joins[end] || r < len(d.rows)-1 {
		c.line(from, middle, to, middle, chain)
	}
	for i, l := range d.links {
		d.drawLink(c, row, l, d.lane[i])
	}
	for i := row.first; i < row.end; i++ {
		if d.joins[i] {
			drawAddition(c, d.join(row, i), d.radius, d.pen)
		}
	}
	for _, size := range row.sizesAt {
		c.text(size.text, size.at, sizeText())
	}
	d.drawBrackets(c, row)
}

func (d *diagram) drawLabel(c *canvas, label string, box rect) {
	lines, text := inBox(label, box.width(), d.deep)
	y := box.middle().y - float64(len(lines)-1)*boxStep/2 + text.middle()
	for _, line := range lines {
		c.text(line, point{box.middle().x, y}, text)
		y += boxStep
	}
}

// join returns the place of the addition after a layer, and fork the place before a layer
// where a link begins.
func (d *diagram) join(row row, i int) point {
	return point{d.x[i] + d.box + d.gap/2 + d.joinRoom/2 - 1, row.boxes + d.tall/2}
}

func (d *diagram) fork(row row, i int) point {
	return point{d.x[i] - d.gap/2 - d.forkRoom/2, row.boxes + d.tall/2}
}

// drawLink draws the part of a link that lies in a row.
func (d *diagram) drawLink(c *canvas, row row, l Link, lane int) {
	if l.From >= row.end || l.To < row.first {
		return
	}
	pen := linkPen(d.pen, l.Projection)
	y := row.boxes - d.lift - float64(lane)*d.laneStep
	corner := min(6, d.laneStep/2)
	line := []point{{margin, y}}
	if l.From >= row.first {
		fork := d.fork(row, l.From)
		c.disc(fork, d.pen*1.5, ink)
		line = append([]point{fork}, bend(point{fork.x, y}, corner, 1)...)
	}
	if l.To < row.end {
		join := d.join(row, l.To)
		line = append(line, bend(point{join.x, y}, corner, -1)...)
		line = append(line, point{join.x, join.y - d.radius - d.pen})
	} else {
		line = append(line, point{row.right + d.gap, y})
	}
	c.polyline(line, pen)
	if l.Label != "" && !d.compact {
		text := boxText(boxSize)
		middle := (line[0].x + line[len(line)-1].x) / 2
		label := text.fit(l.Label, line[len(line)-1].x-line[0].x-4*corner)
		half := text.width(label)/2 + 5
		c.fill(rect{middle - half, y - 2, middle + half, y + 2}, white)
		c.text(label, point{middle, y + text.middle()}, text)
	}
	if l.To < row.end {
		join := d.join(row, l.To)
		c.arrow(point{join.x, join.y - d.radius - d.pen/2}, 0, 1, max(4, d.radius*0.8))
	}
}

// bend returns a round corner at p: from below to the right (side 1), or from the left
// downwards (−1).
func bend(p point, radius, side float64) []point {
	var points []point
	for i := range 7 {
		sin, cos := math.Sincos(float64(i) / 6 * math.Pi / 2)
		q := point{p.x + side*radius*(1-cos), p.y + radius*(1-sin)}
		if side < 0 {
			q = point{p.x - radius*(1-sin), p.y + radius*(1-cos)}
		}
		points = append(points, q)
	}
	return points
}

// arrow draws an arrowhead with its tip at p, pointing in the direction dx, dy.
func (c *canvas) arrow(p point, dx, dy, length float64) {
	back := point{p.x - dx*length, p.y - dy*length}
	half := length * 0.5
	c.polygon([]point{p, {back.x - dy*half, back.y + dx*half}, {back.x + dy*half, back.y - dx*half}}, ink)
}

// drawBrackets draws a bracket over each run of layers of one group.
func (d *diagram) drawBrackets(c *canvas, row row) {
	text := lettering{size: tickSize, colour: ink, bold: true, align: 0.5}
	for first := row.first; first < row.end; {
		end := first + 1
		for end < row.end && d.layers[end].Group == d.layers[first].Group {
			end++
		}
		if name := d.layers[first].Group; name != "" {
			x0, x1 := d.x[first], d.x[end-1]+d.box
			y := row.top + tickSize + 5
			c.polyline([]point{{x0, y + 5}, {x0, y}, {x1, y}, {x1, y + 5}}, axisPen())
			c.text(text.fit(name, x1-x0+d.gap), point{(x0 + x1) / 2, row.top + tickSize*0.85}, text)
		}
		first = end
	}
}
