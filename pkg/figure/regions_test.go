package figure

import (
	"math"
	"testing"
)

func TestOutlineFollowsTheMask(t *testing.T) {
	p := discs(Style{})
	// A ring has two edges, the inner one the other way round: a hole for the fill.
	edges := p.Regions[0].edges(p)
	if len(edges) != 2 {
		t.Fatalf("a ring has %d edges", len(edges))
	}
	sum := area(edges[0]) + area(edges[1])
	if want := math.Pi * (1.5*1.5 - 1); math.Abs(sum/want-1) > 0.02 {
		t.Errorf("the ring's area is %g, want %g", sum, want)
	}
	for _, edge := range edges {
		for _, q := range edge {
			if r := math.Hypot(q.x, q.y); math.Abs(r-1) > 0.05 && math.Abs(r-1.5) > 0.05 {
				t.Fatalf("%v is %g from the middle, want 1 or 1.5", q, r)
			}
		}
	}
}

func TestOutlineOfFewCells(t *testing.T) {
	p := RegionPanel{X0: 0, X1: 5, Y0: 0, Y1: 5}
	mask := make([][]bool, 5)
	for i := range mask {
		mask[i] = make([]bool, 5)
	}
	mask[1][3] = true
	edges := Region{Mask: mask}.edges(p)
	if len(edges) != 1 {
		t.Fatalf("a cell has %d edges", len(edges))
	}
	for _, q := range edges[0] {
		if r := math.Hypot(q.x-3.5, q.y-1.5); r < 0.05 || r > 0.71 {
			t.Errorf("%v is not an edge of the cell from (3, 1) to (4, 2)", q)
		}
	}
	// A region that fills the panel has its edge outside.
	for i := range mask {
		for k := range mask[i] {
			mask[i][k] = true
		}
	}
	for _, q := range (Region{Mask: mask}).edges(p)[0] {
		if q.x > 0 && q.x < 5 && q.y > 0 && q.y < 5 {
			t.Errorf("%v is inside the panel", q)
		}
	}
}

func TestNearestPoint(t *testing.T) {
	p := discs(Style{})
	for i, want := range []float64{0.5, 1.5} {
		nearest, distance, some := p.Regions[i].nearest(p)
		if !some || math.Abs(distance-want) > 0.051 || math.Abs(nearest.y) > 0.3 || math.Abs(nearest.x-(2-want)) > 0.051 {
			t.Errorf("region %d: %v at distance %g, want (%g, 0) at %g", i, nearest, distance, 2-want, want)
		}
	}
	p.Point.X = 1.25 // within the ring
	if nearest, distance, _ := p.Regions[0].nearest(p); distance != 0 || nearest.x != 1.25 {
		t.Errorf("the nearest point of a region to one in it is %v, at distance %g", nearest, distance)
	}
	clear(p.Regions[0].Mask[0])
	if _, _, some := (Region{Mask: p.Regions[0].Mask[:1]}).nearest(p); some {
		t.Error("an empty region has a nearest point")
	}
}

func TestPlanesInRows(t *testing.T) {
	for count, columns := range map[int]int{1: 1, 2: 2, 3: 3, 4: 2, 5: 3, 6: 3} {
		planes := make([]plane, count)
		for i := range planes {
			planes[i].x, planes[i].y = axis{low: 0, high: 1}, axis{low: 0, high: 1}
		}
		bottom := places(planes, 50, rightEdge)
		for i, p := range planes {
			if p.plot.x0 < margin || p.plot.x1 > pageWidth-rightEdge+0.01 || p.plot.y1 > bottom {
				t.Errorf("plane %d of %d is at %v", i, count, p.plot)
			}
			if math.Abs(p.plot.width()-p.plot.height()) > 1 {
				t.Errorf("plane %d of %d is %g×%g, want a square", i, count, p.plot.width(), p.plot.height())
			}
			if p.numbered != (i%columns == 0) {
				t.Errorf("plane %d of %d: numbers %v", i, count, p.numbered)
			}
			if i%columns > 0 && p.plot.x0 < planes[i-1].plot.x1 {
				t.Errorf("plane %d of %d overlaps the last", i, count)
			}
		}
	}
}
