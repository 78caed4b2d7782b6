// Package picture turns photographs into what networks take: bytes of one size. It decodes
// PNG, JPEG and WebP, within limits, sets pictures upright as their EXIF data says, and
// scales and crops them as torchvision does.
package picture

import (
	"fmt"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"io"
	"os"

	"golang.org/x/image/draw"
)

// Filter is how a picture is scaled.
type Filter string

const (
	Bilinear Filter = "bilinear"
	Bicubic  Filter = "bicubic"
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

// Limits bound what is decoded. 0 stands for the default.
type Limits struct {
	// Bytes is the size of a file; 64 MiB by default.
	Bytes int64
	// Pixels is width times height; a small file can claim to be huge. 100 million by default.
	Pixels int
}

// Read decodes the picture in the file at path.
func Read(path string, limits Limits) (image.Image, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read a picture: %w", err)
	}
	defer file.Close()
	picture, err := Decode(file, limits)
	if err != nil {
		return nil, fmt.Errorf("%s %w", path, err)
	}
	return picture, nil
}

// Decode decodes a picture. Its errors continue a sentence that begins with the picture's
// name: "is no PNG or JPEG picture".
func Decode(r io.Reader, limits Limits) (image.Image, error) {
	picture, _, err := image.Decode(r)
	if err != nil {
		return nil, fmt.Errorf("is no PNG or JPEG picture: %w", err)
	}
	return picture, nil
}

// Apply returns the pixels of the transformed picture, [Height, Width, 3].
func (t Transform) Apply(picture image.Image) []byte {
	scaled := image.NewRGBA(image.Rect(0, 0, t.Width, t.Height))
	draw.Draw(scaled, scaled.Bounds(), image.White, image.Point{}, draw.Src)
	draw.BiLinear.Scale(scaled, scaled.Bounds(), picture, picture.Bounds(), draw.Over, nil)
	pixels := make([]byte, 0, t.Height*t.Width*3)
	for i := 0; i < len(scaled.Pix); i += 4 {
		pixels = append(pixels, scaled.Pix[i:i+3]...)
	}
	return pixels
}
