package figure

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
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

func TestHeatScale(t *testing.T) {
	s := HeatScale{Low: -1, High: 3, Label: "height"}
	if got, want := s.Colorize([]float64{-1, 0, 3, 9, -7, math.NaN()}, 2, 3),
		bytesOf(heat(0), heat(0.25), heat(1), heat(1), heat(0), white); !bytes.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	// Red, of luminance 76, becomes grey under the colours of the scale.
	red, grey := color.RGBA{255, 0, 0, 255}, color.RGBA{76, 76, 76, 255}
	pixels := bytesOf(red, red)
	got := s.Overlay(pixels, []float64{1, -1}, 1, 2, 1, 2)
	if want := bytesOf(mix(grey, heat(0.5), 0.55), mix(grey, heat(0), 0.35)); !bytes.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if !bytes.Equal(pixels, bytesOf(red, red)) {
		t.Error("Overlay changed the image it was given")
	}
}

// TestHeatScaleBar: with a bar there is less room for images, and the bar reaches the right edge of the page.
func TestHeatScaleBar(t *testing.T) {
	tiles := []Tile{{Pixels: make([]byte, 12), Height: 2, Width: 2}, {Pixels: make([]byte, 12), Height: 2, Width: 2}}
	images := func(opts ...Option) image.Image {
		f, err := ImageGrid("t", 2, tiles, opts...)
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(bytes.NewReader(encode(t, f, "png")))
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
	coloured := func(m image.Image) int {
		n := 0
		for y := range m.Bounds().Dy() {
			for x := range m.Bounds().Dx() {
				if r, g, b, _ := m.At(x, y).RGBA(); max(r, g, b)-min(r, g, b) > 0x6000 {
					n++
				}
			}
		}
		return n
	}
	if n := coloured(images()); n != 0 {
		t.Errorf("without a bar, %d pixels have a colour", n)
	}
	if n := coloured(images(HeatScale{Low: 0, High: 1, Label: "share"}.Bar())); n < 5000 {
		t.Errorf("with a bar, %d pixels have a colour, want those of the bar", n)
	}
	if _, err := ImageGrid("t", 2, tiles, HeatScale{Low: 1, High: 1}.Bar()); err == nil {
		t.Error("no error for a scale without a range")
	}
}
