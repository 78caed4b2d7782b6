package figure

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Bar is one bar of a figure of [Bars].
type Bar struct {
	// Name stands under the bar.
	Name string
	// Value is its height. A NaN or an infinity has no bar and is called n/a.
	Value float64
	// Label stands above the bar; "" is for the value in three digits, or in percent.
	Label string
	// Note is a second, smaller line under the name: "2015 · 152 layers".
	Note string
	// Group is what the bar belongs to in a figure that compares several: the name of a
	// network, say, where Name is that of a block. Bars of one Name stand side by side, one
	// of each Group, and a legend lists the groups.
	Group string
	// Style is the look of the bar. The zero Style takes colour and pattern from the place
	// of its group among the groups. A Dash is a pattern of stripes, and Thin an outline
	// around a light ground.
	Style Style
}

// Bars draws vertical bars from 0, with names under them and values above. Many narrow
// ones have their names and values turned. [LogY] has no effect: a bar has to begin at 0.
func Bars(title, yLabel string, bars []Bar, opts ...Option) (*Figure, error) {
	f, err := newBars(title, yLabel, bars, opts)
	if err != nil {
		return nil, fmt.Errorf("bars %q: %w", title, err)
	}
	return f, nil
}

// barChart is bars laid out, by column and by place in the column.
type barChart struct {
	panel
	bars   []Bar // in a column one after the other, or each in its own
	column []int // of each bar
	place  []int // of its group
	names  []string
	notes  []string
	groups []entry
	step   float64   // from column to column
	pitch  float64   // from bar to bar in a column
	texts  []string  // above the bars
	values lettering // of the texts; of size 0 where there are none
	o      options
}

func newBars(title, yLabel string, bars []Bar, opts []Option) (*Figure, error) {
	o, err := gather(opts)
	if err != nil {
		return nil, err
	}
	o.logY = false
	b := barChart{bars: slices.Clone(bars), o: o}
	if err := b.arrange(); err != nil {
		return nil, err
	}
	// The numbers of the axis take about the same room whatever the labels above the bars
	// make of its end.
	y, err := b.yAxis(0)
	if err != nil {
		return nil, err
	}
	tickText := lettering{size: tickSize, colour: softInk}
	head := newHeader(title, "", pageWidth)
	left := math.Round(margin + labelSize*leading + 6 + widestTick(tickText, y.ticks) + 8)
	b.plot.x0, b.plot.x1 = left, pageWidth-rightEdge
	b.x = axis{low: 0.5, high: float64(len(b.names)) + 0.5}
	b.step = b.plot.width() / float64(len(b.names))
	b.pitch = min(0.76*b.step/float64(max(1, len(b.groups))), 72)
	room := b.fitValues()
	if y, err = b.yAxis(room); err != nil {
		return nil, err
	}
	b.legend = newLegend(b.groups, b.plot.width())
	b.plot.y0 = head.height + b.legend.height() + 10 + b.beyond(y, room)
	b.plot.y1 = b.plot.y0 + plotHeight
	below := namesBelow(b.names, b.step)
	notes, bottom := b.fitNotes(&below)
	foot := newFooter(o.caption, pageWidth)
	height := math.Ceil(bottom + 8 + foot.height)

	draw := func(c *canvas) {
		head.draw(c)
		b.legend.draw(c, point{left, head.height})
		b.drawGrid(c, y)
		b.drawYTicks(c, y, tickText)
		for i := range b.bars {
			b.clearValue(c, i, y)
		}
		for i := range b.bars {
			b.drawBar(c, i, y)
		}
		for i := range b.bars {
			b.drawValue(c, i, y)
		}
		b.drawFrame(c)
		if y.low < 0 && y.high > 0 {
			zero := b.plot.y1 - y.part(0)*plotHeight
			c.line(b.plot.x0, zero, b.plot.x1, zero, axisPen())
		}
		below.draw(c, b.panel)
		for i, lines := range notes {
			for k, line := range lines {
				at := b.plot.y1 + 8 + tickSize*leading + float64(k)*noteStep
				c.text(line, point{b.middle(i), at + noteSize*0.9}, noteUnder())
			}
		}
		label := lettering{size: labelSize, colour: ink, align: 0.5, turned: true}
		c.text(label.fit(yLabel, plotHeight), point{margin + labelSize, (b.plot.y0 + b.plot.y1) / 2}, label)
		foot.draw(c, height)
	}
	return &Figure{width: pageWidth, height: height, draw: draw}, nil
}

const noteStep = 15 // from line to line of the notes under the names

func noteUnder() lettering { return lettering{size: 11.5, colour: softInk, align: 0.5} }

// arrange checks the bars and finds the column of each and the groups.
func (b *barChart) arrange() error {
	if len(b.bars) == 0 {
		return errors.New("no bars")
	}
	grouped := slices.ContainsFunc(b.bars, func(bar Bar) bool { return bar.Group != "" })
	columns, places := map[string]int{}, map[string]int{}
	taken := map[[2]int]bool{}
	for _, bar := range b.bars {
		if !bar.Style.valid() {
			return fmt.Errorf("%q has no such style: %+v", bar.Name, bar.Style)
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
				swatch := func(c *canvas, r rect) { c.pattern(r, bar.Style.stroke(place), bar.Style.pattern(place)) }
				b.groups = append(b.groups, entry{bar.Group, swatch})
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

// yAxis returns the axis that holds the bars, from 0, and room pixels for what is written
// beyond their ends.
func (b *barChart) yAxis(room float64) (axis, error) {
	e := extent{0, 0, true}
	some := false
	for _, bar := range b.bars {
		if drawable(bar.Value) {
			e.include(bar.Value)
			some = true
		}
	}
	switch {
	case !some:
		return axis{}, errors.New("nothing to draw: no bar has a finite value")
	case b.o.rangeSet:
		e.low, e.high = b.o.yLow, b.o.yTop
	case e.high-e.low < smallest:
		e.high = 1 // all are 0
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
	y := axis{low: e.low, high: e.high}
	y.ticks = linearTicks(y.low, y.high, plotHeight/55, false, b.o.percent)
	return y, nil
}

// fitValues finds the lettering of the values: as large as the bars are wide, and turned
// where they are narrow. It returns how much room a value takes above its bar. Bars too
// narrow even for turned values have none.
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

// valueTexts returns what stands above the bars. Percentages all have a decimal if one
// of them needs it.
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
			texts[i] = bar.Label
		case !drawable(bar.Value):
			texts[i] = "n/a"
		case b.o.percent:
			texts[i] = strings.ReplaceAll(strconv.FormatFloat(100*bar.Value, 'f', decimals, 64), "-", "−") + "%"
		default:
			texts[i] = threeDigits(bar.Value)
		}
	}
	return texts
}

// threeDigits writes v with as many decimals as three digits take, no zeros at the end.
func threeDigits(v float64) string {
	if v == 0 {
		return "0"
	}
	magnitude := math.Abs(v)
	if magnitude >= 1e7 || magnitude < 1e-3 {
		return strings.ReplaceAll(strconv.FormatFloat(v, 'g', 3, 64), "-", "−")
	}
	decimals := max(0, 2-int(math.Floor(math.Log10(magnitude))))
	s := strconv.FormatFloat(v, 'f', decimals, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return strings.ReplaceAll(s, "-", "−")
}

// fitNotes breaks the notes to lines under the names, or appends them to names that are
// turned, and returns where both end.
func (b *barChart) fitNotes(below *names) (notes [][]string, bottom float64) {
	if below.turned {
		texts := make([]string, len(b.names))
		for i, name := range b.names {
			texts[i] = name
			if b.notes[i] != "" {
				texts[i] += " · " + b.notes[i]
			}
		}
		*below = namesBelow(texts, b.step)
		return nil, b.plot.y1 + 8 + below.width
	}
	lines := 0
	for _, note := range b.notes {
		notes = append(notes, noteUnder().wrap(note, b.step-6))
		lines = max(lines, len(notes[len(notes)-1]))
	}
	return notes, b.plot.y1 + 8 + tickSize*leading + float64(lines)*noteStep
}

// middle returns where the middle of a column is.
func (b *barChart) middle(column int) float64 { return b.plot.x0 + (float64(column)+0.5)*b.step }

// across returns where the middle of a bar is.
func (b *barChart) across(i int) float64 {
	return b.middle(b.column[i]) + (float64(b.place[i])-float64(max(1, len(b.groups))-1)/2)*b.pitch
}

// ends returns where a bar begins and where it ends.
func (b *barChart) ends(i int, y axis) (base, end float64) {
	at := func(v float64) float64 { return b.plot.y1 - y.part(max(y.low, min(v, y.high)))*plotHeight }
	if v := b.bars[i].Value; drawable(v) {
		return at(0), at(v)
	}
	return at(0), at(0)
}

func (b *barChart) drawBar(c *canvas, i int, y axis) {
	base, end := b.ends(i, y)
	half := b.pitch / 2
	if len(b.groups) > 1 {
		half -= min(1.5, 0.08*b.pitch)
	}
	if end != base {
		look, at := b.bars[i].Style, b.across(i)
		c.pattern(rect{at - half, min(base, end), at + half, max(base, end)}, look.stroke(b.place[i]), look.pattern(b.place[i]))
	}
}

// beyond returns how far the values stand out above the axes, where the range of the axis
// was not chosen for them. room is what a value takes.
func (b *barChart) beyond(y axis, room float64) (most float64) {
	for i, bar := range b.bars {
		if _, end := b.ends(i, y); !(bar.Value < 0) {
			most = max(most, room-4-(end-b.plot.y1+plotHeight))
		}
	}
	return most
}

// valueBox is the area that a bar's value takes.
func (b *barChart) valueBox(i int, y axis) rect {
	_, end := b.ends(i, y)
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

// clearValue takes the lines of the grid out from under a value.
func (b *barChart) clearValue(c *canvas, i int, y axis) {
	if b.values.size > 0 {
		r := b.valueBox(i, y)
		c.fill(rect{r.x0 - 2, r.y0 - 2, r.x1 + 2, r.y1 + 2}, white)
	}
}

func (b *barChart) drawValue(c *canvas, i int, y axis) {
	if b.values.size == 0 {
		return
	}
	r := b.valueBox(i, y)
	if b.values.turned {
		c.text(b.fitted(i), point{r.x1, r.y1}, b.values)
		return
	}
	c.text(b.fitted(i), point{(r.x0 + r.x1) / 2, r.y1}, b.values)
}

// pattern is how an area is fullFill.
type pattern int

const (
	fullFill      pattern = iota
	risingStripes         // stripes
	fallingStripes
	crossedStripes
	lightFill
)

// pattern returns the pattern for the bars of a group at index i.
func (s Style) pattern(i int) pattern {
	if s == (Style{Marker: s.Marker}) {
		s.Dash = Dash(i % 4)
	}
	if s.Thin {
		return lightFill
	}
	return [...]pattern{Solid: fullFill, Dashed: risingStripes, Dotted: crossedStripes, DashDotted: fallingStripes}[s.Dash]
}

// pattern fills r in the colour of pen.
func (c *canvas) pattern(r rect, pen stroke, p pattern) {
	if p == fullFill {
		c.fill(r, pen.colour)
		return
	}
	c.fill(r, mix(pen.colour, white, 0.8))
	const apart = 6
	stripe := stroke{colour: pen.colour, width: 1.4}
	inside := rect{r.x0 + 1, min(r.y0+1, r.y1), r.x1 - 1, max(r.y1-1, r.y0)}
	// Stripes begin at multiples of their distance, so that those of neighbours line up.
	for x := math.Floor((r.x0-r.height())/apart) * apart; x < r.x1+r.height() && p != lightFill; x += apart {
		if p == risingStripes || p == crossedStripes {
			c.clipped([]point{{x, r.y1}, {x + r.height(), r.y0}}, stripe, inside)
		}
		if p == fallingStripes || p == crossedStripes {
			c.clipped([]point{{x, r.y0}, {x + r.height(), r.y1}}, stripe, inside)
		}
	}
	edge := rect{r.x0 + 0.75, min(r.y0+0.75, r.y1), r.x1 - 0.75, max(r.y1-0.75, r.y0)}
	c.frame(edge, stroke{colour: pen.colour, width: 1.5})
}
