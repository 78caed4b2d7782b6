package figure

import "math"

// crossing is a grid edge that a line crosses. It goes from (x, y) up if upward is set, and to
// the right otherwise.
type crossing struct {
	x, y   int
	upward bool
}

// isolines returns the lines along which a surface has the given level. z[y][x] is the
// height of the surface at a point of a grid; along the edges of the grid it is linear. In
// a cell with a NaN or infinite corner there is no line. Lines are in coordinates of the
// grid and have the higher ground on their left, with y pointing up; a closed line ends
// where it began.
//
// The method is marching squares. Two lines cross a cell with two opposite corners high and
// the other two low; the mean of the corners decides which corners they cut off.
func isolines(z [][]float64, level float64) [][]point {
	var starts []crossing // in the order of the cells, so that the order of the lines is fixed
	next, last := map[crossing]crossing{}, map[crossing]bool{}
	for y := range len(z) - 1 {
		for x := range len(z[y]) - 1 {
			corners := [...]float64{z[y][x], z[y][x+1], z[y+1][x+1], z[y+1][x]}
			edges := [...]crossing{{x, y, false}, {x + 1, y, true}, {x, y + 1, false}, {x, y, true}}
			sum := corners[0] + corners[1] + corners[2] + corners[3]
			if math.IsNaN(sum) || math.IsInf(sum, 0) {
				continue
			}
			// Counterclockwise around the cell, falling and rising crossings alternate.
			turn := 1 // to the next crossing, around a low corner
			if sum/4 < level {
				turn = len(edges) - 1 // back, around a high one
			}
			for i, edge := range edges {
				if !(corners[i] >= level && corners[(i+1)%4] < level) {
					continue
				}
				k := (i + turn) % 4
				for (corners[k] >= level) == (corners[(k+1)%4] >= level) {
					k = (k + turn) % 4
				}
				starts = append(starts, edge)
				next[edge] = edges[k]
				last[edges[k]] = true
			}
		}
	}

	var lines [][]point
	trace := func(start crossing) {
		line := []point{start.at(z, level)}
		for at, more := next[start], true; more; {
			line = append(line, at.at(z, level))
			following, known := next[at]
			delete(next, at)
			at, more = following, known && at != start
		}
		delete(next, start)
		lines = append(lines, line)
	}
	for _, start := range starts {
		if !last[start] {
			trace(start) // an open line, from its beginning
		}
	}
	for _, start := range starts {
		if _, left := next[start]; left {
			trace(start)
		}
	}
	return lines
}

// at returns the place on its edge where the surface has the level.
func (e crossing) at(z [][]float64, level float64) point {
	from := z[e.y][e.x]
	if e.upward {
		return point{float64(e.x), float64(e.y) + (level-from)/(z[e.y+1][e.x]-from)}
	}
	return point{float64(e.x) + (level-from)/(z[e.y][e.x+1]-from), float64(e.y)}
}
