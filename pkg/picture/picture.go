// Package picture turns photographs into network input: RGB bytes of a fixed size. It
// decodes PNG, JPEG, WebP, GIF, BMP, TIFF and PNM within limits, turns images upright as their EXIF data says,
// and resizes and crops them exactly as torchvision does.
//
// [Read] and [Decode] return an image, and [Transform.Apply] turns it into input for a
// network. Where to find what:
//
//   - picture.go: reading and decoding, and the limits on file size and pixels
//   - format.go: detecting the format, with advice on formats that are not supported
//   - webp.go: guards against hostile, animated and inconsistent files
//   - internal/jpeg: the JPEG decoder
//   - pnm.go: decoding PBM, PGM and PPM
//   - frames.go: the first frame of an animation
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
		".apng", ".bmp", ".dib", ".gif", ".tif", ".tiff", ".pbm", ".pgm", ".pnm", ".ppm",
		".avif", ".heic", ".heif", ".ico", ".j2k", ".jp2", ".jpx", ".jxl", ".psd", ".tga":
		return true
	}
	return false
}

// Read decodes the image file at path, as [Decode] does. Unlike those of Decode, its errors name the
// image.
func Read(path string, limits Limits) (image.Image, error) {
	img, _, err := ReadFrame(path, limits)
	return img, err
}

// ReadFrame decodes the image file at path, as [DecodeFrame] does. Its errors name the image.
func ReadFrame(path string, limits Limits) (img image.Image, more bool, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, false, fmt.Errorf("read an image: %w", err)
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return nil, false, fmt.Errorf("%s is a folder, want an image", path)
	}
	if img, more, err = DecodeFrame(file, limits); err != nil {
		return nil, false, fmt.Errorf("%s %w", path, err)
	}
	return img, more, nil
}

// Decode decodes an image and turns it upright if its EXIF data says that it is not. The
// content decides the format, not a file name: PNG, JPEG, WebP, GIF, BMP, TIFF, or one of
// Netpbm's PBM, PGM and PPM. The size is checked against the limits before any pixel is
// decoded. Of animations and of files with several pages, the first frame is decoded; see
// [DecodeFrame].
//
// A JPEG image may be baseline or progressive with at most 100 scans, in grey, colour or
// CMYK. Colour profiles are ignored: all colours are taken as sRGB. The pixels equal those
// that Pillow decodes, except that those of a lossy WebP image differ a little (Pillow
// interpolates its chroma), and that grey values of 16 bits are scaled to bytes, where Pillow
// clips them. Transparent pixels stay transparent; [Transform.Apply] blends them with white.
//
// Errors read as the end of a sentence that begins with the name of the image: "is damaged:
// unexpected EOF".
func Decode(r io.Reader, limits Limits) (image.Image, error) {
	img, _, err := DecodeFrame(r, limits)
	return img, err
}

// DecodeFrame does what Decode does, and reports whether the file has more frames or pages than
// the first, which it returns.
func DecodeFrame(r io.Reader, limits Limits) (img image.Image, more bool, err error) {
	content, err := limits.read(r)
	if err != nil {
		return nil, false, err
	}
	f, err := formatOf(content)
	if err != nil {
		return nil, false, err
	}
	size, err := f.size(content)
	if err != nil {
		return nil, false, f.explain(err)
	}
	if err := limits.checkSize(size); err != nil {
		return nil, false, err
	}
	img, err = f.decode(content)
	if err != nil {
		return nil, false, f.explain(err)
	}
	more = f.frames != nil && f.frames(content)
	return upright(img, orientation(f.exif(content))), more, nil
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
