// Package classmap shows where in a photograph a network found a class: it draws a class
// activation map over the part of the photograph that the network saw.
package classmap

import (
	"image"
	"image/color"
	"math"

	"golang.org/x/image/draw"

	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/picture"
)

// longest is the length of the longer side of a view, in pixels. Smaller photographs are
// enlarged by a whole number, so that their pixels are visible.
const longest = 640

// View is a photograph at a size for display, and the part of it that the network sees.
type View struct {
	photo *image.RGBA
	crop  image.Rectangle // may extend beyond the photograph, as that of a transform may
}

// NewView returns the view of a photograph that t transforms into the input of a network.
func NewView(photo image.Image, t picture.Transform) *View {
	from := photo.Bounds()
	height, width := viewSize(from.Dy(), from.Dx(), t)
	v := &View{image.NewRGBA(image.Rect(0, 0, width, height)), crop(t, height, width)}
	draw.Draw(v.photo, v.photo.Bounds(), image.White, image.Point{}, draw.Src)
	var scaler draw.Scaler = draw.NearestNeighbor
	if width < from.Dx() || height < from.Dy() {
		scaler = draw.BiLinear
	}
	scaler.Scale(v.photo, v.photo.Bounds(), photo, from, draw.Over, nil)
	return v
}

// viewSize returns the height and width of the view of a photograph. The crop of t fits
// within the longest side too, even where it extends beyond the photograph.
func viewSize(height, width int, t picture.Transform) (int, int) {
	cut := float64(min(height, width)) * float64(max(t.Height, t.Width)) / float64(t.Resize)
	longer := max(float64(height), float64(width), cut)
	scale := longest / longer
	if scale > 1 {
		scale = math.Floor(scale)
	}
	scaled := func(side int) int { return max(1, int(math.Round(scale*float64(side)))) }
	return scaled(height), scaled(width)
}

// crop returns the part that t cuts out, in pixels of a view of the given size: the centre,
// t.Height by t.Width pixels when the shorter side is scaled to t.Resize.
func crop(t picture.Transform, height, width int) image.Rectangle {
	scale := float64(min(height, width)) / float64(t.Resize)
	h, w := scale*float64(t.Height), scale*float64(t.Width)
	y, x := (float64(height)-h)/2, (float64(width)-w)/2
	round := func(v float64) int { return int(math.Round(v)) }
	r := image.Rect(round(x), round(y), round(x+w), round(y+h))
	r.Max.X, r.Max.Y = max(r.Max.X, r.Min.X+1), max(r.Max.Y, r.Min.Y+1)
	return r
}

// Draw returns the view with the map of a class over it, [height, width] row by row, in the
// colours of [figure.Overlay]. The part that the network did not see is darkened. The view
// is not changed.
func (v *View) Draw(values []float64, height, width int) image.Image {
	drawn := image.NewRGBA(v.photo.Rect)
	draw.Draw(drawn, drawn.Rect, v.photo, image.Point{}, draw.Src)
	draw.Draw(drawn, drawn.Rect, image.NewUniform(color.RGBA{A: 140}), image.Point{}, draw.Over)

	pixels := make([]byte, 0, 3*v.crop.Dx()*v.crop.Dy())
	for y := v.crop.Min.Y; y < v.crop.Max.Y; y++ {
		for x := v.crop.Min.X; x < v.crop.Max.X; x++ {
			pixel := v.photo.RGBAAt(x, y) // black beyond the photograph, as PyTorch pads
			pixels = append(pixels, pixel.R, pixel.G, pixel.B)
		}
	}
	pixels = figure.Overlay(pixels, values, v.crop.Dy(), v.crop.Dx(), height, width)
	for y := v.crop.Min.Y; y < v.crop.Max.Y; y++ {
		for x := v.crop.Min.X; x < v.crop.Max.X; x++ {
			drawn.SetRGBA(x, y, color.RGBA{pixels[0], pixels[1], pixels[2], 255}) // ignored beyond the photograph
			pixels = pixels[3:]
		}
	}
	return drawn
}
