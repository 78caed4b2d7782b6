package jpeg

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"testing"
)

// file is a JPEG file and what Pillow makes of it.
type file struct {
	Name          string
	File          []byte
	Width, Height int
	SHA256        string // of red, green and blue
}

// files returns the files that tests/reference/picture.py has written.
func files(t testing.TB) []file {
	t.Helper()
	content, err := os.ReadFile("../../testdata/jpeg.json")
	if err != nil {
		t.Fatal(err)
	}
	var values struct{ Files []file }
	if err := json.Unmarshal(content, &values); err != nil {
		t.Fatal(err)
	}
	return values.Files
}

// named returns the content of the file with that name.
func named(t testing.TB, name string) []byte {
	t.Helper()
	for _, f := range files(t) {
		if f.Name == name {
			return f.File
		}
	}
	t.Fatalf("jpeg.json has no %q", name)
	return nil
}

// pixels returns red, green and blue of every pixel.
func pixels(t testing.TB, img image.Image) []byte {
	t.Helper()
	var all []byte
	switch img := img.(type) {
	case *image.Gray:
		for _, v := range img.Pix {
			all = append(all, v, v, v)
		}
	case *image.RGBA:
		for ; len(img.Pix) > 0; img.Pix = img.Pix[4:] {
			all = append(all, img.Pix[:3]...)
			if img.Pix[3] != 255 {
				t.Fatalf("opacity %d, want 255", img.Pix[3])
			}
		}
	default:
		t.Fatalf("the image is a %T", img)
	}
	return all
}

func TestMatchesPillow(t *testing.T) {
	all := files(t)
	if len(all) < 100 {
		t.Errorf("%d files, want at least 100", len(all))
	}
	for _, f := range all {
		want := image.Pt(f.Width, f.Height)
		if size, err := Size(f.File); err != nil || size != want {
			t.Errorf("%s: size %v and error %v, want %v", f.Name, size, err, want)
		}
		img, err := Decode(f.File)
		if err != nil {
			t.Errorf("%s: %v", f.Name, err)
			continue
		}
		if size := img.Bounds().Size(); size != want {
			t.Errorf("%s: %v pixels, want %v", f.Name, size, want)
		}
		if sum := sha256.Sum256(pixels(t, img)); hex.EncodeToString(sum[:]) != f.SHA256 {
			t.Errorf("%s: the pixels differ from Pillow's", f.Name)
		}
	}
}

// TestEndsEarly: a file without its last bytes is an error, wherever it ends.
func TestEndsEarly(t *testing.T) {
	for _, name := range []string{"4:2:0", "4:4:4 restarts", "4:2:2 progressive", "4:2:0 progressive, restarts", "grey", "a scan for each component"} {
		whole := named(t, name)
		for n := range whole {
			if img, err := Decode(whole[:n]); err == nil || img != nil {
				t.Errorf("%s: no error for %d of %d bytes", name, n, len(whole))
			}
		}
		for _, n := range []int{0, 1, 3, 30, len(whole) - 40, len(whole) - 1} {
			if _, err := Decode(whole[:n]); err != io.ErrUnexpectedEOF {
				t.Errorf("%s: error %v for %d of %d bytes, want %v", name, err, n, len(whole), io.ErrUnexpectedEOF)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	const baseline, progressive, restarts = "4:2:0", "4:2:0 progressive", "4:4:4 restarts"
	// after returns the offset of the data in the first segment with that marker.
	after := func(content []byte, marker byte) int { return bytes.Index(content, []byte{0xff, marker}) + 4 }
	set := func(marker byte, offset int, values ...byte) func([]byte) []byte {
		return func(content []byte) []byte {
			copy(content[after(content, marker)+offset:], values)
			return content
		}
	}
	// without removes all segments of a kind.
	without := func(marker byte) func([]byte) []byte {
		return func(content []byte) []byte {
			for {
				at := bytes.Index(content, []byte{0xff, marker})
				if at < 0 {
					return content
				}
				length := int(content[at+2])<<8 | int(content[at+3])
				content = append(content[:at], content[at+2+length:]...)
			}
		}
	}
	marker := func(from, to byte) func([]byte) []byte {
		return func(content []byte) []byte {
			content[bytes.Index(content, []byte{0xff, from})+1] = to
			return content
		}
	}
	for _, test := range []struct {
		name, file string
		change     func([]byte) []byte
		want       error
	}{
		{"arithmetic coding", baseline, marker(sof0, 0xc9), UnsupportedError("frame of kind 0xc9: lossless, hierarchical or arithmetic coding")},
		{"lossless", baseline, marker(sof0, 0xc3), UnsupportedError("frame of kind 0xc3: lossless, hierarchical or arithmetic coding")},
		{"12 bits", baseline, set(sof0, 0, 12), UnsupportedError("12 bits")},
		{"two components", baseline, func(content []byte) []byte {
			at := after(content, sof0)
			content[at-1], content[at+5] = 8+2*3, 2
			return append(content[:at+6+2*3], content[at+6+3*3:]...)
		}, UnsupportedError("2 components")},
		{"a component too many", baseline, set(sof0, 5, 4), FormatError("SOF has wrong length")},
		{"no height", baseline, set(sof0, 1, 0, 0), FormatError("image without pixels")},
		{"no width", baseline, set(sof0, 3, 0, 0), FormatError("image without pixels")},
		{"sampling factor 0", baseline, set(sof0, 7, 0x20), FormatError("bad sampling factors or quantization table of a component")},
		{"sampling factor 5", baseline, set(sof0, 7, 0x51), FormatError("bad sampling factors or quantization table of a component")},
		{"two thirds of the width", baseline, set(sof0, 7, 0x31, 0, 2, 0x21), UnsupportedError("subsampling by a fraction")},
		{"units of 12 blocks", baseline, set(sof0, 7, 0x22, 0, 2, 0x22, 1, 3, 0x22), FormatError("sampling factors too large")},
		{"no frame", baseline, without(sof0), FormatError("missing SOF marker")},
		{"two frames", baseline, func(content []byte) []byte {
			at := bytes.Index(content, []byte{0xff, sof0})
			frame := bytes.Clone(content[at : at+2+17])
			return append(content[:at:at], append(frame, content[at:]...)...)
		}, FormatError("multiple SOF markers")},
		{"no quantisation table", baseline, without(dqt), FormatError("missing quantization table")},
		{"quantisation table 4", baseline, set(dqt, 0, 4), FormatError("bad quantization table")},
		{"no Huffman table", baseline, without(dht), FormatError("missing Huffman table")},
		{"Huffman table 4", baseline, set(dht, 0, 4), FormatError("bad Huffman table")},
		{"five codes of one bit", baseline, set(dht, 1, 5, 1, 0), FormatError("bad Huffman code")},
		{"code that is not in the table", baseline, func(content []byte) []byte {
			at := bytes.Index(content, []byte{0xff, sos})
			copy(content[at+2+12:], []byte{0xff, 0, 0xff, 0, 0xff, 0})
			return content
		}, FormatError("bad Huffman code")},
		{"no scan", baseline, func(content []byte) []byte {
			return append(content[:bytes.Index(content, []byte{0xff, sos})], 0xff, eoi)
		}, FormatError("missing SOS marker")},
		{"no scan of a component", "a scan for each component", func(content []byte) []byte {
			return append(content[:bytes.LastIndex(content, []byte{0xff, sos})], 0xff, eoi)
		}, FormatError("missing scan of a component")},
		{"end of the image within the scan", baseline, func(content []byte) []byte {
			return append(content[:len(content)-100], 0xff, eoi)
		}, FormatError("short Huffman data")},
		{"scan of a foreign component", baseline, set(sos, 1, 9), FormatError("unknown component selector")},
		{"scan of a component twice", baseline, set(sos, 1, 2), FormatError("repeated component selector")},
		{"scan of no component", baseline, set(sos, 0, 0), FormatError("SOS has wrong length")},
		{"DC and AC in one scan", progressive, set(sos, 7, 0, 5), FormatError("bad spectral selection bounds")},
		{"coefficient 64", progressive, set(sos, 7, 1, 64), FormatError("bad spectral selection bounds")},
		{"AC of three components", progressive, set(sos, 7, 1, 5), FormatError("progressive AC coefficients for more than one component")},
		{"two bits at once", progressive, set(sos, 9, 0x20), FormatError("bad successive approximation values")},
		{"the wrong restart marker", restarts, marker(0xd2, 0xd5), FormatError("bad RST marker")},
		{"restart interval of one byte", restarts, func(content []byte) []byte {
			at := after(content, dri)
			content[at-1]--
			return append(content[:at], content[at+1:]...)
		}, FormatError("DRI has wrong length")},
		{"segment of 1 byte", baseline, func(content []byte) []byte {
			return append(content[:2:2], append([]byte{0xff, app0, 0, 1}, content[2:]...)...)
		}, FormatError("short segment length")},
	} {
		content := test.change(bytes.Clone(named(t, test.file)))
		if img, err := Decode(content); err != test.want || img != nil {
			t.Errorf("%s: error %v, want %v", test.name, err, test.want)
		}
	}
}

func TestTooManyScans(t *testing.T) {
	content := named(t, "a scan for each component")
	at := bytes.Index(content, []byte{0xff, sos})
	scan := content[at : at+2+bytes.Index(content[at+2:], []byte{0xff, sos})]
	for _, scans := range []int{MaxScans, MaxScans + 1} {
		file := append(bytes.Clone(content[:at]), bytes.Repeat(scan, scans-2)...)
		if _, err := Decode(append(file, content[at+len(scan):]...)); (err != nil) != (scans > MaxScans) || err != nil && !errors.Is(err, ErrScans) {
			t.Errorf("%d scans: error %v", scans, err)
		}
	}
}

// FuzzDecode decodes arbitrary bytes.
func FuzzDecode(f *testing.F) {
	for _, file := range files(f) {
		f.Add(file.File)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		size, err := Size(content)
		if err != nil || size.X*size.Y > 1<<14 {
			return
		}
		img, err := Decode(content)
		if err == nil && (img.Bounds() != image.Rectangle{Max: size} || size.X*size.Y == 0) {
			t.Errorf("bounds %v for an image of %v pixels", img.Bounds(), size)
		}
	})
}

// BenchmarkDecode compares the decoder with image/jpeg, which does not convert to RGB. The image
// has a megapixel; MB/s are megapixels per second.
func BenchmarkDecode(b *testing.B) {
	const side = 1024
	photo := image.NewRGBA(image.Rect(0, 0, side, side))
	noise := rand.New(rand.NewPCG(1, 2))
	for y := range side {
		for x := range side {
			wave := 60 * math.Sin(float64(x*y)/9000)
			grain := noise.NormFloat64() * 5
			photo.SetRGBA(x, y, color.RGBA{byte(120 + wave + grain), byte(100 + wave/2 - grain), byte(x/8 + y/10), 255})
		}
	}
	var content bytes.Buffer
	if err := jpeg.Encode(&content, photo, &jpeg.Options{Quality: 85}); err != nil {
		b.Fatal(err)
	}
	for name, decode := range map[string]func() (image.Image, error){
		"this":       func() (image.Image, error) { return Decode(content.Bytes()) },
		"image/jpeg": func() (image.Image, error) { return jpeg.Decode(bytes.NewReader(content.Bytes())) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(side * side)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := decode(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
