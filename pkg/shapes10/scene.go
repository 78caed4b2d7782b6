package shapes10

import (
	"math"
	"math/bits"
	"math/rand/v2"
)

// A colour is red, green and blue, each 0 to 255.
type colour [3]float64

// A canvas is an image being painted, Side rows of Side pixels.
type canvas [Side * Side]colour

// scene paints a whole image with the given subject: background, clutter behind, subject,
// clutter in front, lighting and noise. All its choices are drawn from r. Only the subject and,
// two times in five, the colour of the background depend on the class.
func (c *canvas) scene(class int, subject shape, r *rand.Rand) {
	subjectColour, background := contrasting(class, r)
	c.fill(newPaint(background, r))
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

// contrasting returns the colours of a subject and its background. One of them is clearly
// lighter than the other: with less contrast, or with colours that differ only in hue, a
// network stays at chance for hundreds of steps before it learns anything.
//
// The subject is the lighter one in nine images out of ten. If it were half the time, the average
// image of each class would be flat, and a linear classifier could only guess.
func contrasting(class int, r *rand.Rand) (subject, background colour) {
	const step, mostlyLight = 55, 0.9
	light, dark := anyColour(r), backgroundColour(class, r)
	for light.luminance()-dark.luminance() < step {
		light, dark = anyColour(r), backgroundColour(class, r)
	}
	if r.Float64() < mostlyLight {
		return light, dark
	}
	return dark, light
}

func anyColour(r *rand.Rand) colour {
	return colour{between(r, 20, 235), between(r, 20, 235), between(r, 20, 235)}
}

// habitats are the dark background colours that the classes have two times in five, as ships
// have water. Like the backgrounds of photographs, they are a hint that a network learns in its
// first steps. Without it, deep networks stay at chance for hundreds of steps, and a short
// lesson would show little else.
var habitats = [...]colour{
	{40, 60, 140}, {150, 60, 50}, {60, 110, 60}, {110, 90, 30}, {40, 40, 60},
	{130, 130, 120}, {60, 120, 130}, {30, 30, 100}, {120, 60, 120}, {90, 120, 40},
}

// backgroundColour returns any colour or, two times in five, one near the class's habitat.
func backgroundColour(class int, r *rand.Rand) colour {
	if r.IntN(5) >= 2 {
		return anyColour(r)
	}
	near := habitats[class]
	for k := range near {
		near[k] = clamp(near[k]+between(r, -30, 30), 10, 245)
	}
	return near
}

// luminance returns roughly how light a colour looks, 0 to 255.
func (a colour) luminance() float64 {
	return float64(0.3*a[0]) + float64(0.6*a[1]) + float64(0.1*a[2])
}

// A placement is the position, rotation and size of a shape on a canvas.
type placement struct {
	centre point   // in pixels
	axis   point   // the direction in which the right of the shape points
	radius float64 // in pixels
	mirror bool    // swap left and right, before rotation
}

// fill paints the whole canvas.
func (c *canvas) fill(with paint) {
	for i := range c {
		c[i] = with.at(centreOf(i%Side, i/Side))
	}
}

// reach is how far a shape may extend from its centre in each direction, in radii.
const reach = 1.3

// draw paints a shape over the canvas. Pixels on the outline are covered partly.
func (c *canvas) draw(s shape, where placement, with paint) {
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
			cover := clamp(0.5-float64(s(p)*where.radius), 0, 1)
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

// centreOf returns the centre of a pixel.
func centreOf(x, y int) point { return point{float64(x) + 0.5, float64(y) + 0.5} }

// span returns the range of pixels within extent of a centre, from first to before end.
func span(centre, extent float64) (first, end int) {
	return max(0, int(centre-extent)), min(Side, int(centre+extent)+1)
}

// clutter adds one small blob or line at a random place.
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

// light changes the contrast and the brightness.
func (c *canvas) light(contrast, brightness float64) {
	const grey = 128
	for i := range c {
		for k := range c[i] {
			c[i][k] = grey + brightness + float64((c[i][k]-grey)*contrast)
		}
	}
}

// noise adds an error with the given standard deviation to every value. The number of ones
// among 64 random bits is close to normally distributed, with a standard deviation of 4, and
// is the same on every machine.
func (c *canvas) noise(std float64, r *rand.Rand) {
	for i := range c {
		for k := range c[i] {
			c[i][k] += float64(float64(bits.OnesCount64(r.Uint64())-32) * (std / 4))
		}
	}
}

// bytes writes the canvas, rounded and clipped to 0 … 255, to image, [Side, Side, 3].
func (c *canvas) bytes(image []byte) {
	for i := range c {
		for k, v := range c[i] {
			image[3*i+k] = byte(clamp(math.Round(v), 0, 255))
		}
	}
}

// between returns a random number from low to high.
func between(r *rand.Rand, low, high float64) float64 { return mixed(low, high, r.Float64()) }
