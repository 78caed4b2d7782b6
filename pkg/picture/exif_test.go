package picture

import (
	"bytes"
	"testing"
)

// TestEXIFInJPEG: what may come before the segment, and what ends the search.
func TestEXIFInJPEG(t *testing.T) {
	const exif = "\xff\xe1\x00\x0aExif\x00\x00MM"
	for _, test := range []struct{ name, file, want string }{
		{"first", "\xff\xd8" + exif, "MM"},
		{"after another segment", "\xff\xd8\xff\xe0\x00\x04JF" + exif, "MM"},
		{"after filler bytes", "\xff\xd8\xff\xff" + exif, "MM"},
		{"after another kind of APP1", "\xff\xd8\xff\xe1\x00\x06http" + exif, "MM"},
		{"after the start of the scan", "\xff\xd8\xff\xda\x00\x04ab" + exif, ""},
		{"length of 0", "\xff\xd8\xff\xe0\x00\x00" + exif, ""},
		{"length beyond the end", "\xff\xd8\xff\xe1\x00\x0bExif\x00\x00MM", ""},
		{"no marker", "\xff\xd8ab" + exif, ""},
		{"nothing after the signature", "\xff\xd8\xff", ""},
	} {
		if got := string(exifOfJPEG([]byte(test.file))); got != test.want {
			t.Errorf("%s: EXIF data %q, want %q", test.name, got, test.want)
		}
	}
}

// FuzzEXIF looks for EXIF data in arbitrary bytes.
func FuzzEXIF(f *testing.F) {
	f.Add([]byte("\xff\xd8\xff\xe1\x00\x0aExif\x00\x00MM"))
	f.Add([]byte(pngSignature + "\x00\x00\x00\x02eXIfMM\x00\x00\x00\x00"))
	f.Add([]byte("RIFF\x10\x00\x00\x00WEBPEXIF\x02\x00\x00\x00II"))
	f.Add([]byte("II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, exif := range []func([]byte) []byte{exifOfJPEG, exifOfPNG, exifOfWebP, bytes.Clone} {
			padded := content
			if len(padded) < 12 { // formatOf guarantees as much
				padded = append(bytes.Clone(content), make([]byte, 12)...)
			}
			if got := orientation(exif(padded)); got < 1 || got > 8 {
				t.Errorf("orientation %d", got)
			}
		}
	})
}

// FuzzDecode decodes arbitrary bytes within limits and transforms what it gets.
func FuzzDecode(f *testing.F) {
	values := reference[references](f, "decode.json")
	for _, name := range []string{"JPEG progressive", "JPEG CMYK", "PNG palette", "WebP lossy transparent", "WebP lossless", "JPEG orientation 6",
		"GIF transparent", "BMP palette", "TIFF LZW", "PPM text", "PBM", "WebP with frames"} {
		f.Add(values.file(f, name))
	}
	limits := Limits{Bytes: 1 << 16, Pixels: 1 << 12}
	f.Fuzz(func(t *testing.T, content []byte) {
		img, err := Decode(bytes.NewReader(content), limits)
		if err != nil {
			return
		}
		if size := img.Bounds().Size(); size.X < 1 || size.Y < 1 || size.X*size.Y > limits.Pixels {
			t.Errorf("%v pixels, more than the limit", size)
		}
		if got := len((Transform{Resize: 8, Height: 8, Width: 8}).Apply(img)); got != 8*8*3 {
			t.Errorf("Apply returned %d bytes", got)
		}
	})
}
