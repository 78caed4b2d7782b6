package figure

import (
	"errors"
	"fmt"
	"slices"
)

// Module is a part of a network for [Modules]: its input goes through branches side by side,
// whose outputs become one.
type Module struct {
	// Title is written above the module.
	Title string
	// Input and Output are shapes: "28×28×192".
	Input, Output string
	// Branches are the branches, each with its layers from the input on. A branch without
	// layers is the identity.
	Branches [][]DiagramLayer
	// Concatenate joins the outputs of the branches along the channels. Otherwise they are
	// added.
	Concatenate bool
}

// Modules draws modules side by side, each from its input at the top to its output at the
// bottom. Of a layer, Kind and Label are drawn.
func Modules(title string, modules []Module, opts ...Option) (*Figure, error) {
	modules = slices.Clone(modules)
	for i := range modules {
		modules[i].Branches = clonedRows(modules[i].Branches)
	}
	return drawn(fmt.Sprintf("modules %q", title), opts, func(o options) (*Figure, error) { return newModules(title, modules, o) })
}

// Lengths in a drawing of modules.
const (
	moduleGap    = 26 // between modules
	branchGap    = 12
	widestBranch = 130
	moduleBox    = 34 // height of a box
	moduleStep   = 54 // from one box to the next
	moduleFork   = 26 // from the input to the first boxes
	joinHeight   = 22
)

// moduleDrawing is the layout of modules.
type moduleDrawing struct {
	options
	modules []Module
	kinds   []string
	branch  float64   // width of a branch
	left    []float64 // of each module
	top     float64   // of the titles
	deep    int       // layers of the longest branch
}

func newModules(title string, modules []Module, o options) (*Figure, error) {
	if len(modules) == 0 {
		return nil, errors.New("no modules")
	}
	d := &moduleDrawing{options: o, modules: modules}
	branches, gaps := 0, float64(len(modules)-1)*moduleGap
	for i, m := range modules {
		if len(m.Branches) == 0 {
			return nil, fmt.Errorf("module %d, %q, has no branches", i, m.Title)
		}
		branches += len(m.Branches)
		gaps += float64(len(m.Branches)-1) * branchGap
		for _, b := range m.Branches {
			d.deep = max(d.deep, len(b))
			for _, l := range b {
				if !slices.Contains(d.kinds, l.Kind) {
					d.kinds = append(d.kinds, l.Kind)
				}
			}
		}
	}
	const room = pageWidth - 2*margin
	d.branch = (room - gaps) / float64(branches)
	if d.branch < 40 {
		return nil, fmt.Errorf("%d branches are too many to draw side by side", branches)
	}
	d.branch = min(d.branch, widestBranch)
	x := margin + (room-gaps-float64(branches)*d.branch)/2
	for _, m := range modules {
		d.left = append(d.left, x)
		x += d.width(m) + moduleGap
	}
	head := newHeader(o, title, "")
	key := newLegend(d.entries(), room)
	d.top = head.height + key.height() + 12
	bottom := d.joint() + joinHeight + 2*sizeStep + 8
	return head.page(bottom, o, func(c *canvas) {
		key.draw(c, point{margin, head.height})
		for i := range modules {
			d.draw(c, i)
		}
	}), nil
}

func (d *moduleDrawing) width(m Module) float64 {
	n := float64(len(m.Branches))
	return n*d.branch + (n-1)*branchGap
}

// fork is where the branches begin, and joint the upper edge of what joins them.
func (d *moduleDrawing) fork() float64  { return d.top + headSize*leading + sizeStep + 14 }
func (d *moduleDrawing) joint() float64 { return d.fork() + moduleFork + float64(d.deep)*moduleStep }

// entries returns the legend: the kinds of layers, and what joins branches.
func (d *moduleDrawing) entries() []entry {
	var entries []entry
	for k, kind := range d.kinds {
		entries = append(entries, entry{d.Text(kind), thumbFunc(func(c *canvas, r rect) { drawKind(c, r, k) })})
	}
	if slices.ContainsFunc(d.modules, func(m Module) bool { return !m.Concatenate }) {
		entries = append(entries, entry{d.Text("addition"), thumbFunc(func(c *canvas, r rect) { drawAddition(c, r.middle(), 6.5, 1.4) })})
	}
	return entries
}

// drawKind draws the box of a layer of the kind at index k.
func drawKind(c *canvas, r rect, k int) {
	pen := Style{}.stroke(k)
	c.fill(r, mix(pen.colour, white, 0.82))
	c.frame(r.inset(0.8), stroke{colour: pen.colour, width: 1.6})
}

func (d *moduleDrawing) drawLayer(c *canvas, l DiagramLayer, r rect) {
	drawKind(c, r, slices.Index(d.kinds, l.Kind))
	lines, text := inBox(d.Text(l.Label), r.width(), 1)
	y := r.middle().y - float64(len(lines)-1)*boxStep/2 + text.middle()
	for _, line := range lines {
		c.text(line, point{r.middle().x, y}, text)
		y += boxStep
	}
}

func (d *moduleDrawing) draw(c *canvas, i int) {
	m, pen := d.modules[i], stroke{colour: ink, width: 1.6}
	left, right := d.left[i], d.left[i]+d.width(d.modules[i])
	middle := (left + right) / 2
	head := headText()
	head.align = 0.5
	c.text(head.fit(d.Text(m.Title), right-left+moduleGap/2), point{middle, d.top + headSize}, head)

	fork, joint := d.fork(), d.joint()
	c.text(d.Text(m.Input), point{middle, fork - 8}, sizeText())
	split := fork + moduleFork/2 - 3
	c.line(middle, fork-3, middle, split, pen)
	first, last := d.across(i, 0), d.across(i, len(m.Branches)-1)
	if len(m.Branches) > 1 {
		c.line(first, split, last, split, pen)
		c.disc(point{middle, split}, 2.4, ink)
	}
	gather := joint - 12 // where the branches come together before an addition
	for k, branch := range m.Branches {
		x, from := d.across(i, k), split
		for j, layer := range branch {
			top := fork + moduleFork + float64(j)*moduleStep
			c.line(x, from, x, top, pen)
			c.arrow(point{x, top}, 0, 1, 6)
			box := rect{x - d.branch/2, top, x + d.branch/2, top + moduleBox}
			d.drawLayer(c, layer, box)
			from = box.y1
		}
		if m.Concatenate {
			c.line(x, from, x, joint, pen)
			c.arrow(point{x, joint}, 0, 1, 6)
		} else {
			c.line(x, from, x, gather, pen)
		}
		if len(branch) == 0 {
			text := boxText(boxSize)
			half := text.width(d.Text("identity"))/2 + 4
			y := (split + joint) / 2
			c.fill(rect{x - half, y - 9, x + half, y + 9}, white)
			c.text(d.Text("identity"), point{x, y + text.middle()}, text)
		}
	}
	from := joint + joinHeight
	if m.Concatenate {
		box := rect{left, joint, right, from}
		c.fill(box, white)
		c.frame(box.inset(0.8), pen)
		text := boxText(boxSize)
		c.text(d.Text("joined along the channels"), point{middle, box.middle().y + text.middle()}, text)
	} else {
		c.line(first, gather, last, gather, pen)
		c.line(middle, gather, middle, joint+3, pen)
		c.arrow(point{middle, joint + 3}, 0, 1, 6)
		drawAddition(c, point{middle, joint + 11}, 7, 1.6)
		from = joint + 18.8
	}
	c.line(middle, from, middle, from+14, pen)
	c.arrow(point{middle, from + 14}, 0, 1, 6)
	c.text(d.Text(m.Output), point{middle, from + 14 + sizeStep}, sizeText())
}

// across returns the x coordinate of the middle of a branch.
func (d *moduleDrawing) across(module, branch int) float64 {
	return d.left[module] + d.branch/2 + float64(branch)*(d.branch+branchGap)
}
