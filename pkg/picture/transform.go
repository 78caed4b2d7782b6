package picture

import (
	"fmt"
	"image"
	"image/draw"
	"math"
)

// Transform is the preprocessing that turns an image into input for a network: torchvision's
// Resize followed by CenterCrop.
type Transform struct {
	// Resize is the length of the shorter side after resizing, in pixels.
	Resize int `json:"resize"`
	// Height and Width are the size of the centre crop, in pixels.
	Height int `json:"height"`
	Width  int `json:"width"`
	// Filter is the interpolation; "" stands for Bilinear.
	Filter Filter `json:"filter,omitempty"`
}

// maxSide bounds the sizes in a Transform, and thereby the memory that Apply uses.
const maxSide = 4096

// Validate returns an error if a size is below 1 or above 4096 pixels or if the filter is
// unknown.
func (t Transform) Validate() error {
	for _, side := range []struct {
		name   string
		pixels int
	}{{"resize", t.Resize}, {"height", t.Height}, {"width", t.Width}} {
		if side.pixels < 1 || side.pixels > maxSide {
			return fmt.Errorf("image transform: %s of %d pixels, want 1 to %d", side.name, side.pixels, maxSide)
		}
	}
	switch t.Filter {
	case "", Bilinear, Bicubic:
		return nil
	}
	return fmt.Errorf("image transform: filter %q, want %s or %s", t.Filter, Bilinear, Bicubic)
}

// Apply resizes and crops an image and returns its pixels, [Height, Width, 3] bytes in the
// order red, green, blue. The transform must be valid.
//
// The shorter side is resized to Resize and the longer one in proportion, its length rounded
// down. The centre is then cropped; if the crop is larger than the resized image, the border
// is black. Transparent pixels are blended with white. The bytes equal those of Pillow 9.4
// under torchvision 0.14, which resizes in two passes and rounds to bytes after each.
func (t Transform) Apply(img image.Image) []byte {
	pixels := make([]byte, t.Height*t.Width*3)
	bounds := img.Bounds()
	if bounds.Empty() {
		return pixels
	}
	width, height := t.resized(bounds.Dx(), bounds.Dy())
	across, down := crop(width, t.Width), crop(height, t.Height)
	columns := t.Filter.taps(bounds.Dx(), width, across)
	rows := t.Filter.taps(bounds.Dy(), height, down)

	first, end := span(rows)
	narrow := resizeRows(img, columns, first, end)
	line := 3 * across.n
	sums := make([]int32, line)
	for i, row := range rows {
		for j := range sums {
			sums[j] = half
		}
		for k, weight := range row.weights {
			at := (row.first + k - first) * line
			for j, value := range narrow[at : at+line] {
				sums[j] += weight * int32(value)
			}
		}
		to := pixels[((down.to+i)*t.Width+across.to)*3:]
		for j, sum := range sums {
			to[j] = toByte(sum)
		}
	}
	return pixels
}

// resized returns the size of an image of width×height pixels once its shorter side has been
// resized to t.Resize.
func (t Transform) resized(width, height int) (int, int) {
	longer := func(long, short int) int { return int(float64(t.Resize) * float64(long) / float64(short)) }
	if width <= height {
		return t.Resize, longer(height, width)
	}
	return longer(width, height), t.Resize
}

// window is what a crop keeps of one side: n pixels, read from position from on and written
// to position to on.
type window struct{ from, to, n int }

// crop returns the centred window of want pixels on a side. Halves are rounded to even, as
// Python does. If the side is too short, an odd border pixel goes to the end.
func crop(side, want int) window {
	if side < want {
		return window{to: (want - side) / 2, n: side}
	}
	return window{from: int(math.RoundToEven(float64(side-want) / 2)), n: want}
}

// resizeRows is the horizontal pass: it resizes rows first to end−1 of the image to the given
// columns and returns [end−first, len(columns), 3] bytes.
func resizeRows(img image.Image, columns []taps, first, end int) []byte {
	left, right := span(columns)
	narrow := make([]byte, 0, 3*len(columns)*(end-first))
	// The image is converted to RGBA a strip at a time, so that there is never a second copy
	// of it in memory.
	strip := image.NewRGBA(image.Rect(0, 0, right-left, min(stripRows, end-first)))
	corner := img.Bounds().Min.Add(image.Pt(left, 0))
	for y := first; y < end; y += stripRows {
		part := strip.Rect
		part.Max.Y = min(stripRows, end-y)
		draw.Draw(strip, part, image.White, image.Point{}, draw.Src)
		draw.Draw(strip, part, img, corner.Add(image.Pt(0, y)), draw.Over)
		for row := range part.Max.Y {
			pixels := strip.Pix[row*strip.Stride : (row+1)*strip.Stride]
			for _, column := range columns {
				red, green, blue := int32(half), int32(half), int32(half)
				from := pixels[4*(column.first-left):]
				for i, weight := range column.weights {
					pixel := from[4*i : 4*i+4 : 4*i+4]
					red += weight * int32(pixel[0])
					green += weight * int32(pixel[1])
					blue += weight * int32(pixel[2])
				}
				narrow = append(narrow, toByte(red), toByte(green), toByte(blue))
			}
		}
	}
	return narrow
}
