package picture

import (
	"bytes"
	"encoding/binary"
)

// exifHeader stands before EXIF data in a JPEG file, and in some WebP files.
var exifHeader = []byte("Exif\x00\x00")

// orientation returns how the picture of the EXIF data lies, 1 to 8 as EXIF counts them; 1,
// upright, if the data do not say. CIPA DC-008 (EXIF 2.32), section 4.6.4; the data are a
// TIFF file, whose first directory has the tag.
func orientation(exif []byte) int {
	const (
		tag, short = 0x0112, 3 // the tag of the orientation, and its type
		entry      = 12        // bytes of a directory's entry
	)
	var order binary.ByteOrder
	switch {
	case hasPrefix(exif, "II*\x00"):
		order = binary.LittleEndian
	case hasPrefix(exif, "MM\x00*"):
		order = binary.BigEndian
	default:
		return 1
	}
	if len(exif) < 8 {
		return 1
	}
	at := uint64(order.Uint32(exif[4:]))
	if at+2 > uint64(len(exif)) {
		return 1
	}
	entries := int(order.Uint16(exif[at:]))
	directory := exif[at+2:]
	for range min(entries, len(directory)/entry) {
		if order.Uint16(directory) == tag && order.Uint16(directory[2:]) == short {
			if value := int(order.Uint16(directory[8:])); value >= 1 && value <= 8 {
				return value
			}
			return 1
		}
		directory = directory[entry:]
	}
	return 1
}

// exifOfJPEG returns the EXIF data in the segment for it, APP1.
func exifOfJPEG(content []byte) []byte {
	const marker, app1, startOfScan = 0xff, 0xe1, 0xda
	rest := content[2:]
	for len(rest) >= 4 && rest[0] == marker {
		if rest[1] == marker { // markers may have more than one 0xff before them
			rest = rest[1:]
			continue
		}
		length := int(binary.BigEndian.Uint16(rest[2:])) // with its own two bytes
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

// exifOfPNG returns the data of the chunk eXIf.
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

// exifOfWebP returns the data of the chunk EXIF.
func exifOfWebP(content []byte) []byte {
	for name, data := range chunksOfWebP(content) {
		if name == "EXIF" {
			return bytes.TrimPrefix(data, exifHeader)
		}
	}
	return nil
}
