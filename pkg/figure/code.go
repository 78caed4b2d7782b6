package figure

import "image/color"

// Family is a kind of network: the two that the course compares.
type Family int

// The families.
const (
	Plain Family = iota
	Residual
)

// Depth is how deep a network is beside the others of the course.
type Depth int

// The depths. Of two networks in a figure one is Shallow and one Deep.
const (
	Shallow Depth = iota
	Deep
	Deepest
)

// DepthOf returns the depth of an image network by its number of layers: those of up to 30
// layers, such as ResNet-20, are shallow, those of up to 80, such as ResNet-56, are deep, and
// those beyond, such as ResNet-110, are the deepest.
func DepthOf(layers int) Depth {
	switch {
	case layers <= 30:
		return Shallow
	case layers <= 80:
		return Deep
	}
	return Deepest
}

// code is the code of colours: orange for plain networks, blue for residual ones, the darker
// the deeper. Every reader who sees colours tells orange from blue. No two colours are equally
// light, so the code survives a print in grey.
var code = [...][3]color.RGBA{
	Plain:    {{0xe6, 0x9f, 0x00, 255}, {0xcc, 0x55, 0x00, 255}, {0x7f, 0x2c, 0x00, 255}},
	Residual: {{0x3f, 0x9b, 0xd8, 255}, {0x00, 0x64, 0xa8, 255}, {0x08, 0x30, 0x5a, 255}},
}

// coded is an entry of code, or none.
type coded int

const (
	notCoded     coded = 0
	unknownCoded coded = -1
)

func (c coded) colour() color.RGBA {
	depths := len(code[0])
	return code[int(c-1)/depths][int(c-1)%depths]
}

// NetworkStyle returns the style of what is measured on a network: its colour, and a solid
// line. See [Style.Training] for measurements on training images.
func NetworkStyle(family Family, depth Depth) Style {
	if family < 0 || int(family) >= len(code) || depth < 0 || int(depth) >= len(code[family]) {
		return Style{coded: unknownCoded}
	}
	return Style{coded: coded(1 + int(family)*len(code[family]) + int(depth))}
}

// Training returns the style for the same network on its training images: a dashed line.
func (s Style) Training() Style {
	s.Dash = Dashed
	return s
}
