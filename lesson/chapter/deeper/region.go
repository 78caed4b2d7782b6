package deeper

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/residual-go/residual/pkg/figure"
)

const (
	// Left and Right are the two inputs whose values describe a function.
	Left, Right = -1.0, 1.0
	// Extent is the distance from 0 to each edge of the plane, and Pixel the grid spacing.
	Extent, Pixel = 1.5, 0.02

	middle = int(Extent / Pixel) // the row and the column of 0
	side   = 2*middle + 1
)

// Region is a class of functions f, as grid points (f(Left), f(Right)). The first index is
// the row, f(Right), counted from the bottom; the second is the column, f(Left).
type Region [][]bool

func newRegion() Region {
	r := make(Region, side)
	for i := range r {
		r[i] = make([]bool, side)
	}
	return r
}

// coordinate returns the coordinate of a row or column of the grid.
func coordinate(place int) float64 { return float64(place-middle) * Pixel }

// Reach returns the classes of chains of 1, 2, … up to depth layers of width 1:
//
//	plain:     h ← tanh(wh + b)
//	residual:  h ← h + tanh(wh + b)
//
// starting from h = x, with |w| and |b| within the bounds.
//
// A layer applies the same w and b to all values of a function. It therefore takes the point
// q to the point p if some w and b within the bounds satisfy w·q + b = artanh(p) at both
// Left and Right; for a residual layer, w·q + b = artanh(p - q). These are two linear
// equations in two unknowns, so no search over w and b is needed: a grid point is marked if
// a layer takes some marked point of the previous class exactly to it. Real paths may run
// between grid points, which costs the regions about one Pixel at their edges. Paths that
// leave the plane and come back are not followed.
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

// image returns the points that one layer can take the points of r to.
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
			hit := 0 // try first what the last point came from: neighbours tend to share it
			for column := range result[row] {
				p := place{row, column}
				if r[row][column] && leads(kind, bounds, p, p) {
					result[row][column] = true
					continue
				}
				if kind == Plain && math.IsNaN(before(row-middle)+before(column-middle)) {
					continue // tanh stays below 1
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

// artanh tabulates the inverse of tanh for all differences of coordinates. Values outside the
// range of tanh are NaN.
var artanh = func() (table [2*side - 1]float64) {
	for i := range table {
		table[i] = math.Atanh(float64(i-side+1) * Pixel)
		if math.IsInf(table[i], 0) {
			table[i] = math.NaN()
		}
	}
	return table
}()

// before returns the value that tanh maps to the given number of pixels.
func before(pixels int) float64 { return artanh[pixels+side-1] }

// leads reports whether a layer within the bounds takes the function at q to the one at p.
func leads(kind Kind, bounds Bounds, q, p place) bool {
	// The required output of the layer's tanh at Left and Right, in pixels.
	left, right := p.column-middle, p.row-middle
	if kind == Residual {
		left, right = p.column-q.column, p.row-q.row
	}
	// The required input of the tanh, w·q + b. Comparisons with NaN are false.
	a, c := before(left), before(right)
	apart := float64(q.row-q.column) * Pixel
	if apart == 0 { // equal values at both inputs stay equal
		return a == c && math.Abs(a) <= bounds.Weight*math.Abs(coordinate(q.row))+bounds.Bias
	}
	// This is |w| <= bounds.Weight without a division, which is slow.
	if !(math.Abs(c-a) <= bounds.Weight*math.Abs(apart)) {
		return false
	}
	w := (c - a) / apart
	return math.Abs(a-w*coordinate(q.column)) <= bounds.Bias
}

// Area returns the area of the region.
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

// Without returns the part of r outside other, which is empty if r is nested in other.
func (r Region) Without(other Region) Region {
	rest := newRegion()
	for i, row := range r {
		for k, in := range row {
			rest[i][k] = in && !other[i][k]
		}
	}
	return rest
}

// Distance returns the distance from the region to the target, to within about a Pixel. Each
// grid point stands for the cell around it, as in a figure.
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

// Panel returns a panel with the classes of 1, 2 and 3 layers of a kind, the more layers the
// darker, and their distances to the target.
func Panel(kind Kind, classes []Region, target figure.Point) figure.RegionPanel {
	const edge = Extent + Pixel/2 // a grid point is the centre of a cell
	title := strings.ToUpper(kind.String()[:1]) + kind.String()[1:]
	panel := figure.RegionPanel{Title: title, XLabel: "f(−1)", YLabel: "f(1)",
		X0: -edge, X1: edge, Y0: -edge, Y1: edge, Point: &target}
	for i, class := range classes {
		style := kind.Style(min(figure.Depth(i), figure.Deepest))
		style.Dash = figure.Dash(i % 4)
		panel.Regions = append(panel.Regions, figure.Region{Name: layers(i + 1), Mask: class, Distance: true, Style: style})
	}
	slices.Reverse(panel.Regions) // draw the largest first, so that it does not hide the others
	return panel
}

func layers(depth int) string {
	if depth == 1 {
		return "1 layer"
	}
	return fmt.Sprint(depth, " layers")
}
