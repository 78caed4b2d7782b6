// Package picture turns photographs into what networks take: bytes of one size. It decodes
// PNG, JPEG and WebP, within limits, sets pictures upright as their EXIF data says, and
// scales and crops them as torchvision does.
//
// [Read] and [Decode] give a picture, and [Transform.Apply] a network's input of it.
package picture

import (
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Limits bound what is decoded. 0 stands for the default.
type Limits struct {
	// Bytes is the size of a file; 64 MiB by default.
	Bytes int64
	// Pixels is width times height; a small file can claim to be huge. 100 million by default.
	Pixels int
}

const (
	defaultBytes  = 64 << 20
	defaultPixels = 100_000_000
)

// IsPictureName reports whether a file's name ends as those of pictures do, in upper or
// lower case. That includes formats that Decode does not read: who looks through a folder is
// to be told of a HEIC file in it, rather than to wonder where it is.
func IsPictureName(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp",
		".avif", ".bmp", ".gif", ".heic", ".heif", ".jp2", ".jxl", ".tif", ".tiff":
		return true
	}
	return false
}

// Read decodes the picture in the file at path; see Decode.
func Read(path string, limits Limits) (image.Image, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read a picture: %w", err)
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a folder, want a picture", path)
	}
	picture, err := Decode(file, limits)
	if err != nil {
		return nil, fmt.Errorf("%s %w", path, err)
	}
	return picture, nil
}

// Decode decodes a picture, PNG, JPEG or WebP by its content, and sets it upright if its EXIF
// data says that it is not. Its size is held against the limits before it is decoded.
//
// JPEG is baseline or progressive of at most 100 scans, grey, in colour, or CMYK. An animated PNG gives its first
// frame, an animated WebP is an error. Colours are taken for sRGB, whatever profile there is.
// Lossy formats come out of Go's decoders as out of Pillow's but for rounding, and for
// colours stored at half the size, between which Pillow's interpolate.
//
// Its errors continue a sentence that begins with the picture's name: "is no PNG, JPEG or
// WebP picture".
func Decode(r io.Reader, limits Limits) (image.Image, error) {
	content, err := limits.read(r)
	if err != nil {
		return nil, err
	}
	f, err := formatOf(content)
	if err != nil {
		return nil, err
	}
	size, err := f.size(content)
	if err != nil {
		return nil, f.refusal(err)
	}
	if err := limits.checkSize(size); err != nil {
		return nil, err
	}
	picture, err := f.decode(content)
	if err != nil {
		return nil, f.refusal(err)
	}
	return upright(picture, orientation(f.exif(content))), nil
}

// read returns all of r.
func (l Limits) read(r io.Reader) ([]byte, error) {
	limit := l.Bytes
	if limit == 0 {
		limit = defaultBytes
	}
	content, err := io.ReadAll(io.LimitReader(r, limit+1))
	switch {
	case err != nil:
		// A path is said by who has it.
		if inner, ok := errors.AsType[*os.PathError](err); ok {
			err = inner.Err
		}
		return nil, fmt.Errorf("cannot be read: %w", err)
	case int64(len(content)) > limit:
		return nil, fmt.Errorf("has more than %d bytes, the limit; save it smaller", limit)
	}
	return content, nil
}

// checkSize is an error for a picture of more pixels than the limit.
func (l Limits) checkSize(size image.Point) error {
	limit := l.Pixels
	if limit == 0 {
		limit = defaultPixels
	}
	if size.X < 1 || size.Y < 1 || size.X > limit/size.Y {
		return fmt.Errorf("has %d×%d pixels, want 1 to %d in all; save it smaller", size.X, size.Y, limit)
	}
	return nil
}
