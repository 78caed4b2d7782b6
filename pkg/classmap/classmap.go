// Package classmap shows where in a photograph a network found a class: it draws the class
// activation map over the part that the network saw.
package classmap

import (
	"image"
	"image/color"
	"math"

	"golang.org/x/image/draw"

	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/picture"
)

// Longest is the length of a view's longer side, in pixels. Smaller pictures are enlarged
// by a whole number, so that their pixels can be seen.
const Longest = 640

// View is a photograph at a size to look at, and where in it the network's input is from.
type View struct {
	picture *image.RGBA
	crop    image.Rectangle // may reach beyond the picture, as the transform's may
}

// NewView returns the view of a photograph that t makes the input of a network.
func NewView(photo image.Image, t picture.Transform) *View {
	from := photo.Bounds()
	height, width := viewSize(from.Dy(), from.Dx(), t)
	v := &View{image.NewRGBA(image.Rect(0, 0, width, height)), crop(t, height, width)}
	draw.Draw(v.picture, v.picture.Bounds(), image.White, image.Point{}, draw.Src)
	var scaler draw.Scaler = draw.NearestNeighbor
	if width < from.Dx() || height < from.Dy() {
		scaler = draw.BiLinear
	}
	scaler.Scale(v.picture, v.picture.Bounds(), photo, from, draw.Over, nil)
	return v
}

// viewSize returns the size for a photograph's view, in which there is room for what t cuts
// out too, be it larger.
func viewSize(height, width int, t picture.Transform) (int, int) {
	cut := float64(min(height, width)) * float64(max(t.Height, t.Width)) / float64(t.Resize)
	longer := max(float64(height), float64(width), cut)
	scale := Longest / longer
	if scale > 1 {
		scale = math.Floor(scale)
	}
	scaled := func(side int) int { return max(1, int(math.Round(scale*float64(side)))) }
	return scaled(height), scaled(width)
}

// crop returns what t cuts out, in pixels of a view of the given size: the middle, which is
// t.Height by t.Width where the shorter side is t.Resize.
func crop(t picture.Transform, height, width int) image.Rectangle {
	scale := float64(min(height, width)) / float64(t.Resize)
	h, w := scale*float64(t.Height), scale*float64(t.Width)
	y, x := (float64(height)-h)/2, (float64(width)-w)/2
	round := func(v float64) int { return int(math.Round(v)) }
	r := image.Rect(round(x), round(y), round(x+w), round(y+h))
	r.Max.X, r.Max.Y = max(r.Max.X, r.Min.X+1), max(r.Max.Y, r.Min.Y+1)
	return r
}

// Draw returns the view with a class's map over it, [height, width] row by row, in the
// colours of [figure.Overlay]. What the network did not see is darker.
func (v *View) Draw(values []float64, height, width int) image.Image {
	drawn := image.NewRGBA(v.picture.Rect)
	draw.Draw(drawn, drawn.Rect, v.picture, image.Point{}, draw.Src)
	draw.Draw(drawn, drawn.Rect, image.NewUniform(color.RGBA{A: 140}), image.Point{}, draw.Over)

	pixels := make([]byte, 0, 3*v.crop.Dx()*v.crop.Dy())
	for y := v.crop.Min.Y; y < v.crop.Max.Y; y++ {
		for x := v.crop.Min.X; x < v.crop.Max.X; x++ {
			pixel := v.picture.RGBAAt(x, y) // beyond the picture: black, as PyTorch pads
			pixels = append(pixels, pixel.R, pixel.G, pixel.B)
		}
	}
	pixels = figure.Overlay(pixels, values, v.crop.Dy(), v.crop.Dx(), height, width)
	for y := v.crop.Min.Y; y < v.crop.Max.Y; y++ {
		for x := v.crop.Min.X; x < v.crop.Max.X; x++ {
			drawn.SetRGBA(x, y, color.RGBA{pixels[0], pixels[1], pixels[2], 255}) // nothing beyond the picture
			pixels = pixels[3:]
		}
	}
	return drawn
}
