package jpeg

import "encoding/binary"

// colours is what the components of an image are.
type colours int

const (
	grey colours = iota
	ycc          // luma, blue and red chroma
	rgb          // red, green and blue
	cmyk         // cyan, magenta, yellow and black, all inverted
	ycck         // cyan, magenta and yellow as ycc, and inverted black
)

// at returns where the samples of a block go in the current row of units.
func (c *component) at(row, column int) []byte {
	return c.pix[64*(c.v+row)*c.stride+8*column:]
}

// paint computes pixels of the result from the samples of a row of units and of the previous
// one. It leaves the last rows of pixels, which need samples of the next row, to the next call.
func (d *decoder) paint(unit int) {
	first, end := unit*8*d.maxV, (unit+1)*8*d.maxV
	if unit > 0 {
		first -= d.maxV
	}
	if end -= d.maxV; unit == d.unitsDown-1 {
		end = d.height
	}
	bytes := len(d.pix) / (d.width * d.height)
	for y := first; y < end; y++ {
		var rows [4][]byte
		for i := range d.components {
			rows[i] = d.components[i].row(y, unit)
		}
		d.colours.convert(&rows, d.pix[bytes*d.width*y:bytes*d.width*(y+1)])
	}
	for i := range d.components {
		pix := d.components[i].pix
		copy(pix[:len(pix)/2], pix[len(pix)/2:])
	}
}

// row returns the values of the component for row y of the image: the samples, or values
// interpolated between them. Which filter is used when, and how it rounds, is as in libjpeg's
// jdsample.c. It rounds up and down in turn to avoid a bias.
func (c *component) row(y, unit int) []byte {
	sample := y / c.expandY
	from := c.samples(sample, unit)
	if c.expandX == 1 && c.expandY == 1 {
		return from
	}
	odd := y % c.expandY
	beside := from // the nearest other row
	if c.expandY == 2 {
		beside = c.samples(sample-1+2*odd, unit)
	}
	fancy := c.width > 2
	switch {
	case c.expandX == 1 && c.expandY == 2:
		down(from, beside, c.values, 1+odd)
	case c.expandX == 2 && c.expandY == 1 && fancy:
		across(from, c.values)
	case c.expandX == 2 && c.expandY == 2 && fancy:
		acrossAndDown(from, beside, c.values)
	default:
		values := c.values
		for _, v := range from {
			for range min(c.expandX, len(values)) {
				values[0] = v
				values = values[1:]
			}
		}
	}
	return c.values
}

// samples returns a row of samples. Above the first and below the last row it repeats them.
func (c *component) samples(row, unit int) []byte {
	row = max(0, min(row, c.height-1))
	at := 8 * c.stride * (row - 8*c.v*(unit-1)) // pix begins with the previous row of units
	return c.pix[at : at+c.width]
}

// down interpolates between two rows of samples: three quarters of one and a quarter of the
// other. It is h1v2_fancy_upsample.
func down(from, beside, to []byte, round int) {
	beside, to = beside[:len(from)], to[:len(from)]
	for i, v := range from {
		to[i] = byte((3*int(v) + int(beside[i]) + round) >> 2)
	}
}

// across interpolates two values for each sample of a row. It is h2v1_fancy_upsample.
func across(from, to []byte) {
	left, here := int(from[0]), int(from[0])
	for i, right := range from[1:] {
		pair := to[2*i : 2*i+2]
		right := int(right)
		pair[0], pair[1] = byte((3*here+left+1)>>2), byte((3*here+right+2)>>2)
		left, here = here, right
	}
	pair := to[2*len(from)-2:]
	pair[0], pair[1] = byte((3*here+left+1)>>2), byte(here)
}

// acrossAndDown interpolates both between two rows and between the samples of a row. It is
// h2v2_fancy_upsample.
func acrossAndDown(from, beside, to []byte) {
	beside = beside[:len(from)]
	sum := 3*int(from[0]) + int(beside[0])
	left, here := sum, sum
	for i := 1; i < len(from); i++ {
		pair := to[2*i-2 : 2*i]
		right := 3*int(from[i]) + int(beside[i])
		pair[0], pair[1] = byte((3*here+left+8)>>4), byte((3*here+right+7)>>4)
		left, here = here, right
	}
	pair := to[2*len(from)-2:]
	pair[0], pair[1] = byte((3*here+left+8)>>4), byte((4*here+7)>>4)
}

// convert makes a row of pixels from a row of each component. Pixels have a byte if the image
// is grey, and otherwise red, green, blue and 255.
func (c colours) convert(rows *[4][]byte, to []byte) {
	switch c {
	case grey:
		copy(to, rows[0])
	case ycc:
		convertYCC(rows, to)
	case rgb:
		for i := range len(to) / 4 {
			to[4*i], to[4*i+1], to[4*i+2], to[4*i+3] = rows[0][i], rows[1][i], rows[2][i], 255
		}
	case cmyk:
		for i := range len(to) / 4 {
			to[4*i], to[4*i+1], to[4*i+2], to[4*i+3] = ^rows[0][i], ^rows[1][i], ^rows[2][i], 255
		}
		addBlack(rows[3], to)
	case ycck:
		convertYCC(rows, to)
		addBlack(rows[3], to)
	}
}

// convertYCC is ycc_rgb_convert in libjpeg's jdcolor.c, with multiplications for its tables.
func convertYCC(rows *[4][]byte, to []byte) {
	const (
		shift = 16
		half  = 1 << (shift - 1)
	)
	n := len(to) / 4
	luma, blue, red := rows[0][:n], rows[1][:n], rows[2][:n]
	for i := range luma {
		y := int32(luma[i])<<shift + half
		cb, cr := int32(blue[i])-128, int32(red[i])-128
		r := (y + 91881*cr) >> shift            // 1.402
		g := (y - 22554*cb - 46802*cr) >> shift // 0.34414 and 0.71414
		b := (y + 116130*cb) >> shift           // 1.772
		if uint32(r|g|b) > 255 {
			r, g, b = clamp(r), clamp(g), clamp(b)
		}
		// One write is faster than four.
		binary.LittleEndian.PutUint32(to[4*i:], uint32(r)|uint32(g)<<8|uint32(b)<<16|255<<24)
	}
}

// addBlack turns cyan, magenta and yellow into red, green and blue; light is inverted black. It
// is cmyk2rgb in Pillow's src/libImaging/Convert.c.
func addBlack(light, to []byte) {
	for i := range len(to) / 4 {
		for j, ink := range to[4*i : 4*i+3] {
			product := uint(ink)*uint(light[i]) + 128
			to[4*i+j] = light[i] - byte((product+product>>8)>>8)
		}
	}
}
