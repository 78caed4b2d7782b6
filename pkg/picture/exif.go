package picture

import (
	"bytes"
	"encoding/binary"
)

// exifHeader precedes the EXIF data in a JPEG file, and in some WebP files.
var exifHeader = []byte("Exif\x00\x00")

// exifOfJPEG returns the EXIF data from the APP1 segment that holds it.
func exifOfJPEG(content []byte) []byte {
	const marker, app1, startOfScan = 0xff, 0xe1, 0xda
	rest := content[2:]
	for len(rest) >= 4 && rest[0] == marker {
		if rest[1] == marker { // may be repeated as filler
			rest = rest[1:]
			continue
		}
		length := int(binary.BigEndian.Uint16(rest[2:])) // includes its own two bytes
		if rest[1] == startOfScan || length < 2 || length+2 > len(rest) {
			return nil
		}
		if data, ok := bytes.CutPrefix(rest[4:length+2], exifHeader); ok && rest[1] == app1 {
			return data
		}
		rest = rest[length+2:]
	}
	return nil
}

// exifOfPNG returns the data of the eXIf chunk.
func exifOfPNG(content []byte) []byte {
	const head, checksum = 8, 4
	rest := content[len(pngSignature):]
	for len(rest) >= head+checksum {
		length := uint64(binary.BigEndian.Uint32(rest))
		if length > uint64(len(rest)-head-checksum) {
			return nil
		}
		if string(rest[4:8]) == "eXIf" {
			return rest[head : head+length]
		}
		rest = rest[head+length+checksum:]
	}
	return nil
}

// exifOfWebP returns the data of the EXIF chunk.
func exifOfWebP(content []byte) []byte {
	for name, data := range chunksOfWebP(content) {
		if name == "EXIF" {
			return bytes.TrimPrefix(data, exifHeader)
		}
	}
	return nil
}
