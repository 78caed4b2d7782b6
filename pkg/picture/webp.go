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

// chunksOfWebP yields the name and the data of each chunk. In a truncated file, the data of
// the last chunk is what is left of it.
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
			// Data of odd length is followed by a padding byte.
			rest = rest[min(length+length&1, uint64(len(rest))):]
		}
	}
}

// sizeOfWebP returns the size of the image, of the canvas if it is animated. It refuses a still
// image or a first frame whose size differs from its canvas: the decoder sizes the alpha channel by the canvas and the colours
// by the frame, and would read beyond the smaller of the two.
func sizeOfWebP(content []byte) (image.Point, error) {
	if still, at, canvas := frameOfWebP(content); still != nil {
		size, err := sizeOfStillWebP(still)
		if err == nil && !(image.Rectangle{Min: at, Max: at.Add(size)}).In(image.Rectangle{Max: canvas}) {
			err = errors.New("webp: the first frame is outside the canvas")
		}
		return canvas, err
	}
	return sizeOfStillWebP(content)
}

func sizeOfStillWebP(content []byte) (image.Point, error) {
	for name, data := range chunksOfWebP(content) {
		switch name {
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

// sizeOfFrame returns the size in the header of a lossy or lossless frame.
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

// decodeWebP decodes the image. Lossy WebP stores luma as 16 to 235 and chroma as 16 to 240,
// as television does. The decoder leaves these as they are (golang.org/x/image v0.30), but
// package image expects the full range of JPEG, so they are converted.
//
// Of an animation it decodes the first frame, on a transparent canvas.
func decodeWebP(content []byte) (image.Image, error) {
	if still, at, canvas := frameOfWebP(content); still != nil {
		frame, err := decodeStillWebP(still)
		if err != nil {
			return nil, err
		}
		return onCanvas(frame, at, canvas), nil
	}
	return decodeStillWebP(content)
}

func decodeStillWebP(content []byte) (image.Image, error) {
	img, err := webp.Decode(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	switch lossy := img.(type) {
	case *image.YCbCr:
		toFullRange(lossy)
	case *image.NYCbCrA:
		toFullRange(&lossy.YCbCr)
	}
	return img, nil
}

func toFullRange(img *image.YCbCr) {
	var luma, chroma [256]byte
	for i := range 256 {
		luma[i] = byte(max(0, min(math.Round(float64(i-16)*255/219), 255)))
		chroma[i] = byte(max(0, min(math.Round(float64(i-128)*255/224+128), 255)))
	}
	for i, value := range img.Y {
		img.Y[i] = luma[value]
	}
	for i, value := range img.Cb {
		img.Cb[i] = chroma[value]
	}
	for i, value := range img.Cr {
		img.Cr[i] = chroma[value]
	}
}
