package picture

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
)

// decodeGIF decodes the first frame onto its canvas, which is transparent where the frame does
// not reach.
func decodeGIF(content []byte) (image.Image, error) {
	config, err := gif.DecodeConfig(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	frame, err := gif.Decode(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	completePalette(frame)
	return onCanvas(frame, frame.Bounds().Min, image.Pt(config.Width, config.Height)), nil
}

// onCanvas returns the frame at the given place of a transparent canvas, or the frame itself if
// it fills the canvas.
func onCanvas(frame image.Image, at, size image.Point) image.Image {
	if at == (image.Point{}) && frame.Bounds().Min == at && frame.Bounds().Max == size {
		return frame
	}
	canvas := image.NewNRGBA(image.Rectangle{Max: size})
	place := image.Rectangle{Min: at, Max: at.Add(frame.Bounds().Size())}
	draw.Draw(canvas, place, frame, frame.Bounds().Min, draw.Src)
	return canvas
}

// completePalette adds black for the indices that a palette lacks: package image panics at
// them.
func completePalette(img image.Image) {
	p, ok := img.(*image.Paletted)
	if !ok || len(p.Palette) == 256 {
		return
	}
	most := byte(0)
	for _, index := range p.Pix {
		most = max(most, index)
	}
	for len(p.Palette) <= int(most) {
		p.Palette = append(p.Palette, color.RGBA{A: 255})
	}
}

// framesOfGIF reports whether there is more than one frame.
func framesOfGIF(content []byte) bool {
	const header, extension, descriptor = 13, 0x21, 0x2c
	table := func(flags byte) int { // the length of a colour table
		if flags&0x80 == 0 {
			return 0
		}
		return 3 << (flags&7 + 1)
	}
	skip := func(rest []byte, n int) []byte { return rest[min(n, len(rest)):] }
	blocks := func(rest []byte) []byte { // after the sub-blocks
		for len(rest) > 0 && rest[0] != 0 {
			rest = skip(rest, 1+int(rest[0]))
		}
		return skip(rest, 1)
	}
	if len(content) < header {
		return false
	}
	frames := 0
	for rest := skip(content, header+table(content[10])); len(rest) > 0; {
		switch rest[0] {
		case extension:
			rest = blocks(skip(rest, 2))
		case descriptor:
			if frames++; frames > 1 {
				return true
			}
			if len(rest) < 10 {
				return false
			}
			rest = blocks(skip(rest, 10+table(rest[9])+1))
		default:
			return false
		}
	}
	return false
}

// framesOfPNG reports whether the image is animated (APNG).
func framesOfPNG(content []byte) bool {
	const head, checksum = 8, 4
	for rest := content[len(pngSignature):]; len(rest) >= head+checksum; {
		length := uint64(binary.BigEndian.Uint32(rest))
		switch string(rest[4:8]) {
		case "acTL":
			return len(rest) >= head+4 && binary.BigEndian.Uint32(rest[head:]) > 1
		case "IDAT":
			return false
		}
		if length > uint64(len(rest)-head-checksum) {
			return false
		}
		rest = rest[head+length+checksum:]
	}
	return false
}

// framesOfTIFF reports whether there is more than one page.
func framesOfTIFF(content []byte) bool {
	if len(content) < 8 {
		return false
	}
	var order binary.ByteOrder = binary.LittleEndian
	if content[0] == 'M' {
		order = binary.BigEndian
	}
	at := uint64(order.Uint32(content[4:]))
	if at+2 > uint64(len(content)) {
		return false
	}
	next := at + 2 + 12*uint64(order.Uint16(content[at:]))
	return next+4 <= uint64(len(content)) && order.Uint32(content[next:]) != 0
}

// framesOfWebP reports whether there is more than one frame.
func framesOfWebP(content []byte) bool {
	frames := 0
	for name := range chunksOfWebP(content) {
		if name == "ANMF" {
			frames++
		}
	}
	return frames > 1
}

// frameOfWebP returns the first frame of an animated WebP image as a still image, and its place
// on the canvas. It returns nil for an image that is not animated.
func frameOfWebP(content []byte) (still []byte, at, size image.Point) {
	const header = 16 // place, size, duration and flags of the frame
	for name, data := range chunksOfWebP(content) {
		switch {
		case name == "VP8X" && len(data) >= 10:
			size = image.Pt(1+uint24(data[4:]), 1+uint24(data[7:]))
		case name == "ANMF" && len(data) > header:
			at = image.Pt(2*uint24(data), 2*uint24(data[3:]))
			canvas := append(make([]byte, 4), data[6:12]...) // flags, and the frame's size
			if hasPrefix(data[header:], "ALPH") {
				canvas[0] = 0x10
			}
			still = append(still, "RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00"...)
			still = append(append(still, canvas...), data[header:]...)
			binary.LittleEndian.PutUint32(still[4:], uint32(len(still)-8))
			return still, at, size
		}
	}
	return nil, image.Point{}, image.Point{}
}

func uint24(data []byte) int { return int(data[0]) | int(data[1])<<8 | int(data[2])<<16 }
