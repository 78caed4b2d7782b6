package picture

import (
	"fmt"
	"image"
	"image/draw"
	"math"
)

// Transform is how a picture becomes the input of a network, as torchvision's Resize and
// CenterCrop do it.
type Transform struct {
	// Resize is the length that the shorter side is scaled to, in pixels.
	Resize int `json:"resize"`
	// Height and Width are of the middle that is cut out of that.
	Height int `json:"height"`
	Width  int `json:"width"`
	// Filter is the one to scale with; "" stands for Bilinear.
	Filter Filter `json:"filter,omitempty"`
}

// maxSide bounds the sides of a Transform, and so the memory that Apply takes.
const maxSide = 4096

// Validate reports what is wrong with the transform: sizes of less than 1 or more than 4096
// pixels, and filters that are not there.
func (t Transform) Validate() error {
	for _, side := range []struct {
		name   string
		pixels int
	}{{"resize", t.Resize}, {"height", t.Height}, {"width", t.Width}} {
		if side.pixels < 1 || side.pixels > maxSide {
			return fmt.Errorf("transform of pictures: %s of %d pixels, want 1 to %d", side.name, side.pixels, maxSide)
		}
	}
	switch t.Filter {
	case "", Bilinear, Bicubic:
		return nil
	}
	return fmt.Errorf("transform of pictures: filter %q, want %s or %s", t.Filter, Bilinear, Bicubic)
}

// Apply returns the pixels of the transformed picture, [Height, Width, 3]: red, green and
// blue. The transform must be valid.
//
// The shorter side is scaled to Resize and the longer one with it, its length rounded down.
// Of the result the middle is cut out; where that is larger than the result, black is around
// it. Behind what is transparent is white. The bytes are equal to those of Pillow 9.4 under
// torchvision 0.14, which scales in two passes, both rounded to bytes.
func (t Transform) Apply(picture image.Image) []byte {
	pixels := make([]byte, t.Height*t.Width*3)
	bounds := picture.Bounds()
	if bounds.Empty() {
		return pixels
	}
	width, height := t.scaled(bounds.Dx(), bounds.Dy())
	across, down := crop(width, t.Width), crop(height, t.Height)
	columns := t.Filter.taps(bounds.Dx(), width, across)
	rows := t.Filter.taps(bounds.Dy(), height, down)

	first, end := span(rows)
	narrow := squeeze(picture, columns, first, end)
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

// scaled returns the size of a picture of width by height whose shorter side is Resize.
func (t Transform) scaled(width, height int) (int, int) {
	longer := func(long, short int) int { return int(float64(t.Resize) * float64(long) / float64(short)) }
	if width <= height {
		return t.Resize, longer(height, width)
	}
	return longer(width, height), t.Resize
}

// middle is the part of one side that is cut out: n pixels from from on, which go to those
// from to on.
type middle struct{ from, to, n int }

// crop returns the middle of a side for one of want pixels. Halves are rounded to even, as
// Python does it, and where the side is too short more goes behind it than before.
func crop(side, want int) middle {
	if side < want {
		return middle{to: (want - side) / 2, n: side}
	}
	return middle{from: int(math.RoundToEven(float64(side-want) / 2)), n: want}
}

// squeeze returns the rows from first to end of the picture, scaled to the columns and no
// more: [end−first, len(columns), 3].
func squeeze(picture image.Image, columns []taps, first, end int) []byte {
	left, right := span(columns)
	narrow := make([]byte, 0, 3*len(columns)*(end-first))
	// Converted a strip at a time, the picture is never there twice.
	strip := image.NewRGBA(image.Rect(0, 0, right-left, min(stripRows, end-first)))
	corner := picture.Bounds().Min.Add(image.Pt(left, 0))
	for y := first; y < end; y += stripRows {
		part := strip.Rect
		part.Max.Y = min(stripRows, end-y)
		draw.Draw(strip, part, image.White, image.Point{}, draw.Src)
		draw.Draw(strip, part, picture, corner.Add(image.Pt(0, y)), draw.Over)
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
