package shapes10

import "math"

// A shape is given by its signed distance function: the distance of a point from the outline,
// negative inside. It roughly fills the unit circle about the origin, with its top at
// negative y.
type shape func(p point) float64

// shapes returns the shapes of the classes, in the order of [Classes].
func shapes() []shape {
	return []shape{
		disc(point{}, 0.85),
		ring,
		polygon(around(4, 1.0/8, 1.05)),
		polygon(around(3, -1.0/4, 1.15)),
		polygon(around(10, -1.0/4, 1.1, 0.48)),
		polygon(cross()),
		heart,
		moon,
		polygon(arrow()),
		stroke(spiral(), 0.13),
	}
}

// disc is a filled circle.
func disc(centre point, radius float64) shape {
	return func(p point) float64 { return p.sub(centre).length() - radius }
}

func ring(p point) float64 { return math.Abs(p.length()-0.72) - 0.22 }

// moon is a disc with a bite, also a disc, taken out of it.
func moon(p point) float64 {
	bite := point{0.48, 0}
	return max(p.length()-1, 0.8-p.sub(bite).length())
}

// heart has its tip at the bottom and two round lobes with a notch between them at the top.
// The lobes are discs on the upper sides of a square that stands on its corner.
func heart(p point) float64 {
	const scale = 1.75
	// In the coordinates of q the tip is at (0, 0) and the notch at (0, 1).
	q := point{math.Abs(p.x) / scale, 0.52 - p.y/scale}
	if q.x+q.y > 1 {
		return float64(scale * (q.sub(point{0.25, 0.75}).length() - math.Sqrt2/4))
	}
	along := float64(max(q.x+q.y, 0) / 2)
	away := min(q.sub(point{0, 1}).length(), q.sub(point{along, along}).length())
	if q.x < q.y {
		away = -away
	}
	return float64(scale * away)
}

// cross is a plus sign.
func cross() []point {
	const long, short = 1, 0.32
	return []point{
		{-short, -long}, {short, -long}, {short, -short}, {long, -short}, {long, short}, {short, short},
		{short, long}, {-short, long}, {-short, short}, {-long, short}, {-long, -short}, {-short, -short},
	}
}

// arrow points up.
func arrow() []point {
	const head, shaft, neck = 0.85, 0.27, -0.1
	return []point{{0, -1.1}, {head, neck}, {shaft, neck}, {shaft, 1}, {-shaft, 1}, {-shaft, neck}, {-head, neck}}
}

// spiral makes a little more than two turns, from the centre outwards.
func spiral() []point {
	const turns, steps = 2.1, 30
	var line []point
	for i := range steps + 1 {
		// Steps are even in length, not in angle: the outer turns are longer.
		out := math.Sqrt(float64(i) / steps)
		line = append(line, direction(turns*out).times(out))
	}
	return line
}

// around returns n points about the origin at evenly spaced angles. first is the angle of the
// first point, in turns; the distances from the origin cycle through radii.
func around(n int, first float64, radii ...float64) []point {
	corners := make([]point, n)
	for i := range corners {
		corners[i] = direction(first + float64(i)/float64(n)).times(radii[i%len(radii)])
	}
	return corners
}

// polygon is the area inside a closed line through corners.
func polygon(corners []point) shape {
	var sides []segment
	for i, corner := range corners {
		sides = append(sides, newSegment(corner, corners[(i+1)%len(corners)]))
	}
	return func(p point) float64 {
		nearest := math.Inf(1)
		inside := false
		for _, s := range sides {
			nearest = min(nearest, s.squared(p))
			// A point is inside if a ray to the right crosses an odd number of sides.
			if (s.from.y > p.y) != (s.to.y > p.y) && (s.along.cross(p.sub(s.from)) > 0) == (s.along.y < 0) {
				inside = !inside
			}
		}
		if inside {
			return -math.Sqrt(nearest)
		}
		return math.Sqrt(nearest)
	}
}

// stroke is a line through points, drawn with a round pen; half is half the line width.
func stroke(points []point, half float64) shape {
	var parts []segment
	for i := range len(points) - 1 {
		parts = append(parts, newSegment(points[i], points[i+1]))
	}
	return func(p point) float64 {
		nearest := math.Inf(1)
		for _, s := range parts {
			nearest = min(nearest, s.squared(p))
		}
		return math.Sqrt(nearest) - half
	}
}

// A segment is a straight line between two different points.
type segment struct {
	from, to point
	along    point // to − from
	shrink   point // along, divided by its squared length
}

func newSegment(from, to point) segment {
	along := to.sub(from)
	return segment{from, to, along, along.times(1 / along.dot(along))}
}

// squared returns the squared distance of p from the segment.
func (s segment) squared(p point) float64 {
	w := p.sub(s.from)
	off := w.sub(s.along.times(clamp(w.dot(s.shrink), 0, 1)))
	return off.dot(off)
}
