package picture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"
)

// maxScans bounds the number of scans in a JPEG image. Encoders write about ten for a
// progressive image, but a scan of a hundred bytes can make the decoder go over all pixels
// of a large image: a file of a few MiB full of them would take hours.
const maxScans = 100

var errScans = fmt.Errorf("has more than %d scans, the limit; save it as baseline JPEG or PNG", maxScans)

// sizeOfJPEG returns the size of the image, or errScans if it has too many scans.
func sizeOfJPEG(content []byte) (image.Point, error) {
	config, err := jpeg.DecodeConfig(bytes.NewReader(content))
	if err == nil && scansOfJPEG(content) > maxScans {
		err = errScans
	}
	return image.Pt(config.Width, config.Height), err
}

// scansOfJPEG counts the scans up to the end of the image. It goes from marker to marker as
// package image/jpeg does, which skips anything in between.
func scansOfJPEG(content []byte) int {
	const marker, stuffed, restart0, restart7, endOfImage, startOfScan = 0xff, 0x00, 0xd0, 0xd7, 0xd9, 0xda
	scans := 0
	for rest := content[2:]; ; {
		at := bytes.IndexByte(rest, marker)
		if at < 0 {
			return scans
		}
		rest = rest[at:]
		for len(rest) > 0 && rest[0] == marker { // may be repeated as filler
			rest = rest[1:]
		}
		if len(rest) < 3 {
			return scans
		}
		kind := rest[0]
		switch {
		case kind == endOfImage:
			return scans
		case kind == stuffed, restart0 <= kind && kind <= restart7:
			rest = rest[1:]
			continue
		case kind == startOfScan:
			scans++
		}
		length := int(binary.BigEndian.Uint16(rest[1:])) // includes its own two bytes
		rest = rest[min(1+max(length, 2), len(rest)):]
	}
}
