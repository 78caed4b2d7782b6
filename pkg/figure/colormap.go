package figure

import (
	"fmt"
	"image/color"
	"math"
)

// heat returns the colour of a value from 0 to 1: from dark violet through green to bright
// yellow. Equal steps of the value look equal, lightness rises all the way, and those who
// do not see red or green apart see the same order: it is Matplotlib's viridis, by nine of
// its colours.
func heat(part float64) color.RGBA {
	anchors := [...]color.RGBA{
		{0x44, 0x01, 0x54, 255},
		{0x47, 0x2d, 0x7b, 255},
		{0x3b, 0x52, 0x8b, 255},
		{0x2c, 0x72, 0x8e, 255},
		{0x21, 0x91, 0x8c, 255},
		{0x28, 0xae, 0x80, 255},
		{0x5e, 0xc9, 0x62, 255},
		{0xad, 0xdc, 0x30, 255},
		{0xfd, 0xe7, 0x25, 255},
	}
	at := max(0, min(part, 1)) * float64(len(anchors)-1)
	i := min(int(at), len(anchors)-2)
	return mix(anchors[i], anchors[i+1], at-float64(i))
}

// Colorize returns pixels, [height, width, 3], of values in rows, [height, width], for a
// [Tile] of an image grid. Colours go from dark violet for the least value to bright yellow
// for the greatest, as in [Contours]; equal values all have the darkest. What is not a
// finite number is white. It panics if there are not height·width values.
func Colorize(values []float64, height, width int) []byte {
	checkLength("Colorize: values", len(values), height, width, 1)
	pixels := make([]byte, 0, 3*len(values))
	for _, v := range scaled(values) {
		c := white
		if !math.IsNaN(v) {
			c = heat(v)
		}
		pixels = append(pixels, c.R, c.G, c.B)
	}
	return pixels
}

// Overlay returns the pixels of an image, [height, width, 3], with a heat map over them:
// values, [heatHeight, heatWidth], in the colours of [Colorize], enlarged to the size of the
// image by linear interpolation. The image shows through, most where the heat is least: it
// is for class activation maps. Where the heat is not a finite number the image stays as it
// is. Overlay leaves pixels alone; it panics if a length does not match its sizes.
func Overlay(pixels []byte, values []float64, height, width, heatHeight, heatWidth int) []byte {
	checkLength("Overlay: pixels", len(pixels), height, width, 3)
	checkLength("Overlay: values", len(values), heatHeight, heatWidth, 1)
	parts := scaled(values)
	rows, columns := stretch(heatHeight, height), stretch(heatWidth, width)
	blended := make([]byte, 0, len(pixels))
	for y, row := range rows {
		for x, column := range columns {
			at := func(y, x int) float64 { return parts[y*heatWidth+x] }
			upper := at(row.i, column.i)*(1-column.part) + at(row.i, column.next)*column.part
			lower := at(row.next, column.i)*(1-column.part) + at(row.next, column.next)*column.part
			v := upper*(1-row.part) + lower*row.part
			pixel := color.RGBA{A: 255}
			i := 3 * (y*width + x)
			pixel.R, pixel.G, pixel.B = pixels[i], pixels[i+1], pixels[i+2]
			if !math.IsNaN(v) {
				pixel = mix(pixel, heat(v), 0.45+0.15*v)
			}
			blended = append(blended, pixel.R, pixel.G, pixel.B)
		}
	}
	return blended
}

func checkLength(what string, length, height, width, channels int) {
	if height < 1 || width < 1 || length%(channels*width) != 0 || length/(channels*width) != height {
		panic(fmt.Sprintf("figure.%s: %d for %d×%d×%d", what, length, height, width, channels))
	}
}

// scaled returns the values from 0 for the least to 1 for the greatest, and NaN for what
// is not finite.
func scaled(values []float64) []float64 {
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

// blend is a mixture of two values in a row: of the one at i and part of the next.
type blend struct {
	i, next int
	part    float64
}

// stretch returns where the middles of size pixels are among count wider ones. Beyond the
// middles of the outermost, the value is theirs.
func stretch(count, size int) []blend {
	places := make([]blend, size)
	for k := range places {
		at := (float64(k)+0.5)*float64(count)/float64(size) - 0.5
		at = max(0, min(at, float64(count-1)))
		i := int(at)
		places[k] = blend{i, min(i+1, count-1), at - float64(i)}
	}
	return places
}
