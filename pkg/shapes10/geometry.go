package shapes10

import "math"

// A point, or the vector from the origin to it. In an image x goes right and y goes down, in
// pixels.
//
// Here and in the rest of the package, every product is converted to float64 explicitly before
// it is added to anything. Without the conversion the compiler may fuse product and sum into
// one instruction (Go does so on arm64, and on amd64 with GOAMD64=v3), and the same seed would
// give different bytes on different machines. To check that no product was forgotten, run
//
//	GOARCH=arm64 go build -gcflags=-S ./pkg/shapes10 2>&1 | grep -E 'FN?M(ADD|SUB)[DS]'
//
// which must print nothing.
type point struct{ x, y float64 }

func (p point) add(q point) point { return point{p.x + q.x, p.y + q.y} }

func (p point) sub(q point) point { return point{p.x - q.x, p.y - q.y} }

func (p point) times(s float64) point { return point{float64(p.x * s), float64(p.y * s)} }

func (p point) dot(q point) float64 { return float64(p.x*q.x) + float64(p.y*q.y) }

func (p point) cross(q point) float64 { return float64(p.x*q.y) - float64(p.y*q.x) }

func (p point) length() float64 { return math.Sqrt(p.dot(p)) }

// in returns the coordinates of p in a frame whose first axis is the unit vector axis.
func (p point) in(axis point) point { return point{axis.dot(p), axis.cross(p)} }

// direction returns the unit vector at an angle, in turns. The last bits of a sine differ
// between machines, so both coordinates are rounded to a multiple of 2⁻²⁴.
func direction(turns float64) point {
	const grid = 1 << 24
	sin, cos := math.Sincos(2 * math.Pi * turns)
	return point{math.Round(cos*grid) / grid, math.Round(sin*grid) / grid}
}

// mixed interpolates linearly between a at t = 0 and b at t = 1.
func mixed(a, b, t float64) float64 { return a + float64((b-a)*t) }

func clamp(v, low, high float64) float64 { return max(low, min(v, high)) }
