package picture

import (
	"image"
	"runtime"
	"testing"
)

func TestOrientation(t *testing.T) {
	for _, test := range []struct {
		name, exif string
		want       int
	}{
		{"little-endian", "II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00", 6},
		{"big-endian", "MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x08\x00\x00", 8},
		{"second tag", "MM\x00*\x00\x00\x00\x08\x00\x02\x01\x00\x00\x03\x00\x00\x00\x01\x00\x02\x00\x00\x01\x12\x00\x03\x00\x00\x00\x01\x00\x03\x00\x00", 3},
		{"directory further in", "II*\x00\x0a\x00\x00\x00\xff\xff\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x02\x00\x00\x00", 2},
		{"no such tag", "II*\x00\x08\x00\x00\x00\x01\x00\x13\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00", 1},
		{"another type", "II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x02\x00\x01\x00\x00\x00\x06\x00\x00\x00", 1},
		{"0", "II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x00\x00\x00\x00", 1},
		{"9", "II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x09\x00\x00\x00", 1},
		{"cut short", "II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00", 1},
		{"more tags announced than present", "II*\x00\x08\x00\x00\x00\xff\xff\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00", 6},
		{"directory outside", "II*\x00\xff\xff\xff\xff\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00", 1},
		{"no byte order", "XX*\x00\x08\x00\x00\x00\x01\x00", 1},
		{"only a signature", "II*\x00", 1},
		{"empty", "", 1},
	} {
		if got := orientation([]byte(test.exif)); got != test.want {
			t.Errorf("%s: orientation %d, want %d", test.name, got, test.want)
		}
	}
}

// TestUprightInStrips turns an image with more rows than are converted at a time, whose
// top-left corner is not at the origin.
func TestUprightInStrips(t *testing.T) {
	img := image.NewRGBA(image.Rect(-3, 5, 20, 5+2*stripRows+7))
	for i := range img.Pix {
		img.Pix[i] = byte(i*7 + i/92)
	}
	for i := 3; i < len(img.Pix); i += 4 {
		img.Pix[i] = 255
	}
	width, height := img.Rect.Dx(), img.Rect.Dy()
	for orientation, from := range map[int]func(x, y int) (int, int){
		1: func(x, y int) (int, int) { return x, y },
		2: func(x, y int) (int, int) { return width - 1 - x, y },
		3: func(x, y int) (int, int) { return width - 1 - x, height - 1 - y },
		4: func(x, y int) (int, int) { return x, height - 1 - y },
		5: func(x, y int) (int, int) { return y, x },
		6: func(x, y int) (int, int) { return y, height - 1 - x },
		7: func(x, y int) (int, int) { return width - 1 - y, height - 1 - x },
		8: func(x, y int) (int, int) { return width - 1 - y, x },
	} {
		got := upright(img, orientation)
		corner := got.Bounds().Min
		wrong := 0
		for y := range got.Bounds().Dy() {
			for x := range got.Bounds().Dx() {
				fromX, fromY := from(x, y)
				if got.At(corner.X+x, corner.Y+y) != img.At(-3+fromX, 5+fromY) {
					wrong++
				}
			}
		}
		if wrong > 0 {
			t.Errorf("orientation %d: %d of %d pixels are in the wrong place", orientation, wrong, width*height)
		}
	}
}

// TestUprightOfOneRow: for a single row the strip has one row, not sixteen, which would take
// 1.6 GB here.
func TestUprightOfOneRow(t *testing.T) {
	row := image.NewGray(image.Rect(0, 0, 25_000_000, 1))
	row.Pix[0] = 200
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	turned := upright(row, 2)
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 300<<20 {
		t.Errorf("%d MiB allocated for a row of 25 million pixels, want about 200: source strip and result as RGBA", got>>20)
	}
	if r, _, _, _ := turned.At(25_000_000-1, 0).RGBA(); r>>8 != 200 {
		t.Errorf("the last pixel of the mirrored row is %d, want the first of the original, 200", r>>8)
	}
}
