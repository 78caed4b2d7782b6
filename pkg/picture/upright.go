package picture

import (
	"image"
	"image/draw"
)

// stripRows is the number of rows that are converted to RGBA at a time. Sixteen pixels of
// four bytes fill a line of the cache when rows become columns.
const stripRows = 16

// upright returns a picture that lies as EXIF's orientation says, turned and mirrored to be
// as it was seen.
func upright(picture image.Image, orientation int) image.Image {
	if orientation == 1 {
		return picture
	}
	bounds := picture.Bounds()
	width, height := bounds.Dx(), bounds.Dy()
	transposed := orientation >= 5
	size := image.Pt(width, height)
	if transposed {
		size = image.Pt(height, width)
	}
	turned := image.NewRGBA(image.Rectangle{Max: size})

	// Where the first pixel goes, and how far from a pixel those to its right and below it do.
	origin, right, below := 0, 4, turned.Stride
	if transposed {
		right, below = below, right
	}
	switch orientation {
	case 2, 3, 7, 8:
		origin, right = origin+right*(width-1), -right
	}
	switch orientation {
	case 3, 4, 6, 7:
		origin, below = origin+below*(height-1), -below
	}
	strip := image.NewRGBA(image.Rect(0, 0, width, min(stripRows, height)))
	for y := 0; y < height; y += stripRows {
		rows := min(stripRows, height-y)
		draw.Draw(strip, image.Rect(0, 0, width, rows), picture, bounds.Min.Add(image.Pt(0, y)), draw.Src)
		for x := range width {
			to := origin + x*right + y*below
			for row := range rows {
				from := row*strip.Stride + 4*x
				copy(turned.Pix[to:to+4], strip.Pix[from:from+4])
				to += below
			}
		}
	}
	return turned
}
