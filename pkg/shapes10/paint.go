package shapes10

import (
	"math"
	"math/rand/v2"
)

// A paint is a pattern of two related colours.
type paint struct {
	one, other colour
	pattern    func(p point) float64 // the share of the other colour, 0 to 1
}

// at returns the colour of the paint at p.
func (t paint) at(p point) colour {
	share := t.pattern(p)
	var c colour
	for k := range c {
		c[k] = mixed(t.one[k], t.other[k], share)
	}
	return c
}

// newPaint returns a paint of random pattern whose two colours are close to about.
func newPaint(about colour, r *rand.Rand) paint {
	const spread = 45
	t := paint{one: about, other: about}
	for k := range t.one {
		d := between(r, -spread, spread)
		t.one[k] -= d
		t.other[k] += d
	}
	axis := direction(r.Float64())
	switch r.IntN(5) {
	case 0:
		t.pattern = func(point) float64 { return 0.5 }
	case 1:
		t.pattern = gradient(axis)
	case 2:
		t.pattern = stripes(axis, between(r, 3, 8))
	case 3:
		t.pattern = checks(axis, between(r, 4, 10))
	default:
		t.pattern = clouds(between(r, 3, 7), r)
	}
	return t
}

// gradient changes evenly across the image.
func gradient(axis point) func(point) float64 {
	middle := point{Side / 2, Side / 2}
	return func(p point) float64 {
		return clamp(0.5+float64(axis.dot(p.sub(middle))/Side), 0, 1)
	}
}

// stripes are soft-edged and repeat after period pixels.
func stripes(axis point, period float64) func(point) float64 {
	return func(p point) float64 { return 0.5 + float64(wave(axis.dot(p)/period)/2) }
}

// checks are soft-edged squares, as on a chessboard.
func checks(axis point, period float64) func(point) float64 {
	return func(p point) float64 {
		q := p.in(axis).times(1 / period)
		return 0.5 + float64(wave(q.x)*wave(q.y)/2)
	}
}

// wave goes from 1 to −1 and back while x grows by 1, and lingers at both ends.
func wave(x float64) float64 {
	fraction := x - math.Floor(x)
	return clamp(float64(8*math.Abs(fraction-0.5))-2, -1, 1)
}

// clouds are smooth noise: random values on a grid with the given step, interpolated in
// between.
func clouds(step float64, r *rand.Rand) func(point) float64 {
	const cells = Side/3 + 2 // enough for the smallest step, 3
	var grid [cells][cells]float64
	for i := range grid {
		for j := range grid[i] {
			grid[i][j] = r.Float64()
		}
	}
	return func(p point) float64 {
		q := p.times(1 / step)
		i, j := int(q.y), int(q.x)
		down, right := q.y-float64(i), q.x-float64(j)
		above := mixed(grid[i][j], grid[i][j+1], right)
		below := mixed(grid[i+1][j], grid[i+1][j+1], right)
		return mixed(above, below, down)
	}
}
