package figure

import (
	"bytes"
	"image/color"
	"math"
	"slices"
	"testing"
)

// bytesOf returns the pixels of the colours.
func bytesOf(colours ...color.RGBA) []byte {
	var pixels []byte
	for _, c := range colours {
		pixels = append(pixels, c.R, c.G, c.B)
	}
	return pixels
}

func TestColorize(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		values []float64
		want   []byte
	}{
		{[]float64{-1, 0, 1, 3}, bytesOf(heat(0), heat(0.25), heat(0.5), heat(1))},
		{[]float64{7, 7, 7, 7}, bytesOf(heat(0), heat(0), heat(0), heat(0))},
		{[]float64{nan, 1, inf, 2}, bytesOf(white, heat(0), white, heat(1))},
	} {
		if got := Colorize(c.values, 2, 2); !bytes.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.values, got, c.want)
		}
	}
	if _, err := ImageGrid("t", 1, []Tile{{Pixels: Colorize(make([]float64, 6), 2, 3), Height: 2, Width: 3}}); err != nil {
		t.Error(err)
	}
}

func TestOverlay(t *testing.T) {
	grey := bytes.Repeat([]byte{100}, 4*8*3)
	before := slices.Clone(grey)
	got := Overlay(grey, []float64{0, 1}, 4, 8, 1, 2)
	if !bytes.Equal(grey, before) {
		t.Error("Overlay changed the image it was given")
	}
	// The outermost quarters lie beyond the centres of the two values.
	under := color.RGBA{100, 100, 100, 255}
	left, right := mix(under, heat(0), 0.45), mix(under, heat(1), 0.6)
	row := got[:8*3]
	if !bytes.Equal(row[:6], bytesOf(left, left)) || !bytes.Equal(row[6*3:], bytesOf(right, right)) {
		t.Errorf("a row ends in %v and %v, want %v and %v", row[:6], row[6*3:], left, right)
	}
	for i := 1; i < 8; i++ {
		if row[3*i+1] < row[3*i-2] {
			t.Errorf("pixel %d has less green than its left neighbour: %d", i, row[3*i+1])
		}
	}
	for y := 1; y < 4; y++ {
		if !bytes.Equal(got[y*8*3:(y+1)*8*3], row) {
			t.Errorf("row %d differs from the first", y)
		}
	}
	if got := Overlay(grey, []float64{math.NaN()}, 4, 8, 1, 1); !bytes.Equal(got, grey) {
		t.Error("a heat map of NaN changes the image")
	}
	// A hot corner stays in its corner.
	hot := Overlay(make([]byte, 9*9*3), []float64{0, 0, 1, 0, 0, 0, 0, 0, 0}, 9, 9, 3, 3)
	for i := range 81 {
		if hot[3*i] > hot[3*8] {
			t.Errorf("pixel %d is redder than the upper right one, which is the hottest", i)
		}
	}
}

func TestMismatchedSizesPanic(t *testing.T) {
	for name, call := range map[string]func(){
		"too few values":   func() { Colorize(make([]float64, 5), 2, 3) },
		"no values":        func() { Colorize(nil, 0, 0) },
		"overflowing size": func() { Colorize(make([]float64, 4), 1<<62, 1<<62) },
		"pixels":           func() { Overlay(make([]byte, 4), []float64{1}, 2, 2, 1, 1) },
		"heat":             func() { Overlay(make([]byte, 12), []float64{1, 2}, 2, 2, 1, 1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			call()
		}()
	}
}
