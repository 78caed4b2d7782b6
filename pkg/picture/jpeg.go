package picture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"
)

// maxScans bounds the scans of a JPEG picture. Programs write about ten of a progressive one;
// but one of a hundred bytes can go over all of a large picture, and a file of some MiB of
// them would take hours.
const maxScans = 100

var errScans = fmt.Errorf("has more than %d scans, the limit; save it as baseline JPEG or PNG", maxScans)

// sizeOfJPEG returns the size of the picture, which must not have too many scans.
func sizeOfJPEG(content []byte) (image.Point, error) {
	config, err := jpeg.DecodeConfig(bytes.NewReader(content))
	if err == nil && scansOfJPEG(content) > maxScans {
		err = errScans
	}
	return image.Pt(config.Width, config.Height), err
}

// scansOfJPEG returns how many scans there are up to the end of the picture. It goes from
// marker to marker as package image/jpeg does, which skips what lies between them.
func scansOfJPEG(content []byte) int {
	const marker, stuffed, restart0, restart7, endOfImage, startOfScan = 0xff, 0x00, 0xd0, 0xd7, 0xd9, 0xda
	scans := 0
	for rest := content[2:]; ; {
		at := bytes.IndexByte(rest, marker)
		if at < 0 {
			return scans
		}
		rest = rest[at:]
		for len(rest) > 0 && rest[0] == marker { // there may be more than one
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
		length := int(binary.BigEndian.Uint16(rest[1:])) // with its own two bytes
		rest = rest[min(1+max(length, 2), len(rest)):]
	}
}
