// Package jpeg decodes JPEG images to exactly the pixels that Pillow, and therefore
// torchvision, gets. Pillow uses libjpeg-turbo; this package follows it in the inverse cosine
// transform, in the interpolation of subsampled chroma and in the conversion to RGB.
//
// It is written by hand because image/jpeg rounds its inverse cosine transform differently and
// gives no access to the coefficients. Nor does image/jpeg interpolate subsampled chroma.
// Bindings to libjpeg-turbo need cgo.
//
// Where to find what:
//
//   - jpeg.go: the segments of a file
//   - scan.go: the coefficients in a scan, sequential and progressive
//   - huffman.go: reading bits and Huffman codes
//   - idct.go: the inverse cosine transform
//   - pixels.go: chroma upsampling and conversion to RGB
//
// Baseline, extended sequential and progressive images with 8 bits, Huffman codes and one,
// three or four components are supported: grey, YCbCr or RGB, CMYK or YCCK.
//
// Three things differ from libjpeg-turbo. Damaged data is mostly an error, where libjpeg warns
// and carries on. libjpeg smooths progressive images that lack the last bits of some
// coefficients. And coefficients far outside the range of real images overflow in its vector
// code, but not here or in its C code.
//
// The standard is ITU-T T.81 (ISO/IEC 10918-1). Sections, tables and figures in comments refer
// to it.
package jpeg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"io"
)

// A FormatError reports that the file is not a valid JPEG image.
type FormatError string

func (e FormatError) Error() string { return "invalid JPEG format: " + string(e) }

// An UnsupportedError reports that the file uses a valid feature that is not implemented.
type UnsupportedError string

func (e UnsupportedError) Error() string { return "unsupported JPEG feature: " + string(e) }

// MaxScans bounds the number of scans. Encoders write about ten for a progressive image, but a
// scan of a hundred bytes can make the decoder go over all pixels of a large image: a file of
// a few MiB full of them would take hours.
const MaxScans = 100

// ErrScans is returned for an image with more than [MaxScans] scans.
var ErrScans = errors.New("too many scans")

// Markers: table B.1.
const (
	sof0  = 0xc0 // start of frame, baseline
	sof1  = 0xc1 // extended sequential
	sof2  = 0xc2 // progressive
	dht   = 0xc4 // define Huffman tables
	jpg   = 0xc8 // reserved
	dac   = 0xcc // define arithmetic coding
	sof15 = 0xcf // the last start of frame
	rst0  = 0xd0 // restart, modulo 8
	rst7  = 0xd7
	soi   = 0xd8 // start of image
	eoi   = 0xd9 // end of image
	sos   = 0xda // start of scan
	dqt   = 0xdb // define quantisation tables
	dri   = 0xdd // define restart interval
	app0  = 0xe0 // JFIF
	app14 = 0xee // Adobe
	tem   = 0x01 // a marker without a segment
)

// zigzag maps the position of a coefficient in the file to the one in a block, row by row
// (figure A.6). A run of zeros in a damaged file may lead up to 15 beyond the end.
var zigzag = [64 + 15]byte{
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
	63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63,
}

// block holds 8×8 coefficients, row by row.
type block [64]int16

// component is one colour of the image. Its samples are stored in blocks of 8×8.
type component struct {
	id   byte
	h, v int // sampling factors: the blocks in a unit
	// table is the number of the quantisation table, and quant what it holds at the first scan
	// of the component, row by row. quant is nil until then.
	table byte
	quant *[64]uint16

	width, height    int // in samples
	across, down     int // in blocks
	stride           int // in blocks, rounded up to full units
	expandX, expandY int // pixels per sample

	blocks []block // all blocks, unless everything is in one sequential scan
	// pix holds the samples of two rows of units: the previous and the current one.
	pix []byte
	// values has room for the values of a row of pixels, and for a pair at its end.
	values []byte
}

// decoder is the state while a file is read.
type decoder struct {
	in []byte // what has not been read

	width, height   int
	progressive     bool
	components      []component
	restartInterval int // in units; 0 if there are no restarts

	// A unit has h×v blocks of each component. Together they cover 8·maxH × 8·maxV pixels.
	maxH, maxV             int
	unitsAcross, unitsDown int

	quant   [4]*[64]uint16
	huffman [2][4]*huffman // DC and AC

	jfif      bool
	adobe     bool
	transform byte // in Adobe's segment

	scans int
	whole bool // the first scan is sequential and has all components

	colours colours
	pix     []byte // of the result: a byte for each pixel of a grey image, otherwise four
}

// Size returns the width and height of the image, in pixels. It reads no further than the
// header that holds them, and does not check whether they are 0.
func Size(content []byte) (image.Point, error) {
	d := decoder{in: content}
	for d.components == nil {
		if err := d.segment(); err != nil {
			return image.Point{}, err
		}
	}
	return image.Pt(d.width, d.height), nil
}

// Decode decodes a file. The result is an [*image.Gray] or, without transparency, an
// [*image.RGBA]. It takes as much memory as the header claims, so check [Size] first: one or
// four bytes for a pixel, and two more for each sample while an image of several scans is
// decoded.
func Decode(content []byte) (image.Image, error) {
	d := decoder{in: content}
	for !d.whole {
		err := d.segment()
		if err == errEnd {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if !d.whole {
		if err := d.inverse(); err != nil {
			return nil, err
		}
	}
	size := image.Rect(0, 0, d.width, d.height)
	if d.colours == grey {
		return &image.Gray{Pix: d.pix, Stride: d.width, Rect: size}, nil
	}
	return &image.RGBA{Pix: d.pix, Stride: 4 * d.width, Rect: size}, nil
}

// errEnd is returned by segment at the end of the image.
var errEnd = errors.New("end of image")

// nextMarker returns the next marker and the bytes after it. It skips any bytes before it.
func nextMarker(in []byte) (marker byte, rest []byte, err error) {
	for i := 0; i+1 < len(in); i++ {
		// 0xff may be repeated as filler; followed by 0 it is data.
		if marker := in[i+1]; in[i] == 0xff && marker != 0xff && marker != 0 {
			return marker, in[i+2:], nil
		}
	}
	return 0, nil, io.ErrUnexpectedEOF
}

// segment reads the next marker and its segment, and the scan if one follows.
func (d *decoder) segment() error {
	marker, rest, err := nextMarker(d.in)
	d.in = rest
	switch {
	case err != nil:
		return err
	case marker == eoi:
		return errEnd
	case marker == soi, marker == tem, rst0 <= marker && marker <= rst7:
		return nil
	}
	if len(d.in) < 2 {
		return io.ErrUnexpectedEOF
	}
	length := int(binary.BigEndian.Uint16(d.in)) // includes its own two bytes
	if length < 2 {
		return FormatError("short segment length")
	}
	if length > len(d.in) {
		return io.ErrUnexpectedEOF
	}
	data := d.in[2:length]
	d.in = d.in[length:]
	switch marker {
	case dht:
		return d.huffmanTables(data)
	case dqt:
		return d.quantisationTables(data)
	case dri:
		if len(data) != 2 {
			return FormatError("DRI has wrong length")
		}
		d.restartInterval = int(binary.BigEndian.Uint16(data))
	case sof0, sof1, sof2:
		d.progressive = marker == sof2
		return d.frame(data)
	case jpg, dac:
		return UnsupportedError(fmt.Sprintf("marker %#x", marker))
	case sos:
		return d.scan(data)
	case app0:
		d.jfif = d.jfif || len(data) >= 14 && string(data[:5]) == "JFIF\x00"
	case app14:
		if len(data) >= 12 && string(data[:5]) == "Adobe" {
			d.adobe, d.transform = true, data[11]
		}
	default:
		if sof0 <= marker && marker <= sof15 {
			return UnsupportedError(fmt.Sprintf("frame of kind %#x: lossless, hierarchical or arithmetic coding", marker))
		}
	}
	return nil
}

// quantisationTables reads a DQT segment: section B.2.4.1.
func (d *decoder) quantisationTables(data []byte) error {
	for len(data) > 0 {
		precision, number := data[0]>>4, data[0]&15
		data = data[1:]
		if precision > 1 || number > 3 {
			return FormatError("bad quantization table")
		}
		size := 1 + int(precision) // bytes of an element
		if len(data) < 64*size {
			return FormatError("DQT has wrong length")
		}
		table := new([64]uint16)
		for i := range table {
			if precision == 0 {
				table[zigzag[i]] = uint16(data[i])
			} else {
				table[zigzag[i]] = binary.BigEndian.Uint16(data[2*i:])
			}
		}
		d.quant[number] = table
		data = data[64*size:]
	}
	return nil
}

// frame reads a SOF segment: section B.2.2.
func (d *decoder) frame(data []byte) error {
	const head, each = 6, 3 // bytes before the components, and for each of them
	if d.components != nil {
		return FormatError("multiple SOF markers")
	}
	if len(data) < head || len(data) != head+each*int(data[5]) {
		return FormatError("SOF has wrong length")
	}
	if data[0] != 8 {
		return UnsupportedError(fmt.Sprintf("%d bits", data[0]))
	}
	switch data[5] {
	case 1, 3, 4:
	default:
		return UnsupportedError(fmt.Sprintf("%d components", data[5]))
	}
	d.height = int(binary.BigEndian.Uint16(data[1:]))
	d.width = int(binary.BigEndian.Uint16(data[3:]))
	for data = data[head:]; len(data) > 0; data = data[each:] {
		c := component{id: data[0], h: int(data[1] >> 4), v: int(data[1] & 15), table: data[2]}
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 || c.table > 3 {
			return FormatError("bad sampling factors or quantization table of a component")
		}
		d.maxH, d.maxV = max(d.maxH, c.h), max(d.maxV, c.v)
		d.components = append(d.components, c)
	}
	if len(d.components) == 1 { // a single component is not subsampled, whatever its factors
		c := &d.components[0]
		c.h, c.v, d.maxH, d.maxV = 1, 1, 1, 1
	}
	d.unitsAcross, d.unitsDown = ceil(d.width, 8*d.maxH), ceil(d.height, 8*d.maxV)
	for i := range d.components {
		c := &d.components[i]
		if d.maxH%c.h != 0 || d.maxV%c.v != 0 {
			return UnsupportedError("subsampling by a fraction")
		}
		c.width, c.height = ceil(d.width*c.h, d.maxH), ceil(d.height*c.v, d.maxV)
		c.across, c.down = ceil(c.width, 8), ceil(c.height, 8)
		c.stride = d.unitsAcross * c.h
		c.expandX, c.expandY = d.maxH/c.h, d.maxV/c.v
	}
	return nil
}

// start allocates memory before the first scan.
func (d *decoder) start() {
	d.colours = d.coloursOf()
	bytes := 4
	if d.colours == grey {
		bytes = 1
	}
	d.pix = make([]byte, bytes*d.width*d.height)
	for i := range d.components {
		c := &d.components[i]
		c.pix = make([]byte, 2*64*c.v*c.stride)
		c.values = make([]byte, d.width+2)
		if !d.whole {
			c.blocks = make([]block, d.unitsDown*c.v*c.stride)
		}
	}
}

// ceil returns a/b, rounded up.
func ceil(a, b int) int { return (a + b - 1) / b }

// inverse computes the image from the coefficients of all scans.
func (d *decoder) inverse() error {
	if d.scans == 0 {
		return FormatError("missing SOS marker")
	}
	for i := range d.components {
		if d.components[i].quant == nil {
			return FormatError("missing scan of a component")
		}
	}
	for unit := range d.unitsDown {
		for i := range d.components {
			c := &d.components[i]
			for row := range c.v {
				for column := range c.stride {
					b := c.blocks[(unit*c.v+row)*c.stride+column]
					for i := range b {
						b[i] = int16(int32(b[i]) * int32(c.quant[i]))
					}
					inverse(&b, c.at(row, column), 8*c.stride)
				}
			}
		}
		d.paint(unit)
	}
	return nil
}

// coloursOf returns what the components are, as default_decompress_parms in libjpeg's
// jdapimin.c decides it.
func (d *decoder) coloursOf() colours {
	const none = 0 // a value of transform
	switch {
	case len(d.components) == 1:
		return grey
	case len(d.components) == 4:
		if d.adobe && d.transform != none {
			return ycck
		}
		return cmyk
	case d.jfif:
		return ycc
	case d.adobe:
		if d.transform == none {
			return rgb
		}
		return ycc
	}
	if c := d.components; c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B' {
		return rgb
	}
	return ycc
}
