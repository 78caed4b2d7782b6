package picture

import (
	"encoding/binary"
	"image"
	"image/draw"
)

// orientation returns the orientation of the image that the EXIF data belongs to, 1 to 8 as
// EXIF numbers them, or 1 (upright) if the data does not say. EXIF data is a TIFF file whose
// first directory holds the tag: CIPA DC-008 (EXIF 2.32), section 4.6.4.
func orientation(exif []byte) int {
	const (
		tag, short = 0x0112, 3 // the orientation tag, and its type
		entry      = 12        // bytes of a directory entry
	)
	var order binary.ByteOrder
	switch {
	case hasPrefix(exif, "II*\x00"):
		order = binary.LittleEndian
	case hasPrefix(exif, "MM\x00*"):
		order = binary.BigEndian
	default:
		return 1
	}
	if len(exif) < 8 {
		return 1
	}
	at := uint64(order.Uint32(exif[4:]))
	if at+2 > uint64(len(exif)) {
		return 1
	}
	entries := int(order.Uint16(exif[at:]))
	directory := exif[at+2:]
	for range min(entries, len(directory)/entry) {
		if order.Uint16(directory) == tag && order.Uint16(directory[2:]) == short {
			if value := int(order.Uint16(directory[8:])); value >= 1 && value <= 8 {
				return value
			}
			return 1
		}
		directory = directory[entry:]
	}
	return 1
}

// stripRows is the number of rows that are converted to RGBA at a time. Where rows become
// columns, sixteen pixels of four bytes fill a cache line.
const stripRows = 16

// upright turns and mirrors an image with the given EXIF orientation so that it looks the
// way the photographer saw it.
func upright(img image.Image, orientation int) image.Image {
	if orientation == 1 {
		return img
	}
	bounds := img.Bounds()
	width, height := bounds.Dx(), bounds.Dy()
	transposed := orientation >= 5
	size := image.Pt(width, height)
	if transposed {
		size = image.Pt(height, width)
	}
	turned := image.NewRGBA(image.Rectangle{Max: size})

	// Offsets into turned.Pix: where the first pixel of img goes, and how far from any pixel
	// its right and its lower neighbour go.
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
		draw.Draw(strip, image.Rect(0, 0, width, rows), img, bounds.Min.Add(image.Pt(0, y)), draw.Src)
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
