package figure

import "image/color"

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
