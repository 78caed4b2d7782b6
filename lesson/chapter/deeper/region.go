package deeper

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/residual-go/residual/pkg/figure"
)

const (
	// Left and Right are the inputs at which Reach looks at functions.
	Left, Right = -1.0, 1.0
	// Extent is how far the plane goes to each side of 0, and Pixel the grid it is seen on.
	Extent, Pixel = 1.5, 0.02

	middle = int(Extent / Pixel) // the row, and the column, of 0
	side   = 2*middle + 1
)

// Region is a class of functions f, as points (f(Left), f(Right)) of a grid: by rows from
// below, which have f(Right) in common.
type Region [][]bool

func newRegion() Region {
	r := make(Region, side)
	for i := range r {
		r[i] = make([]bool, side)
	}
	return r
}

// coordinate returns where a row or column of the grid is.
func coordinate(place int) float64 { return float64(place-middle) * Pixel }

// Reach returns the classes of chains of 1, 2, … up to depth layers, of one number each:
//
//	plain:     h ← tanh(wh + b)
//	residual:  h ← h + tanh(wh + b)
//
// from h = x, with |w| and |b| within the bounds.
//
// A layer moves all of a function's values by the same w and b. So it takes the point q
// to p if both equations w·q + b = artanh(p), one at Left and one at Right, hold for some w
// and b within bounds; for a residual layer, artanh(p - q). They are two linear equations for two
// unknowns, and so nothing has to be tried: a point of the grid is marked if some marked
// point of the class before is taken to it, exactly. That an actual path may run between
// the points of the grid costs the regions a Pixel or so at their edges. Paths that leave
// the plane and come back are not followed.
func Reach(kind Kind, bounds Bounds, depth int) []Region {
	region := newRegion()
	region[middle+int(Right/Pixel)][middle+int(Left/Pixel)] = true // f(x) = x: no layer yet
	var regions []Region
	for range depth {
		region = image(kind, bounds, region)
		regions = append(regions, region)
	}
	return regions
}

// place is a point of the grid.
type place struct{ row, column int }

// image returns the points that one layer takes points of r to.
func image(kind Kind, bounds Bounds, r Region) Region {
	var from []place
	for row := range r {
		for column, in := range r[row] {
			if in {
				from = append(from, place{row, column})
			}
		}
	}
	result := newRegion()
	var rows sync.WaitGroup
	for row := range result {
		rows.Go(func() {
			hit := 0 // where the last point came from, the next one likely comes from too
			for column := range result[row] {
				p := place{row, column}
				if r[row][column] && leads(kind, bounds, p, p) {
					result[row][column] = true
					continue
				}
				if kind == Plain && math.IsNaN(before(row-middle)+before(column-middle)) {
					continue // beyond 1, from wherever
				}
				for i := range from {
					at := hit + i
					if at >= len(from) {
						at -= len(from)
					}
					if leads(kind, bounds, from[at], p) {
						result[row][column], hit = true, at
						break
					}
				}
			}
		})
	}
	rows.Wait()
	return result
}

// artanh holds the inverse of tanh for all differences of coordinates, and NaN where tanh
// does not get.
var artanh = func() (table [2*side - 1]float64) {
	for i := range table {
		table[i] = math.Atanh(float64(i-side+1) * Pixel)
		if math.IsInf(table[i], 0) {
			table[i] = math.NaN()
		}
	}
	return table
}()

// before returns what tanh makes so many pixels of.
func before(pixels int) float64 { return artanh[pixels+side-1] }

// leads reports whether a layer within the bounds takes the function at q to the one at p.
func leads(kind Kind, bounds Bounds, q, p place) bool {
	// What the layer's tanh has to be, in pixels, at Left and Right.
	left, right := p.column-middle, p.row-middle
	if kind == Residual {
		left, right = p.column-q.column, p.row-q.row
	}
	// Before it: w·q + b. Comparisons with NaN are false.
	a, c := before(left), before(right)
	apart := float64(q.row-q.column) * Pixel
	if apart == 0 { // the same number at both inputs stays the same
		return a == c && math.Abs(a) <= bounds.Weight*math.Abs(coordinate(q.row))+bounds.Bias
	}
	// Without a division, which is slow: |w| = |c-a| / |apart|.
	if !(math.Abs(c-a) <= bounds.Weight*math.Abs(apart)) {
		return false
	}
	w := (c - a) / apart
	return math.Abs(a-w*coordinate(q.column)) <= bounds.Bias
}

// Area returns how much of the plane the region covers.
func (r Region) Area() float64 {
	points := 0
	for _, row := range r {
		for _, in := range row {
			if in {
				points++
			}
		}
	}
	return float64(points) * Pixel * Pixel
}

// Without returns the part of r that other does not have: nothing if r is nested in it.
func (r Region) Without(other Region) Region {
	rest := newRegion()
	for i, row := range r {
		for k, in := range row {
			rest[i][k] = in && !other[i][k]
		}
	}
	return rest
}

// Distance returns how far the region is from the target, to about a Pixel. Each point of
// the grid stands for the cell around it, as it does in a figure.
func (r Region) Distance(target figure.Point) float64 {
	nearest := math.Inf(1)
	for i, row := range r {
		for k, in := range row {
			if in {
				x := max(0, math.Abs(coordinate(k)-target.X)-Pixel/2)
				y := max(0, math.Abs(coordinate(i)-target.Y)-Pixel/2)
				nearest = min(nearest, math.Hypot(x, y))
			}
		}
	}
	return nearest
}

// Panel draws the classes of 1, 2, … layers and their distances from the target.
func Panel(title string, classes []Region, target figure.Point) figure.RegionPanel {
	const edge = Extent + Pixel/2 // a point of the grid is the middle of a cell
	panel := figure.RegionPanel{Title: title, XLabel: "f(−1)", YLabel: "f(1)",
		X0: -edge, X1: edge, Y0: -edge, Y1: edge, Point: &target}
	for i, class := range classes {
		panel.Regions = append(panel.Regions, figure.Region{
			Name: layers(i + 1), Mask: class, Distance: true,
			Style: figure.Style{Color: i + 1, Dash: figure.Dash(i % 4)},
		})
	}
	slices.Reverse(panel.Regions) // nested ones have the largest at the bottom
	return panel
}

func layers(depth int) string {
	if depth == 1 {
		return "1 layer"
	}
	return fmt.Sprint(depth, " layers")
}
