package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/png"
	"io"
	"strings"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"github.com/residual-go/residual/pkg/picture/internal/jpeg"
)

// format is a file format that can be decoded.
type format struct {
	name string
	// size returns the width and height from the header, in pixels.
	size   func(content []byte) (image.Point, error)
	decode func(content []byte) (image.Image, error)
	// exif returns the EXIF data, empty if there is none.
	exif func(content []byte) []byte
	// frames reports whether there are more frames or pages than one. It may be nil.
	frames func(content []byte) bool
}

// formats are the names of the formats that can be decoded.
const formats = "PNG, JPEG, WebP, GIF, BMP, TIFF or PNM"

// The first bytes of PNG and JPEG files.
const (
	pngSignature  = "\x89PNG\r\n\x1a\n"
	jpegSignature = "\xff\xd8\xff"
)

// formatOf detects the format from the content. For content that cannot be decoded, the
// error says what it is instead, if that is known.
func formatOf(content []byte) (format, error) {
	switch {
	case hasPrefix(content, pngSignature):
		return format{
			name: "PNG",
			size: func(content []byte) (image.Point, error) {
				config, err := png.DecodeConfig(bytes.NewReader(content))
				return image.Pt(config.Width, config.Height), err
			},
			decode: func(content []byte) (image.Image, error) { return png.Decode(bytes.NewReader(content)) },
			exif:   exifOfPNG,
			frames: framesOfPNG,
		}, nil
	case hasPrefix(content, jpegSignature):
		return format{
			name:   "JPEG",
			size:   jpeg.Size,
			decode: jpeg.Decode,
			exif:   exifOfJPEG,
		}, nil
	case hasPrefix(content, "RIFF") && len(content) >= 12 && string(content[8:12]) == "WEBP":
		return format{
			name:   "WebP",
			size:   sizeOfWebP,
			decode: decodeWebP,
			exif:   exifOfWebP,
			frames: framesOfWebP,
		}, nil
	case hasPrefix(content, "GIF87a"), hasPrefix(content, "GIF89a"):
		return format{
			name:   "GIF",
			size:   sizeBy(gif.DecodeConfig),
			decode: decodeGIF,
			exif:   noExif,
			frames: framesOfGIF,
		}, nil
	case hasPrefix(content, "BM") && len(content) >= 26:
		return format{
			name: "BMP",
			size: sizeBy(bmp.DecodeConfig),
			decode: func(content []byte) (image.Image, error) {
				img, err := bmp.Decode(bytes.NewReader(content))
				completePalette(img)
				return img, err
			},
			exif: noExif,
		}, nil
	case hasPrefix(content, "II*\x00"), hasPrefix(content, "MM\x00*"):
		return format{
			name:   "TIFF",
			size:   sizeBy(tiff.DecodeConfig),
			decode: decodeTIFF,
			exif:   func(content []byte) []byte { return content }, // EXIF data is a TIFF file
			frames: framesOfTIFF,
		}, nil
	case isPNM(content):
		return format{
			name:   "PNM",
			size:   sizeOfPNM,
			decode: decodePNM,
			exif:   noExif,
		}, nil
	case len(content) == 0:
		return format{}, &FormatError{"is not a " + formats + " image: it is empty"}
	}
	if is := unsupported(content); is != "" {
		return format{}, &FormatError{"is " + is}
	}
	return format{}, &FormatError{"is not a " + formats + " image"}
}

// sizeBy returns a function that reads the size with the decoder of a library.
func sizeBy(decodeConfig func(io.Reader) (image.Config, error)) func([]byte) (image.Point, error) {
	return func(content []byte) (image.Point, error) {
		config, err := decodeConfig(bytes.NewReader(content))
		return image.Pt(config.Width, config.Height), err
	}
}

func noExif([]byte) []byte { return nil }

// decodeTIFF decodes the first page. The decoder panics at some damaged files.
func decodeTIFF(content []byte) (img image.Image, err error) {
	defer func() {
		if problem := recover(); problem != nil {
			img, err = nil, fmt.Errorf("tiff: %v", problem)
		}
	}()
	img, err = tiff.Decode(bytes.NewReader(content))
	completePalette(img)
	return img, err
}

// A FormatError reports content in a format that Decode does not read.
type FormatError struct{ message string }

func (e *FormatError) Error() string { return e.message }

// explain turns an error of the decoder into the end of a sentence about the image.
func (f format) explain(err error) error {
	switch {
	case errors.Is(err, jpeg.ErrScans):
		return fmt.Errorf("has more than %d scans, the limit; save it as baseline JPEG or PNG", jpeg.MaxScans)
	}
	_, inJPEG := errors.AsType[jpeg.UnsupportedError](err)
	_, inPNG := errors.AsType[png.UnsupportedError](err)
	_, inTIFF := errors.AsType[tiff.UnsupportedError](err)
	if inJPEG || inPNG || inTIFF || errors.Is(err, bmp.ErrUnsupported) {
		return fmt.Errorf("is a %s image of an unsupported kind (%w); save it as PNG or baseline JPEG", f.name, err)
	}
	return fmt.Errorf("is damaged: %w", err)
}

// unsupported names a format that Decode cannot read but that people may expect it to, and
// says what to do about it. It returns "" for anything else.
func unsupported(content []byte) string {
	const save = "; save it as JPEG or PNG"
	switch {
	case hasPrefix(content, "II+\x00"), hasPrefix(content, "MM\x00+"):
		return "a BigTIFF image" + save
	case hasPrefix(content, "\x00\x00\x01\x00"):
		return "a Windows icon" + save
	case hasPrefix(content, "\x00\x00\x00\x0cJXL \r\n"), hasPrefix(content, "\xff\x0a"):
		return "a JPEG XL image" + save
	case hasPrefix(content, "\x00\x00\x00\x0cjP  \r\n"):
		return "a JPEG 2000 image" + save
	case hasPrefix(content, "8BPS"):
		return "a Photoshop file" + save
	case hasPrefix(content, "%PDF-"):
		return "a PDF document; save the image in it as JPEG or PNG"
	}
	if name := nameOfBrands(content); name != "" {
		return name + save
	}
	text := strings.ToLower(string(bytes.TrimLeft(content[:min(len(content), 1024)], "\ufeff \t\r\n")))
	switch {
	case strings.HasPrefix(text, "<!doctype html"), strings.HasPrefix(text, "<html"):
		return "an HTML page; download the image that it shows"
	case strings.HasPrefix(text, "<") && strings.Contains(text, "<svg"):
		return "an SVG drawing" + save
	}
	return ""
}

// nameOfBrands recognises images in an MP4-like container. Such a file begins with a list
// of the standards ("brands") that it follows: the major brand, a version, and compatible
// brands. ISO/IEC 14496-12, section 4.3; ISO/IEC 23008-12, annex B.
func nameOfBrands(content []byte) string {
	if len(content) < 16 || string(content[4:8]) != "ftyp" {
		return ""
	}
	length := int(content[2])<<8 | int(content[3]) // the box is never long: two bytes suffice
	name := ""
	for at := 8; at+4 <= min(length, len(content)); at += 4 {
		switch string(content[at : at+4]) {
		case "avif", "avis":
			return "an AVIF image"
		case "heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1":
			name = "a HEIC image"
		}
	}
	return name
}

func hasPrefix(content []byte, prefix string) bool {
	return len(content) >= len(prefix) && string(content[:len(prefix)]) == prefix
}
