// Package picture turns photographs into network input: RGB bytes of a fixed size. It
// decodes PNG, JPEG and WebP within limits, turns images upright as their EXIF data says,
// and resizes and crops them exactly as torchvision does.
//
// [Read] and [Decode] return an image, and [Transform.Apply] turns it into input for a
// network. Where to find what:
//
//   - picture.go: reading and decoding, and the limits on file size and pixels
//   - format.go: detecting the format, with advice on formats that are not supported
//   - webp.go: guards against hostile, animated and inconsistent files
//   - internal/jpeg: the JPEG decoder
//   - exif.go: finding the EXIF data in a file
//   - orientation.go: reading the orientation from it and turning the image
//   - transform.go: resizing and cropping
//   - resample.go: the weights of the bilinear and the bicubic filter
//
// Some of it is written by hand although libraries exist. We need a single EXIF tag, which is
// not worth a dependency. The JPEG decoder and the resampler reproduce Pillow byte for byte,
// which image/jpeg and golang.org/x/image/draw do not. The guards protect the decoder of
// golang.org/x/image/webp, which does not check these things itself.
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

// Limits bound what is decoded. A zero field stands for its default.
type Limits struct {
	// Bytes is the maximum file size; 64 MiB by default.
	Bytes int64
	// Pixels is the maximum of width times height; 100 million by default. A tiny file can
	// claim to be huge.
	Pixels int
}

const (
	defaultBytes  = 64 << 20
	defaultPixels = 100_000_000
)

// IsImageName reports whether the file name has an extension that images have, in upper or
// lower case. Formats that [Decode] cannot read are included, so that somebody who has a
// HEIC file in a folder is told why it was not used.
func IsImageName(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp",
		".avif", ".bmp", ".gif", ".heic", ".heif", ".jp2", ".jxl", ".tif", ".tiff":
		return true
	}
	return false
}

// Read decodes the image file at path, as [Decode] does.
func Read(path string, limits Limits) (image.Image, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read an image: %w", err)
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a folder, want an image", path)
	}
	img, err := Decode(file, limits)
	if err != nil {
		return nil, fmt.Errorf("%s %w", path, err)
	}
	return img, nil
}

// Decode decodes a PNG, JPEG or WebP image and turns it upright if its EXIF data says that
// it is not. The content decides the format, not a file name. The size is checked against
// the limits before any pixel is decoded.
//
// A JPEG image may be baseline or progressive with at most 100 scans, in grey, colour or
// CMYK. Of an animated PNG the first frame is decoded; an animated WebP is an error. Colour
// profiles are ignored: all colours are taken as sRGB. The pixels of a JPEG image equal
// those that Pillow decodes with libjpeg-turbo. Those of a lossy WebP image differ a little:
// Pillow interpolates its chroma.
//
// Errors read as the end of a sentence that begins with the name of the image: "is not a
// PNG, JPEG or WebP image".
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
		return nil, f.explain(err)
	}
	if err := limits.checkSize(size); err != nil {
		return nil, err
	}
	img, err := f.decode(content)
	if err != nil {
		return nil, f.explain(err)
	}
	return upright(img, orientation(f.exif(content))), nil
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
		// The caller puts the path in front.
		if inner, ok := errors.AsType[*os.PathError](err); ok {
			err = inner.Err
		}
		return nil, fmt.Errorf("cannot be read: %w", err)
	case int64(len(content)) > limit:
		return nil, fmt.Errorf("has more than the limit of %d bytes; save it smaller", limit)
	}
	return content, nil
}

// checkSize returns an error for an image with more pixels than the limit.
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
