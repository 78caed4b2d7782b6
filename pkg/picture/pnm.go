package picture

import (
	"errors"
	"fmt"
	"image"
	"io"
	"math"
)

// isPNM reports whether the content is one of the formats of Netpbm: PBM (P1, P4), PGM (P2, P5)
// or PPM (P3, P6), the first of each as text and the second in binary.
// https://netpbm.sourceforge.net/doc/pnm.html
func isPNM(content []byte) bool {
	return len(content) >= 3 && content[0] == 'P' && content[1] >= '1' && content[1] <= '6' && (isSpace(content[2]) || content[2] == '#')
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// pnm reads a PNM file from front to back. golang.org/x/image has no decoder for it.
type pnm struct {
	kind          byte // '1' to '6'
	width, height int
	most          int // the value of white
	rest          []byte
}

// openPNM reads the header.
func openPNM(content []byte) (*pnm, error) {
	p := &pnm{kind: content[1], most: 1, rest: content[2:]}
	fields := []*int{&p.width, &p.height, &p.most}
	if p.kind == '1' || p.kind == '4' {
		fields = fields[:2]
	}
	for _, field := range fields {
		value, err := p.number()
		if err != nil {
			return nil, err
		}
		*field = value
	}
	if p.most < 1 || p.most > math.MaxUint16 {
		return nil, fmt.Errorf("pnm: the largest value is %d, want 1 to %d", p.most, math.MaxUint16)
	}
	if len(p.rest) == 0 || !isSpace(p.rest[0]) && p.kind >= '4' {
		return nil, io.ErrUnexpectedEOF
	}
	if p.kind >= '4' {
		p.rest = p.rest[1:] // a single space ends the header
	}
	return p, nil
}

// skip skips white space and comments.
func (p *pnm) skip() {
	for len(p.rest) > 0 {
		switch {
		case isSpace(p.rest[0]):
			p.rest = p.rest[1:]
		case p.rest[0] == '#':
			for len(p.rest) > 0 && p.rest[0] != '\n' && p.rest[0] != '\r' {
				p.rest = p.rest[1:]
			}
		default:
			return
		}
	}
}

// number reads a decimal number.
func (p *pnm) number() (int, error) {
	p.skip()
	value, digits := 0, 0
	for len(p.rest) > 0 && p.rest[0] >= '0' && p.rest[0] <= '9' {
		value = value*10 + int(p.rest[0]-'0')
		p.rest = p.rest[1:]
		if digits++; digits > 9 {
			return 0, errors.New("pnm: a number is too long")
		}
	}
	switch {
	case digits > 0:
		return value, nil
	case len(p.rest) == 0:
		return 0, io.ErrUnexpectedEOF
	}
	return 0, fmt.Errorf("pnm: %q instead of a number", p.rest[0])
}

// sample reads the next value.
func (p *pnm) sample() (int, error) {
	switch {
	case p.kind == '1': // digits may follow each other without spaces
		p.skip()
		if len(p.rest) == 0 {
			return 0, io.ErrUnexpectedEOF
		}
		bit := p.rest[0]
		if bit != '0' && bit != '1' {
			return 0, fmt.Errorf("pnm: %q instead of a bit", bit)
		}
		p.rest = p.rest[1:]
		return int(bit - '0'), nil
	case p.kind < '4':
		value, err := p.number()
		if err == nil && value > p.most {
			err = fmt.Errorf("pnm: the value %d is above %d", value, p.most)
		}
		return value, err
	}
	size := 1
	if p.most > math.MaxUint8 {
		size = 2
	}
	if len(p.rest) < size {
		return 0, io.ErrUnexpectedEOF
	}
	value := int(p.rest[0])
	if size == 2 {
		value = value<<8 | int(p.rest[1])
	}
	p.rest = p.rest[size:]
	return value, nil
}

func sizeOfPNM(content []byte) (image.Point, error) {
	p, err := openPNM(content)
	if err != nil {
		return image.Point{}, err
	}
	return image.Pt(p.width, p.height), nil
}

// decodePNM decodes the image. Values are scaled to bytes with Pillow's rounding.
func decodePNM(content []byte) (image.Image, error) {
	p, err := openPNM(content)
	if err != nil {
		return nil, err
	}
	img := image.NewRGBA(image.Rect(0, 0, p.width, p.height))
	channels := 1
	if p.kind == '3' || p.kind == '6' {
		channels = 3
	}
	white := float64(p.most)
	set := func(pixel []byte, from, to int, value int) {
		level := byte(min(255, math.RoundToEven(float64(value)/white*255)))
		if p.kind == '1' || p.kind == '4' {
			level = 255 - level // 1 is black
		}
		for c := from; c < to; c++ {
			pixel[c] = level
		}
	}
	for y := range p.height {
		row := img.Pix[y*img.Stride : (y+1)*img.Stride]
		if p.kind == '4' { // eight pixels a byte; every row begins with a new one
			packed := (p.width + 7) / 8
			if len(p.rest) < packed {
				return nil, io.ErrUnexpectedEOF
			}
			for x := range p.width {
				set(row[4*x:], 0, 3, int(p.rest[x/8]>>(7-x%8)&1))
				row[4*x+3] = 255
			}
			p.rest = p.rest[packed:]
			continue
		}
		for x := range p.width {
			pixel := row[4*x : 4*x+4]
			pixel[3] = 255
			for c := range channels {
				value, err := p.sample()
				if err != nil {
					return nil, err
				}
				if channels == 1 {
					set(pixel, 0, 3, value)
				} else {
					set(pixel, c, c+1, value)
				}
			}
		}
	}
	return img, nil
}
