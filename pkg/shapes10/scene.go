package shapes10

import (
	"math"
	"math/bits"
	"math/rand/v2"
)

// A colour is red, green and blue in 0 … 255.
type colour [3]float64

// A canvas is a picture in the making, Side rows of Side pixels.
type canvas [Side * Side]colour

// scene paints a whole picture with the figure as its subject: ground, clutter behind,
// subject, clutter before, light and noise. All that it chooses it draws from r; the
// outline and, two times in five, the colour of the ground depend on the class.
func (c *canvas) scene(class int, subject figure, r *rand.Rand) {
	subjectColour, groundColour := contrasting(class, r)
	c.fill(newPaint(groundColour, r))
	for range 2 + r.IntN(6) {
		c.clutter(r)
	}
	c.draw(subject, placement{
		centre: point{Side/2 + between(r, -4, 4), Side/2 + between(r, -4, 4)},
		axis:   direction(between(r, -1.0/8, 1.0/8)),
		radius: between(r, 5.5, 12),
		mirror: r.IntN(2) == 0,
	}, newPaint(subjectColour, r))
	for range r.IntN(4) {
		c.clutter(r)
	}
	c.light(between(r, 0.7, 1.1), between(r, -20, 20))
	c.noise(between(r, 4, 22), r)
}

// contrasting returns the colours of a subject and of its ground, one of them lighter than
// the other by a step that an eye sees at once. Smaller steps, or colours that differ in hue
// alone, make a network hover at chance for hundreds of steps before it learns anything.
//
// In nine pictures of ten the subject is the lighter one. If it were in five, no pixel would
// lean one way or the other in any class, and a linear classifier could only guess.
func contrasting(class int, r *rand.Rand) (subject, ground colour) {
	const step, mostlyLight = 55, 0.9
	light, dark := anyColour(r), groundColour(class, r)
	for light.luminance()-dark.luminance() < step {
		light, dark = anyColour(r), groundColour(class, r)
	}
	if r.Float64() < mostlyLight {
		return light, dark
	}
	return dark, light
}

func anyColour(r *rand.Rand) colour {
	return colour{between(r, 20, 235), between(r, 20, 235), between(r, 20, 235)}
}

// habitats are the dark colours on which the classes are found two times in five, as ships
// are on water. They are a hint that a network learns in its first steps, as it does from
// photographs; without one, deep networks stay at chance for hundreds of steps, and what
// a short lesson shows is only how long.
var habitats = [...]colour{
	{40, 60, 140}, {150, 60, 50}, {60, 110, 60}, {110, 90, 30}, {40, 40, 60},
	{130, 130, 120}, {60, 120, 130}, {30, 30, 100}, {120, 60, 120}, {90, 120, 40},
}

// groundColour is any colour or, two times in five, one near the class's habitat.
func groundColour(class int, r *rand.Rand) colour {
	if r.IntN(5) >= 2 {
		return anyColour(r)
	}
	near := habitats[class]
	for k := range near {
		near[k] = clamp(near[k]+between(r, -30, 30), 10, 245)
	}
	return near
}

// luminance is how light a colour looks, roughly, in 0 … 255.
func (a colour) luminance() float64 {
	return float64(0.3*a[0]) + float64(0.6*a[1]) + float64(0.1*a[2])
}

// A placement puts a figure somewhere on a canvas.
type placement struct {
	centre point   // in pixels
	axis   point   // where the figure's right is
	radius float64 // in pixels
	mirror bool    // left for right, before it is turned
}

// fill paints everything.
func (c *canvas) fill(with paint) {
	for i := range c {
		c[i] = with.at(centreOf(i%Side, i/Side))
	}
}

// reach is how far a figure may extend to each side of its middle, in its radii.
const reach = 1.3

// draw paints a figure over what is there. A pixel that the outline crosses is covered
// in part.
func (c *canvas) draw(f figure, where placement, with paint) {
	extent := float64(reach*where.radius) + 1
	left, right := span(where.centre.x, extent)
	top, bottom := span(where.centre.y, extent)
	for y := top; y < bottom; y++ {
		for x := left; x < right; x++ {
			pixel := centreOf(x, y)
			p := pixel.sub(where.centre).in(where.axis).times(1 / where.radius)
			if where.mirror {
				p.x = -p.x
			}
			cover := clamp(0.5-float64(f(p)*where.radius), 0, 1)
			if cover == 0 {
				continue
			}
			colour := with.at(pixel)
			under := &c[y*Side+x]
			for k := range under {
				under[k] = mixed(under[k], colour[k], cover)
			}
		}
	}
}

// centreOf returns the middle of a pixel.
func centreOf(x, y int) point { return point{float64(x) + 0.5, float64(y) + 0.5} }

// span returns the pixels within extent of a middle, from the first to past the last.
func span(middle, extent float64) (from, to int) {
	return max(0, int(middle-extent)), min(Side, int(middle+extent)+1)
}

// clutter adds one small thing that is no figure: a blob or a line, anywhere.
func (c *canvas) clutter(r *rand.Rand) {
	where := placement{
		centre: point{between(r, 0, Side), between(r, 0, Side)},
		axis:   direction(r.Float64()),
		radius: between(r, 1, 2.2),
	}
	thing := disc(point{}, 1)
	if r.IntN(2) == 0 {
		where.radius = between(r, 3, 7)
		thing = stroke([]point{{-1, 0}, {1, 0}}, between(r, 0.5, 0.9)/where.radius)
	}
	c.draw(thing, where, newPaint(anyColour(r), r))
}

// light changes contrast and brightness.
func (c *canvas) light(contrast, brightness float64) {
	const grey = 128
	for i := range c {
		for k := range c[i] {
			c[i][k] = grey + brightness + float64((c[i][k]-grey)*contrast)
		}
	}
}

// noise adds to every value an error of the given standard deviation. The number of ones
// among 64 random bits is as good as normal, with a deviation of 4, and exact everywhere.
func (c *canvas) noise(deviation float64, r *rand.Rand) {
	for i := range c {
		for k := range c[i] {
			c[i][k] += float64(float64(bits.OnesCount64(r.Uint64())-32) * (deviation / 4))
		}
	}
}

// bytes rounds the canvas into an image of [dataset.Images], [Side, Side, 3].
func (c *canvas) bytes(image []byte) {
	for i := range c {
		for k, v := range c[i] {
			image[3*i+k] = byte(clamp(math.Round(v), 0, 255))
		}
	}
}

// between returns a number in low … high.
func between(r *rand.Rand, low, high float64) float64 { return mixed(low, high, r.Float64()) }
