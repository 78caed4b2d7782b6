package picture

import (
	"bytes"
	"testing"
)

func TestOrientation(t *testing.T) {
	for _, test := range []struct {
		name, exif string
		want       int
	}{
		{"little-endian", "II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00", 6},
		{"big-endian", "MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x08\x00\x00", 8},
		{"second tag", "MM\x00*\x00\x00\x00\x08\x00\x02\x01\x00\x00\x03\x00\x00\x00\x01\x00\x02\x00\x00\x01\x12\x00\x03\x00\x00\x00\x01\x00\x03\x00\x00", 3},
		{"directory further on", "II*\x00\x0a\x00\x00\x00\xff\xff\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x02\x00\x00\x00", 2},
		{"no such tag", "II*\x00\x08\x00\x00\x00\x01\x00\x13\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00", 1},
		{"another type", "II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x02\x00\x01\x00\x00\x00\x06\x00\x00\x00", 1},
		{"0", "II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x00\x00\x00\x00", 1},
		{"9", "II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x09\x00\x00\x00", 1},
		{"cut short", "II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00", 1},
		{"more tags than there are", "II*\x00\x08\x00\x00\x00\xff\xff\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00", 6},
		{"directory outside", "II*\x00\xff\xff\xff\xff\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00", 1},
		{"no byte order", "XX*\x00\x08\x00\x00\x00\x01\x00", 1},
		{"nothing but a beginning", "II*\x00", 1},
		{"nothing", "", 1},
	} {
		if got := orientation([]byte(test.exif)); got != test.want {
			t.Errorf("%s: orientation %d, want %d", test.name, got, test.want)
		}
	}
}

// TestEXIFInJPEG has what may stand before the segment, and what ends the search.
func TestEXIFInJPEG(t *testing.T) {
	const exif = "\xff\xe1\x00\x0aExif\x00\x00MM"
	for _, test := range []struct{ name, file, want string }{
		{"first", "\xff\xd8" + exif, "MM"},
		{"behind another", "\xff\xd8\xff\xe0\x00\x04JF" + exif, "MM"},
		{"behind filling bytes", "\xff\xd8\xff\xff" + exif, "MM"},
		{"behind an APP1 of another kind", "\xff\xd8\xff\xe1\x00\x06http" + exif, "MM"},
		{"in the scan", "\xff\xd8\xff\xda\x00\x04ab" + exif, ""},
		{"a length of 0", "\xff\xd8\xff\xe0\x00\x00" + exif, ""},
		{"a length over the end", "\xff\xd8\xff\xe1\x00\x0bExif\x00\x00MM", ""},
		{"no marker", "\xff\xd8ab" + exif, ""},
		{"nothing behind", "\xff\xd8\xff", ""},
	} {
		if got := string(exifOfJPEG([]byte(test.file))); got != test.want {
			t.Errorf("%s: EXIF data %q, want %q", test.name, got, test.want)
		}
	}
}

// FuzzEXIF looks for EXIF data in anything.
func FuzzEXIF(f *testing.F) {
	f.Add([]byte("\xff\xd8\xff\xe1\x00\x0aExif\x00\x00MM"))
	f.Add([]byte(pngSignature + "\x00\x00\x00\x02eXIfMM\x00\x00\x00\x00"))
	f.Add([]byte("RIFF\x10\x00\x00\x00WEBPEXIF\x02\x00\x00\x00II"))
	f.Add([]byte("II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, exif := range []func([]byte) []byte{exifOfJPEG, exifOfPNG, exifOfWebP, bytes.Clone} {
			padded := content
			if len(padded) < 12 { // formatOf asks for as much
				padded = append(bytes.Clone(content), make([]byte, 12)...)
			}
			if got := orientation(exif(padded)); got < 1 || got > 8 {
				t.Errorf("orientation %d", got)
			}
		}
	})
}

// FuzzDecode decodes anything, within limits, and makes an input of what it gets.
func FuzzDecode(f *testing.F) {
	values := reference[references](f, "decode.json")
	for _, name := range []string{"JPEG progressive", "JPEG CMYK", "PNG palette", "WebP lossy transparent", "WebP lossless", "JPEG orientation 6"} {
		f.Add(values.file(f, name))
	}
	f.Add(values.Animated)
	limits := Limits{Bytes: 1 << 16, Pixels: 1 << 12}
	f.Fuzz(func(t *testing.T, content []byte) {
		picture, err := Decode(bytes.NewReader(content), limits)
		if err != nil {
			return
		}
		if size := picture.Bounds().Size(); size.X < 1 || size.Y < 1 || size.X*size.Y > limits.Pixels {
			t.Errorf("%v pixels, more than the limit", size)
		}
		if got := len((Transform{Resize: 8, Height: 8, Width: 8}).Apply(picture)); got != 8*8*3 {
			t.Errorf("an input of %d bytes", got)
		}
	})
}
