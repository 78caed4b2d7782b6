package figure

import (
	"math"
	"testing"
)

func TestOutlineFollowsTheMask(t *testing.T) {
	p := discs(Style{})
	// A ring has two edges; the inner one runs the other way, which makes it a hole.
	edges := p.Regions[0].edges(p)
	if len(edges) != 2 {
		t.Fatalf("a ring has %d edges, want 2", len(edges))
	}
	sum := enclosed(edges[0]) + enclosed(edges[1])
	if want := math.Pi * (1.5*1.5 - 1); math.Abs(sum/want-1) > 0.02 {
		t.Errorf("the ring's area is %g, want %g", sum, want)
	}
	for _, edge := range edges {
		for _, q := range edge {
			if r := math.Hypot(q.x, q.y); math.Abs(r-1) > 0.05 && math.Abs(r-1.5) > 0.05 {
				t.Fatalf("%v is %g from the centre, want 1 or 1.5", q, r)
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
		t.Fatalf("a cell has %d edges, want 1", len(edges))
	}
	for _, q := range edges[0] {
		if r := math.Hypot(q.x-3.5, q.y-1.5); r < 0.05 || r > 0.71 {
			t.Errorf("%v is not on the edge of the cell from (3, 1) to (4, 2)", q)
		}
	}
	// The edge of a region that fills the panel lies outside.
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
			t.Errorf("region %d: nearest point %v at distance %g, want (%g, 0) at %g", i, nearest, distance, 2-want, want)
		}
	}
	p.Point.X = 1.25 // in the ring
	if nearest, distance, _ := p.Regions[0].nearest(p); distance != 0 || nearest.x != 1.25 {
		t.Errorf("the nearest point to a point of the region is %v at distance %g, want the point itself", nearest, distance)
	}
	clear(p.Regions[0].Mask[0])
	if _, _, some := (Region{Mask: p.Regions[0].Mask[:1]}).nearest(p); some {
		t.Error("an empty region has a nearest point")
	}
}

func TestPlanesInRows(t *testing.T) {
	for count, columns := range map[int]int{1: 1, 2: 2, 3: 3, 4: 2, 5: 3, 6: 3} {
		panels := make([]panel, count)
		for i := range panels {
			panels[i].Plot = newPlot("x", "y")
			setScale(&panels[i].X, 0, 1, false, linearTicks(0, 1, 5, false, false))
			setScale(&panels[i].Y, 0, 1, false, linearTicks(0, 1, 5, false, false))
		}
		bottom := arrangePlanes(panels, 50, pageWidth-margin)
		for i, p := range panels {
			if p.axes.x0 < margin || p.axes.x1 > pageWidth-margin || p.axes.y0 < 50 || p.axes.y1 > bottom {
				t.Errorf("panel %d of %d is at %v, outside the page", i, count, p.axes)
			}
			if math.Abs(p.axes.width()-p.axes.height()) > 1 {
				t.Errorf("panel %d of %d is %g×%g, want a square", i, count, p.axes.width(), p.axes.height())
			}
			if numbered := len(p.Y.Tick.Marker.Ticks(0, 1)) > 0; numbered != (i%columns == 0) {
				t.Errorf("panel %d of %d: numbers %t", i, count, numbered)
			}
			if i%columns > 0 && p.axes.x0 < panels[i-1].axes.x1 {
				t.Errorf("panel %d of %d overlaps its neighbour", i, count)
			}
			if i >= columns && p.top < panels[i-columns].axes.y1 {
				t.Errorf("panel %d of %d overlaps the one above", i, count)
			}
		}
	}
}
