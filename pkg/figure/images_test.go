package figure

import (
	"bytes"
	"image/color"
	"image/png"
	"testing"
)

func TestWrongTileIsMarked(t *testing.T) {
	correct, wrong := tile(32, 32), tile(32, 32)
	wrong.Wrong = true
	marks := func(tile Tile) int {
		f, err := ImageGrid("t", 1, []Tile{tile})
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Count(encode(t, f, "svg"), []byte("<path"))
	}
	// A frame, a field and the two strokes of the cross, so that colour is not the only mark.
	if got := marks(wrong) - marks(correct); got != 4 {
		t.Errorf("a wrong tile has %d more shapes than a correct one, want 4", got)
	}
}

func TestEnlargedPixelsStaySharp(t *testing.T) {
	checker := Tile{Height: 2, Width: 2, Pixels: []byte{255, 0, 0, 0, 0, 255, 0, 0, 255, 255, 0, 0}}
	f, err := ImageGrid("", 1, []Tile{checker})
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(encode(t, f, "png")))
	if err != nil {
		t.Fatal(err)
	}
	count := map[color.RGBA]int{}
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			count[color.RGBAModel.Convert(img.At(x, y)).(color.RGBA)]++
		}
	}
	red, blue := count[color.RGBA{255, 0, 0, 255}], count[color.RGBA{0, 0, 255, 255}]
	if want := 2 * largestSide * largestSide; red != want || blue != want || len(count) != 3 {
		t.Errorf("%d red and %d blue dots, want %d; %d colours, want 3", red, blue, want, len(count))
	}
}
