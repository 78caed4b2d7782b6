package figure

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg/draw"
)

// Bar is one bar of a figure made by [Bars].
type Bar struct {
	// Name is written below the bar.
	Name string
	// Value is the height of the bar. A NaN or an infinity has no bar and is labelled n/a.
	Value float64
	// Low and High are the ends of the range of repeated measurements, drawn as a thin line
	// unless they are equal.
	Low, High float64
	// Before, if not 0, is the value that this one is to be compared with: that of the step before in a
	// series of improvements. What is gained stands in full colour on a pale bar; what is lost is a
	// dashed outline.
	Before float64
	// Label is written above the bar; "" writes the value, in three digits or in percent.
	Label string
	// Note is a second, smaller line below the name: "2015 · 152 layers".
	Note string
	// Group names the series that the bar belongs to, where a figure compares several: the
	// network, say, where Name is one of its blocks. Bars of one Name stand side by side,
	// one for each Group, and a legend lists the groups.
	Group string
	// Style is the look of the bar. The zero Style takes colour and hatching from the index
	// of the group. A Dash chooses a hatching, and Thin an outline around a tint.
	Style Style
}

// Bars draws vertical bars that start at 0, with their names below and their values above.
// Where bars are many and narrow, names and values are turned. [LogY] has no effect,
// because a logarithmic axis has no 0 to start from.
func Bars(title, yLabel string, bars []Bar, opts ...Option) (*Figure, error) {
	bars = slices.Clone(bars)
	return drawn(fmt.Sprintf("bars %q", title), opts, func(o options) (*Figure, error) { return newBars(title, yLabel, bars, o) })
}

// ranged reports whether the bar has a range.
func (b Bar) ranged() bool { return drawable(b.Low) && drawable(b.High) && b.Low < b.High }

// compared reports whether the bar shows the difference from a value.
func (b Bar) compared() bool { return b.Before != 0 && drawable(b.Before) && drawable(b.Value) }

// barChart is the layout of bars in columns, one column for each name. Coordinates are
// relative to the upper left corner of the axes.
type barChart struct {
	bars   []Bar
	column []int // of each bar
	place  []int // of each bar: the index of its group
	names  []string
	notes  []string
	groups []entry

	y      *plot.Axis
	step   float64   // from column to column
	pitch  float64   // from bar to bar in a column
	texts  []string  // above the bars
	values lettering // of the texts; size 0 if there is no room for them
	o      options
}

func newBars(title, yLabel string, bars []Bar, o options) (*Figure, error) {
	p := newPlot("", o.Text(yLabel))
	b := &barChart{bars: bars, y: &p.Y, o: o}
	if err := b.group(); err != nil {
		return nil, err
	}
	b.names, b.notes = o.all(b.names), o.all(b.notes)
	columns := float64(len(b.names))
	setScale(&p.X, 0.5, columns+0.5, false, []plot.Tick{{Value: 1, Label: "0"}})
	panels := []panel{{Plot: p, entries: b.entries()}}
	head := newHeader(o, title, "")
	layOut := func() (bottom float64) {
		return arrange(panels, 1, head.height, pageWidth-margin,
			func(room float64) (width, height float64) { return math.Floor(room), plotHeight })
	}
	// The room for the values above the bars hardly changes how wide the numbers beside the
	// axis are, so the width of the axes can be found first.
	if err := b.fitY(0); err != nil {
		return nil, err
	}
	layOut()
	b.step = panels[0].axes.width() / columns
	b.pitch = min(0.76*b.step/float64(max(1, len(b.groups))), 72)
	room := b.fitValues()
	if err := b.fitY(room); err != nil {
		return nil, err
	}
	panels[0].headroom = b.beyond(room)
	below := namesBelow(b.names, b.step)
	notes, lines := b.fitNotes(&below)
	below.label(&p.X)
	p.Add(grid(p.Y.Tick.Marker), drawFunc(b.draw), openFrame)
	bottom := layOut() + 6 + float64(lines)*noteStep

	return head.page(bottom, o, func(c *canvas) {
		axes := panels[0].axes
		panels[0].draw(c)
		for i, note := range notes {
			for k, line := range note {
				at := axes.y1 + 7 + tickSize*leading + float64(k)*noteStep
				c.text(line, point{axes.x0 + b.middle(i), at + noteSize*0.9}, noteUnder())
			}
		}
	}), nil
}

const noteStep = 15 // from line to line of the notes below the names

func noteUnder() lettering { return lettering{size: 11.5, colour: softInk, align: 0.5} }

// group checks the bars and finds the column of each and the groups.
func (b *barChart) group() error {
	if len(b.bars) == 0 {
		return errors.New("no bars")
	}
	grouped := slices.ContainsFunc(b.bars, func(bar Bar) bool { return bar.Group != "" })
	columns, places := map[string]int{}, map[string]int{}
	taken := map[[2]int]bool{}
	for _, bar := range b.bars {
		if !bar.Style.valid() {
			return fmt.Errorf("%q: unknown style %+v", bar.Name, bar.Style)
		}
		column, known := columns[bar.Name]
		if !known || !grouped {
			column = len(b.names)
			columns[bar.Name] = column
			b.names, b.notes = append(b.names, bar.Name), append(b.notes, bar.Note)
		}
		if b.notes[column] == "" {
			b.notes[column] = bar.Note
		}
		place, known := places[bar.Group]
		if !known {
			place = len(places)
			places[bar.Group] = place
			if grouped {
				b.groups = append(b.groups, entry{b.o.Text(bar.Group), thumbFunc(func(c *canvas, r rect) {
					c.hatched(r, bar.Style.stroke(place), bar.Style.hatch(place))
				})})
			}
		}
		at := [2]int{column, place}
		if taken[at] {
			return fmt.Errorf("two bars named %q in group %q", bar.Name, bar.Group)
		}
		taken[at] = true
		b.column, b.place = append(b.column, column), append(b.place, place)
	}
	return nil
}

// fitY sets the y axis: it includes 0 and all bars, and leaves room, in CSS pixels, for the
// values beyond their ends.
func (b *barChart) fitY(room float64) error {
	e := extent{0, 0, true}
	some := false
	for _, bar := range b.bars {
		if drawable(bar.Value) {
			e.include(bar.Value)
			some = true
		}
		if bar.ranged() {
			e.include(bar.Low)
			e.include(bar.High)
		}
		if bar.compared() {
			e.include(bar.Before)
		}
	}
	if b.o.reference != nil {
		e.include(b.o.reference.value)
	}
	switch {
	case !some:
		return errors.New("nothing to draw: no bar has a finite value")
	case b.o.rangeSet:
		e.low, e.high = b.o.yLow, b.o.yTop
	case e.high-e.low < smallest:
		e.high = 1 // all values are 0
	default:
		ends := 0.0
		for _, v := range [...]float64{e.low, e.high} {
			if v != 0 {
				ends++
			}
		}
		unit := (e.high - e.low) / (plotHeight - ends*room)
		if e.low != 0 {
			e.low -= room * unit
		}
		if e.high != 0 {
			e.high += room * unit
		}
	}
	setScale(b.y, e.low, e.high, false, linearTicks(e.low, e.high, plotHeight/55, false, b.o.percent))
	return nil
}

// fitValues chooses the lettering of the values: as large as the width of the bars allows,
// and turned where they are narrow. It returns the room that a value needs above its bar.
// If the bars are too narrow even for turned values, none are written.
func (b *barChart) fitValues() (room float64) {
	b.texts = b.valueTexts()
	wide := b.pitch
	if len(b.groups) < 2 {
		wide = b.step
	}
	for size := float64(tickSize); size >= 10; size -= 0.5 {
		b.values = lettering{size: size, colour: ink, align: 0.5}
		if b.values.widest(b.texts)+6 <= wide {
			return size + 12
		}
	}
	b.values = lettering{size: min(11.5, wide), colour: ink, turned: true}
	if b.values.size < 9 {
		b.values = lettering{}
		return 12
	}
	return min(b.values.widest(b.texts), longestName) + 14
}

// valueTexts returns the texts above the bars. If one percentage needs a decimal, all have
// one.
func (b *barChart) valueTexts() []string {
	decimals := 0
	for _, bar := range b.bars {
		if v := 100 * bar.Value; drawable(v) && math.Abs(v-math.Round(v)) >= 0.05 {
			decimals = 1
		}
	}
	texts := make([]string, len(b.bars))
	for i, bar := range b.bars {
		switch {
		case bar.Label != "":
			texts[i] = b.o.Text(bar.Label)
		case !drawable(bar.Value):
			texts[i] = "n/a"
		case b.o.percent:
			texts[i] = minus(strconv.FormatFloat(100*bar.Value, 'f', decimals, 64)) + "%"
		default:
			texts[i] = threeDigits(bar.Value)
		}
	}
	return texts
}

// fitNotes breaks the notes into lines below the names, or appends them to names that are
// turned. It returns the notes of every column and the number of lines of the longest.
func (b *barChart) fitNotes(below *names) (notes [][]string, lines int) {
	if below.turned {
		texts := slices.Clone(b.names)
		for i, note := range b.notes {
			if note != "" {
				texts[i] += " · " + note
			}
		}
		*below = namesBelow(texts, b.step)
		return nil, 0
	}
	for _, note := range b.notes {
		notes = append(notes, noteUnder().wrap(note, b.step-6))
		lines = max(lines, len(notes[len(notes)-1]))
	}
	return notes, lines
}

// middle returns the x coordinate of the centre of a column.
func (b *barChart) middle(column int) float64 { return (float64(column) + 0.5) * b.step }

// across returns the x coordinate of the centre of a bar.
func (b *barChart) across(i int) float64 {
	return b.middle(b.column[i]) + (float64(b.place[i])-float64(max(1, len(b.groups))-1)/2)*b.pitch
}

// at returns the y coordinate of a value, or of the nearer end of the axis if the value is
// outside.
func (b *barChart) at(v float64) float64 {
	return (1 - b.y.Norm(max(b.y.Min, min(v, b.y.Max)))) * plotHeight
}

// ends returns the y coordinates of the two ends of a bar, the base first.
func (b *barChart) ends(i int) (base, end float64) {
	if v := b.bars[i].Value; drawable(v) {
		return b.at(0), b.at(v)
	}
	return b.at(0), b.at(0)
}

// tip returns the y coordinate of the end of a bar or, if it is further out, of the end of
// its range or of its outline.
func (b *barChart) tip(i int) float64 {
	_, end := b.ends(i)
	bar := b.bars[i]
	if bar.compared() && (bar.Value < 0) == (bar.Before < bar.Value) {
		end = b.at(bar.Before) // of the outline
	}
	switch {
	case !bar.ranged():
		return end
	case bar.Value < 0:
		return max(end, b.at(bar.Low))
	default:
		return min(end, b.at(bar.High))
	}
}

// beyond returns how far values extend above the axes, which happens if [YRange] leaves them
// no room.
func (b *barChart) beyond(room float64) (most float64) {
	for i, bar := range b.bars {
		if !(bar.Value < 0) {
			most = max(most, room-4-b.tip(i))
		}
	}
	return most
}

// draw draws the bars and their values into axes.
func (b *barChart) draw(axes draw.Canvas, _ *plot.Plot) {
	c := &canvas{axes}
	for i := range b.bars {
		b.drawBar(c, i)
	}
	if b.y.Min < 0 && b.y.Max > 0 {
		c.line(0, b.at(0), c.area().x1, b.at(0), axisPen())
	}
	if r := b.o.reference; r != nil {
		c.clipped([]point{{0, b.at(r.value)}, {c.area().x1, b.at(r.value)}}, referencePen(), c.area())
	}
	for i := range b.bars {
		b.drawValue(c, i)
	}
}

func referencePen() stroke { return stroke{colour: ink, width: 1.6, dash: []float64{6, 4}} }

// entries returns the legend: the groups and the reference.
func (b *barChart) entries() []entry {
	if b.o.reference == nil {
		return b.groups
	}
	return append(slices.Clone(b.groups), entry{b.o.Text(b.o.reference.name), thumbFunc(func(c *canvas, r rect) {
		c.line(r.x0, r.middle().y, r.x1, r.middle().y, referencePen())
	})})
}

func (b *barChart) drawBar(c *canvas, i int) {
	base, end := b.ends(i)
	half := b.pitch / 2
	if len(b.groups) > 1 {
		half -= min(1.5, 0.08*b.pitch)
	}
	bar := b.bars[i]
	part := func(from, to float64) rect {
		return rect{b.across(i) - half, min(from, to), b.across(i) + half, max(from, to)}
	}
	pen, hatch := bar.Style.stroke(b.place[i]), bar.Style.hatch(b.place[i])
	switch before := b.at(bar.Before); {
	case bar.compared() && math.Abs(before-base) < math.Abs(end-base):
		c.fill(part(base, before), mix(pen.colour, white, 0.8))
		c.hatched(part(before, end), pen, hatch)
	case bar.compared():
		c.fill(part(base, end), mix(pen.colour, white, 0.8))
		lost := part(end, before)
		c.line(lost.x0, lost.y1, lost.x1, lost.y1, stroke{colour: pen.colour, width: 1.6})
		outline := stroke{colour: pen.colour, width: 1, dash: []float64{3, 2}}
		c.line(lost.x0, lost.y0, lost.x1, lost.y0, outline)
		c.line(lost.x0, lost.y0, lost.x0, lost.y1, outline)
		c.line(lost.x1, lost.y0, lost.x1, lost.y1, outline)
	case end != base:
		c.hatched(part(base, end), pen, hatch)
	}
	if bar.ranged() {
		c.line(b.across(i), b.at(bar.Low), b.across(i), b.at(bar.High), stroke{colour: ink, width: 1})
	}
}

func (b *barChart) drawValue(c *canvas, i int) {
	if b.values.size == 0 {
		return
	}
	r := b.valueBox(i)
	c.fill(r.inset(-2), white) // so that no line runs through the value
	at := point{r.middle().x, r.y1}
	if b.values.turned {
		at.x = r.x1
	}
	c.text(b.fitted(i), at, b.values)
}

// valueBox returns the area of the value above or below a bar.
func (b *barChart) valueBox(i int) rect {
	end := b.tip(i)
	wide, high := b.values.width(b.fitted(i)), b.values.size*0.72
	if b.values.turned {
		wide, high = high, wide
	}
	at := b.across(i)
	if b.bars[i].Value < 0 {
		return rect{at - wide/2, end + 6, at + wide/2, end + 6 + high}
	}
	return rect{at - wide/2, end - 6 - high, at + wide/2, end - 6}
}

func (b *barChart) fitted(i int) string { return b.values.fit(b.texts[i], longestName) }
