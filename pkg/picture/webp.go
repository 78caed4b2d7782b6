package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"iter"
	"math"

	"golang.org/x/image/vp8"
	"golang.org/x/image/vp8l"
	"golang.org/x/image/webp"
)

var errAnimated = errors.New("is an animated WebP picture; save one frame of it as JPEG or PNG")

// chunksOfWebP yields the name and the data of each chunk. Of a file that is cut short the
// last has what is there.
// https://developers.google.com/speed/webp/docs/riff_container
func chunksOfWebP(content []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for rest := content[12:]; len(rest) >= 8; {
			name, length := string(rest[:4]), uint64(binary.LittleEndian.Uint32(rest[4:]))
			rest = rest[8:]
			data := rest[:min(length, uint64(len(rest)))]
			if !yield(name, data) {
				return
			}
			// Data of odd length have a byte of padding behind them.
			rest = rest[min(length+length&1, uint64(len(rest))):]
		}
	}
}

// sizeOfWebP returns the size of the picture, which must be that of the whole canvas: the
// decoder believes the canvas for the opacity and the frame for the colours.
func sizeOfWebP(content []byte) (image.Point, error) {
	for name, data := range chunksOfWebP(content) {
		const animation = 1 << 1
		switch name {
		case "VP8X":
			if len(data) > 0 && data[0]&animation != 0 {
				return image.Point{}, errAnimated
			}
			continue
		case "VP8 ", "VP8L":
		default:
			continue
		}
		frame, err := sizeOfFrame(name, data)
		if err != nil {
			return image.Point{}, err
		}
		config, err := webp.DecodeConfig(bytes.NewReader(content))
		if err != nil {
			return image.Point{}, err
		}
		if canvas := image.Pt(config.Width, config.Height); canvas != frame {
			return image.Point{}, errors.New("webp: the frame does not fill the canvas")
		}
		return frame, nil
	}
	return image.Point{}, errors.New("webp: no frame")
}

// sizeOfFrame returns what the header of a frame, lossy or lossless, says.
func sizeOfFrame(name string, data []byte) (image.Point, error) {
	if name == "VP8L" {
		config, err := vp8l.DecodeConfig(bytes.NewReader(data))
		return image.Pt(config.Width, config.Height), err
	}
	decoder := vp8.NewDecoder()
	decoder.Init(bytes.NewReader(data), len(data))
	header, err := decoder.DecodeFrameHeader()
	return image.Pt(header.Width, header.Height), err
}

// decodeWebP decodes the picture and gives its lossy frame the range of JPEG, the one that
// package image takes YCbCr to have: WebP's brightness is 16 to 235 and its colours 16 to
// 240, as in television, which the decoder leaves as it is (golang.org/x/image v0.30).
func decodeWebP(content []byte) (image.Image, error) {
	picture, err := webp.Decode(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	switch lossy := picture.(type) {
	case *image.YCbCr:
		widen(lossy)
	case *image.NYCbCrA:
		widen(&lossy.YCbCr)
	}
	return picture, nil
}

func widen(picture *image.YCbCr) {
	var brightness, colour [256]byte
	for i := range 256 {
		brightness[i] = byte(max(0, min(math.Round(float64(i-16)*255/219), 255)))
		colour[i] = byte(max(0, min(math.Round(float64(i-128)*255/224+128), 255)))
	}
	for i, value := range picture.Y {
		picture.Y[i] = brightness[value]
	}
	for i, value := range picture.Cb {
		picture.Cb[i] = colour[value]
	}
	for i, value := range picture.Cr {
		picture.Cr[i] = colour[value]
	}
}
