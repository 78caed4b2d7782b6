package figure

import (
	"slices"
	"testing"
)

func TestNetworkStyle(t *testing.T) {
	var lights []float64
	for family, colours := range code {
		for depth, colour := range colours {
			pen := NetworkStyle(Family(family), Depth(depth)).stroke(5)
			if pen.colour != colour || pen.dash != nil {
				t.Errorf("family %d, depth %d has the pen %v, want colour %v and no dashes", family, depth, pen, colour)
			}
			training := NetworkStyle(Family(family), Depth(depth)).Training().stroke(5)
			if training.colour != colour || training.dash == nil {
				t.Errorf("family %d, depth %d has the pen %v on training images, want colour %v and dashes", family, depth, training, colour)
			}
			if depth > 0 && lightness(colour) >= lightness(colours[depth-1])-15 {
				t.Errorf("family %d: depth %d is not clearly darker than the depth before", family, depth)
			}
			// Orange has more red than blue, and blue more blue than red: nobody who sees two
			// colours takes one for the other.
			if redder := colour.R > colour.B; redder != (Family(family) == Plain) {
				t.Errorf("family %d, depth %d has the colour %v", family, depth, colour)
			}
			lights = append(lights, lightness(colour))
		}
	}
	slices.Sort(lights)
	for i := 1; i < len(lights); i++ {
		if lights[i]-lights[i-1] < 9 {
			t.Errorf("two colours have the lightness %.0f and %.0f: equal in grey", lights[i-1], lights[i])
		}
	}
	if last := lights[len(lights)-1]; last > 75 {
		t.Errorf("the lightest colour has the lightness %.0f, too pale on white", last)
	}
}

func TestDepthOf(t *testing.T) {
	for layers, want := range map[int]Depth{8: Shallow, 18: Shallow, 20: Shallow, 34: Deep, 50: Deep, 56: Deep, 101: Deepest, 110: Deepest, 1202: Deepest} {
		if got := DepthOf(layers); got != want {
			t.Errorf("a network of %d layers has depth %d, want %d", layers, got, want)
		}
	}
}
