package figure

// names is how the names of rows or columns fit along an axis.
type names struct {
	texts  []string
	look   lettering
	turned bool
	every  int     // only every second, third … where all do not fit
	width  float64 // of the widest
}

const (
	longestName  = 150
	smallestName = 10.5
)

// namesBelow fits names, step apart, under a horizontal axis: in somewhat smaller type if
// they are too wide, or turned.
func namesBelow(texts []string, step float64) names {
	n := namesBeside(texts, step)
	for size := float64(tickSize); size >= smallestName; size -= 0.5 {
		upright := lettering{size: size, colour: softInk}
		if widest := upright.widest(texts); widest+4 <= step {
			return names{texts: texts, look: upright, every: 1, width: widest}
		}
	}
	n.turned = true
	return n
}

// namesBeside fits names, step apart, beside a vertical axis.
func namesBeside(texts []string, step float64) names {
	n := names{every: 1, look: lettering{size: tickSize, colour: softInk}}
	for _, s := range texts {
		n.texts = append(n.texts, n.look.fit(s, longestName))
	}
	n.width = n.look.widest(n.texts)
	for float64(n.every)*step < n.look.size*1.05 {
		n.every++
	}
	return n
}

func (ch chart) categoryNames(width float64) names {
	if ch.categories == nil {
		return names{}
	}
	return namesBelow(ch.categories, width/float64(len(ch.categories)))
}

// draw writes the names under a panel.
func (n names) draw(c *canvas, p panel) {
	for i, s := range n.texts {
		at := p.plot.x0 + p.x.part(float64(i+1))*p.plot.width()
		if i%n.every == 0 {
			c.line(at, p.plot.y1, at, p.plot.y1+5, axisPen())
			n.write(c, s, at, p.plot.y1+8)
		}
	}
}

// write writes one name below the point (x, top).
func (n names) write(c *canvas, s string, x, top float64) {
	text := n.look
	if n.turned {
		text.align, text.turned = 1, true
		c.text(s, point{x + text.middle(), top}, text)
		return
	}
	text.align = 0.5
	c.text(s, point{x, top + text.size*0.9}, text)
}
