package figure

import (
	"fmt"
	"image/color"
	"math"
)

// Colorize returns the pixels, [height, width, 3], of a heat map for a [Tile] of an image
// grid. The values are row by row, [height, width]. Colours go from dark violet for the
// least value to bright yellow for the greatest, as in [Contours]; if all values are equal,
// all are dark violet. NaN and infinities are white. Colorize panics if there are not
// height·width values.
func Colorize(values []float64, height, width int) []byte {
	checkLength("Colorize: values", len(values), height, width, 1)
	pixels := make([]byte, 0, 3*len(values))
	for _, v := range toUnit(values) {
		c := white
		if !math.IsNaN(v) {
			c = heat(v)
		}
		pixels = append(pixels, c.R, c.G, c.B)
	}
	return pixels
}

// Overlay returns the pixels of an image, [height, width, 3], with a heat map over it:
// values, [heatHeight, heatWidth], in the colours of [Colorize], enlarged to the size of
// the image by linear interpolation. It is meant for class activation maps: the image shows
// through, most clearly where the heat is least. Where the heat is NaN or infinite, the
// image is unchanged. Overlay does not modify pixels. It panics if a length does not match
// its sizes.
func Overlay(pixels []byte, values []float64, height, width, heatHeight, heatWidth int) []byte {
	checkLength("Overlay: pixels", len(pixels), height, width, 3)
	checkLength("Overlay: values", len(values), heatHeight, heatWidth, 1)
	return overlay(pixels, toUnit(values), height, width, heatHeight, heatWidth, func(pixel color.RGBA, v float64) color.RGBA {
		return mix(pixel, heat(v), 0.45+0.15*v)
	})
}

// overlay returns the pixels of an image, each blended with the value over it. The parts are
// from 0 to 1. Where they are NaN, the image is unchanged.
func overlay(pixels []byte, parts []float64, height, width, heatHeight, heatWidth int, blended func(pixel color.RGBA, v float64) color.RGBA) []byte {
	rows, columns := stretch(heatHeight, height), stretch(heatWidth, width)
	result := make([]byte, 0, len(pixels))
	for y, row := range rows {
		for x, column := range columns {
			at := func(y, x int) float64 { return parts[y*heatWidth+x] }
			upper := column.between(at(row.i, column.i), at(row.i, column.next))
			lower := column.between(at(row.next, column.i), at(row.next, column.next))
			v := row.between(upper, lower)
			i := 3 * (y*width + x)
			pixel := color.RGBA{pixels[i], pixels[i+1], pixels[i+2], 255}
			if !math.IsNaN(v) {
				pixel = blended(pixel, v)
			}
			result = append(result, pixel.R, pixel.G, pixel.B)
		}
	}
	return result
}

// HeatScale is a colour scale for heat maps that are to be compared: a value has the same
// colour in all of them. Values outside the scale have the colour of the nearer end.
type HeatScale struct {
	// Low and High are the ends of the scale; Low is less than High.
	Low, High float64
	// Label says beside the colour bar what the values are.
	Label string
}

// Colorize is like the function [Colorize], with the colours of the scale.
func (s HeatScale) Colorize(values []float64, height, width int) []byte {
	checkLength("HeatScale.Colorize: values", len(values), height, width, 1)
	pixels := make([]byte, 0, 3*len(values))
	for _, v := range s.parts(values) {
		c := white
		if !math.IsNaN(v) {
			c = heat(v)
		}
		pixels = append(pixels, c.R, c.G, c.B)
	}
	return pixels
}

// Overlay is like the function [Overlay], with the colours of the scale. It draws the image in
// grey, so that every colour is one of the heat map's, and the more clearly the lower the heat.
func (s HeatScale) Overlay(pixels []byte, values []float64, height, width, heatHeight, heatWidth int) []byte {
	checkLength("HeatScale.Overlay: pixels", len(pixels), height, width, 3)
	checkLength("HeatScale.Overlay: values", len(values), heatHeight, heatWidth, 1)
	return overlay(pixels, s.parts(values), height, width, heatHeight, heatWidth, func(pixel color.RGBA, v float64) color.RGBA {
		grey := color.GrayModel.Convert(pixel).(color.Gray).Y
		return mix(color.RGBA{grey, grey, grey, 255}, heat(v), 0.35+0.4*v)
	})
}

// Bar draws the scale as a colour bar beside an [ImageGrid].
func (s HeatScale) Bar() Option { return func(o *options) { o.heatScale = &s } }

// parts returns the places of values on the scale, from 0 to 1. What cannot be drawn becomes NaN.
func (s HeatScale) parts(values []float64) []float64 {
	parts := make([]float64, len(values))
	for i, v := range values {
		parts[i] = math.NaN()
		if drawable(v) {
			parts[i] = max(0, min((v-s.Low)/(s.High-s.Low), 1))
		}
	}
	return parts
}

func checkLength(what string, length, height, width, channels int) {
	if height < 1 || width < 1 || length%(channels*width) != 0 || length/(channels*width) != height {
		panic(fmt.Sprintf("figure.%s: length %d, want %d×%d×%d", what, length, height, width, channels))
	}
}

// toUnit scales the values so that the least is 0 and the greatest 1. What cannot be drawn
// becomes NaN.
func toUnit(values []float64) []float64 {
	var e extent
	for _, v := range values {
		if drawable(v) {
			e.include(v)
		}
	}
	parts := make([]float64, len(values))
	for i, v := range values {
		switch {
		case !drawable(v):
			parts[i] = math.NaN()
		case e.high > e.low:
			parts[i] = (v - e.low) / (e.high - e.low)
		}
	}
	return parts
}

// blend is a mixture of two neighbours in a row of values: of the one at i and the one at
// next, which has the weight part.
type blend struct {
	i, next int
	part    float64
}

// between returns the mixture of the value at i and the next.
func (b blend) between(v, next float64) float64 { return v*(1-b.part) + next*b.part }

// stretch returns, for each of size pixels, between the centres of which two of count
// larger pixels it lies. Beyond the outermost centres it is the outermost pixel alone.
func stretch(count, size int) []blend {
	blends := make([]blend, size)
	for k := range blends {
		at := (float64(k)+0.5)*float64(count)/float64(size) - 0.5
		at = max(0, min(at, float64(count-1)))
		i := int(at)
		blends[k] = blend{i, min(i+1, count-1), at - float64(i)}
	}
	return blends
}
