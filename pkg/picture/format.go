package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"strings"
)

// format is one that can be decoded.
type format struct {
	name string
	// size is what the header says, in pixels.
	size   func(content []byte) (image.Point, error)
	decode func(content []byte) (image.Image, error)
	// exif returns the EXIF data, empty if there are none.
	exif func(content []byte) []byte
}

// The first bytes of PNG and of JPEG.
const (
	pngSignature  = "\x89PNG\r\n\x1a\n"
	jpegSignature = "\xff\xd8\xff"
)

// formatOf tells the format by the content. Its error names what else it is.
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
		}, nil
	case hasPrefix(content, jpegSignature):
		return format{
			name:   "JPEG",
			size:   sizeOfJPEG,
			decode: func(content []byte) (image.Image, error) { return jpeg.Decode(bytes.NewReader(content)) },
			exif:   exifOfJPEG,
		}, nil
	case hasPrefix(content, "RIFF") && len(content) >= 12 && string(content[8:12]) == "WEBP":
		return format{
			name:   "WebP",
			size:   sizeOfWebP,
			decode: decodeWebP,
			exif:   exifOfWebP,
		}, nil
	case len(content) == 0:
		return format{}, errors.New("is no PNG, JPEG or WebP picture: it is empty")
	}
	if is := foreign(content); is != "" {
		return format{}, errors.New("is " + is)
	}
	return format{}, errors.New("is no PNG, JPEG or WebP picture")
}

// refusal is the error for a picture that its decoder does not take.
func (f format) refusal(err error) error {
	if errors.Is(err, errAnimated) || errors.Is(err, errScans) {
		return err
	}
	_, inJPEG := errors.AsType[jpeg.UnsupportedError](err)
	_, inPNG := errors.AsType[png.UnsupportedError](err)
	if inJPEG || inPNG {
		return fmt.Errorf("is a %s picture of a rare kind (%w); save it as PNG or baseline JPEG", f.name, err)
	}
	return fmt.Errorf("is damaged: %w", err)
}

// foreign says what the content is, and what to do, if it is of a format that people take
// for a picture and that is not decoded; otherwise it returns "".
func foreign(content []byte) string {
	const save = "; save it as JPEG or PNG"
	switch {
	case hasPrefix(content, "GIF87a"), hasPrefix(content, "GIF89a"):
		return "a GIF picture" + save
	case hasPrefix(content, "BM") && len(content) >= 26:
		return "a BMP picture" + save
	case hasPrefix(content, "II*\x00"), hasPrefix(content, "MM\x00*"):
		return "a TIFF picture" + save
	case hasPrefix(content, "\x00\x00\x00\x0cJXL \r\n"), hasPrefix(content, "\xff\x0a"):
		return "a JPEG XL picture" + save
	case hasPrefix(content, "\x00\x00\x00\x0cjP  \r\n"):
		return "a JPEG 2000 picture" + save
	case hasPrefix(content, "8BPS"):
		return "a Photoshop picture" + save
	case hasPrefix(content, "%PDF-"):
		return "a PDF document; save the picture in it as JPEG or PNG"
	}
	if name := nameOfBrands(content); name != "" {
		return name + save
	}
	text := strings.ToLower(string(bytes.TrimLeft(content[:min(len(content), 1024)], "\ufeff \t\r\n")))
	switch {
	case strings.HasPrefix(text, "<!doctype html"), strings.HasPrefix(text, "<html"):
		return "an HTML page; download the picture that it shows"
	case strings.HasPrefix(text, "<") && strings.Contains(text, "<svg"):
		return "an SVG drawing" + save
	}
	return ""
}

// nameOfBrands names a picture in a container as MP4's, which begins with the names of what
// it keeps to: its major brand, a version, and compatible brands.
// ISO/IEC 14496-12, section 4.3; ISO/IEC 23008-12, annex B.
func nameOfBrands(content []byte) string {
	if len(content) < 16 || string(content[4:8]) != "ftyp" {
		return ""
	}
	length := int(content[2])<<8 | int(content[3]) // of a box that is never long
	name := ""
	for at := 8; at+4 <= min(length, len(content)); at += 4 {
		switch string(content[at : at+4]) {
		case "avif", "avis":
			return "an AVIF picture"
		case "heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1":
			name = "a HEIC picture"
		}
	}
	return name
}

func hasPrefix(content []byte, prefix string) bool {
	return len(content) >= len(prefix) && string(content[:len(prefix)]) == prefix
}
