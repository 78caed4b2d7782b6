package picture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

// references is the content of decode.json.
type references struct {
	Files []struct {
		Name          string
		File          []byte
		Width, Height int
		Tolerance     int
		Want          []byte
	}
}

// colours returns red, green and blue of every pixel, blended with white.
func colours(img image.Image) []byte {
	size := img.Bounds().Size()
	// This Resize leaves the size as it is.
	return Transform{Resize: min(size.X, size.Y), Height: size.Y, Width: size.X}.Apply(img)
}

// TestDecodeMatchesPillow compares every format and every orientation with Pillow.
func TestDecodeMatchesPillow(t *testing.T) {
	for _, test := range reference[references](t, "decode.json").Files {
		img, err := Decode(bytes.NewReader(test.File), Limits{})
		if err != nil {
			t.Errorf("%s: %v", test.Name, err)
			continue
		}
		if size := img.Bounds().Size(); size != image.Pt(test.Width, test.Height) {
			t.Errorf("%s: %v pixels, want %d×%d", test.Name, size, test.Width, test.Height)
			continue
		}
		got := colours(img)
		for i := range got {
			if off := int(got[i]) - int(test.Want[i]); off < -test.Tolerance || off > test.Tolerance {
				t.Errorf("%s: values differ by more than %d: %s", test.Name, test.Tolerance, difference(got, test.Want))
				break
			}
		}
	}
}

// TestDecodeFrame tells animations and files of several pages from still images.
func TestDecodeFrame(t *testing.T) {
	frames := 0
	for _, test := range reference[references](t, "decode.json").Files {
		_, more, err := DecodeFrame(bytes.NewReader(test.File), Limits{})
		if want := strings.HasSuffix(test.Name, " with frames"); err != nil || more != want {
			t.Errorf("%s has more frames: %v (%v), want %v", test.Name, more, err, want)
		}
		if more {
			frames++
		}
	}
	if frames != 4 {
		t.Errorf("%d files have more frames, want 4 (GIF, WebP, PNG, TIFF)", frames)
	}
}

// TestDecodeHostile cuts and changes files of every format: no such file may make it panic.
func TestDecodeHostile(t *testing.T) {
	limits := Limits{Pixels: 1_000_000}
	for _, test := range reference[references](t, "decode.json").Files {
		for n := range min(len(test.File), 250) {
			Decode(bytes.NewReader(test.File[:n]), limits)
			changed := bytes.Clone(test.File)
			changed[n] ^= byte(1 + n*37)
			if img, err := Decode(bytes.NewReader(changed), limits); err == nil {
				colours(image.Image(img))
			}
		}
	}
}

func encodePNG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var buffer bytes.Buffer
	if err := png.Encode(&buffer, img); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

// withHeader returns the PNG file with another size in its header.
func withHeader(file []byte, width, height uint32) []byte {
	changed := bytes.Clone(file)
	binary.BigEndian.PutUint32(changed[16:], width)
	binary.BigEndian.PutUint32(changed[20:], height)
	binary.BigEndian.PutUint32(changed[29:], crc32.ChecksumIEEE(changed[12:29]))
	return changed
}

// file returns the file with that name in decode.json.
func (r references) file(t testing.TB, name string) []byte {
	t.Helper()
	for _, file := range r.Files {
		if file.Name == name {
			return file.File
		}
	}
	t.Fatalf("decode.json has no %q", name)
	return nil
}

func TestDecodeErrors(t *testing.T) {
	values := reference[references](t, "decode.json")
	small := encodePNG(t, image.NewGray(image.Rect(0, 0, 9, 9)))
	jpeg, webp := values.file(t, "JPEG baseline"), values.file(t, "WebP lossless")
	clear := values.file(t, "WebP lossy transparent")

	// A canvas that is smaller than its frame: the decoder would read beyond its edge.
	canvas := bytes.Clone(clear)
	if string(canvas[12:16]) != "VP8X" {
		t.Fatal("the transparent WebP has no canvas")
	}
	canvas[24]--
	arithmetic := bytes.Clone(jpeg)
	arithmetic[bytes.Index(jpeg, []byte{0xff, 0xc0})+1] = 0xc9
	noFrame := append([]byte("RIFF\x0c\x00\x00\x00WEBPICCP"), 0, 0, 0, 0)

	const save = "; save it as JPEG or PNG"
	for _, test := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"empty", nil, "is not a PNG, JPEG, WebP, GIF, BMP, TIFF or PNM image: it is empty"},
		{"text", []byte("not an image at all"), "is not a PNG, JPEG, WebP, GIF, BMP, TIFF or PNM image"},
		{"one byte", []byte{0xff}, "is not a PNG, JPEG, WebP, GIF, BMP, TIFF or PNM image"},
		{"a PNG that ends early", small[:len(small)-20], "is damaged: "},
		{"a PNG's signature", small[:8], "is damaged: "},
		{"a JPEG that ends early", jpeg[:len(jpeg)-40], "is damaged: "},
		{"a JPEG's first bytes", jpeg[:3], "is damaged: "},
		{"a WebP that ends early", webp[:len(webp)/2], "is damaged: "},
		{"a WebP's signature", webp[:12], "is damaged: "},
		{"a WebP without a frame", noFrame, "is damaged: webp: no frame"},
		{"a WebP with another canvas", canvas, "is damaged: webp: the frame does not fill the canvas"},
		{"an arithmetic JPEG", arithmetic, "is a JPEG image of an unsupported kind"},
		{"a huge PNG", withHeader(small, 100_000, 100_000), "has 100000×100000 pixels, want 1 to 100000000 in all; save it smaller"},
		{"GIF", []byte("GIF89a\x02\x00\x02\x00\x00\x00\x00"), "is damaged: "},
		{"a huge GIF", []byte("GIF89a\xff\xff\xff\xff\x00\x00\x00"), "has 65535×65535 pixels"},
		{"BMP", append([]byte("BM"), make([]byte, 60)...), "is a BMP image of an unsupported kind (bmp: unsupported BMP image); save it as PNG or baseline JPEG"},
		{"little-endian TIFF", []byte("II*\x00\x08\x00\x00\x00"), "is damaged: "},
		{"big-endian TIFF", []byte("MM\x00*\x00\x00\x00\x08"), "is damaged: "},
		{"BigTIFF", []byte("II+\x00\x08\x00\x00\x00"), "is a BigTIFF image" + save},
		{"PNM without a size", []byte("P6 "), "is damaged: unexpected EOF"},
		{"PNM cut short", []byte("P6 2 2 255 abcdef"), "is damaged: unexpected EOF"},
		{"a huge PNM", []byte("P6 99999 99999 255 a"), "has 99999×99999 pixels"},
		{"PNM of words", []byte("P2 two"), "is damaged: pnm: 't' instead of a number"},
		{"PNM beyond white", []byte("P2 1 1 15 16"), "is damaged: pnm: the value 16 is above 15"},
		{"HEIC", []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic\x00\x00"), "is a HEIC image" + save},
		{"AVIF", []byte("\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00mif1avifmiaf"), "is an AVIF image" + save},
		{"MP4", []byte("\x00\x00\x00\x18ftypisom\x00\x00\x00\x00mp42isom\x00\x00"), "is not a PNG, JPEG, WebP, GIF, BMP, TIFF or PNM image"},
		{"JPEG XL", []byte("\xff\x0a\x00\x00"), "is a JPEG XL image" + save},
		{"JPEG 2000", []byte("\x00\x00\x00\x0cjP  \r\n\x87\n"), "is a JPEG 2000 image" + save},
		{"Photoshop", []byte("8BPS\x00\x01"), "is a Photoshop file" + save},
		{"SVG", []byte("<?xml version='1.0'?>\n<!-- drawn -->\n<svg xmlns='…'>"), "is an SVG drawing" + save},
		{"PDF", []byte("%PDF-1.7\n"), "is a PDF document; save the image in it as JPEG or PNG"},
		{"HTML", []byte("\ufeff\r\n<!DOCTYPE HTML><html>"), "is an HTML page; download the image that it shows"},
	} {
		img, err := Decode(bytes.NewReader(test.content), Limits{})
		switch {
		case err == nil || img != nil:
			t.Errorf("%s: no error, want %q", test.name, test.want)
		case !strings.HasPrefix(err.Error(), test.want) || strings.Contains(err.Error(), "\n"):
			t.Errorf("%s: got %q, want one line that begins with %q", test.name, err, test.want)
		}
	}
	if _, err := Decode(iotest.ErrReader(fmt.Errorf("the disk is gone")), Limits{}); err == nil || err.Error() != "cannot be read: the disk is gone" {
		t.Errorf("a failing reader: got error %v", err)
	}
}

func TestLimits(t *testing.T) {
	file := encodePNG(t, image.NewGray(image.Rect(0, 0, 9, 11)))
	for _, test := range []struct {
		limits Limits
		want   string
	}{
		{Limits{}, ""},
		{Limits{Bytes: int64(len(file)), Pixels: 99}, ""},
		{Limits{Bytes: int64(len(file)) - 1}, fmt.Sprintf("has more than the limit of %d bytes", len(file)-1)},
		{Limits{Pixels: 98}, "has 9×11 pixels, want 1 to 98 in all"},
	} {
		_, err := Decode(bytes.NewReader(file), test.limits)
		if (err == nil) != (test.want == "") || err != nil && !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%+v: got %v, want %q", test.limits, err, test.want)
		}
	}
	// Nothing beyond the limit is read.
	endless := endlessReader{}
	if _, err := Decode(&endless, Limits{Bytes: 1000}); err == nil || endless.n > 100_000 {
		t.Errorf("%d bytes of an endless reader were read, with error %v", endless.n, err)
	}
}

type endlessReader struct{ n int }

func (r *endlessReader) Read(p []byte) (int, error) {
	r.n += len(p)
	return len(p), nil
}

// TestScansAreLimited: a scan costs the file a few bytes, but the decoder a pass over all pixels.
func TestScansAreLimited(t *testing.T) {
	const limit = 100
	whole := reference[references](t, "decode.json").file(t, "JPEG progressive")
	startOfScan := []byte("\xff\xda")
	scans := bytes.Count(whole, startOfScan)
	first := bytes.Index(whole, startOfScan)
	end := first + bytes.Index(whole[first:], []byte("\xff\xc4")) // the Huffman table of the next scan
	if scans < 2 || end < first {
		t.Fatalf("%d scans in a progressive image, want several", scans)
	}
	for _, more := range []int{limit - scans, limit - scans + 1} {
		file := bytes.Join([][]byte{whole[:first], bytes.Repeat(whole[first:end], more+1), whole[end:]}, nil)
		_, err := Decode(bytes.NewReader(file), Limits{})
		const want = "has more than 100 scans, the limit; save it as baseline JPEG or PNG"
		if tooMany := scans+more > limit; tooMany && (err == nil || err.Error() != want) || !tooMany && err != nil {
			t.Errorf("%d scans: error %v", scans+more, err)
		}
	}
	// Bytes that look like scans do not count in an application segment or after the image.
	fakes := bytes.Repeat([]byte("\xff\xda\x00\x02"), 2*limit)
	segment := append(binary.BigEndian.AppendUint16([]byte("\xff\xe9"), uint16(len(fakes)+2)), fakes...)
	file := bytes.Join([][]byte{whole[:2], segment, whole[2:], fakes}, nil)
	if _, err := Decode(bytes.NewReader(file), Limits{}); err != nil {
		t.Error(err)
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	img := image.NewGray(image.Rect(0, 0, 9, 9))
	img.SetGray(4, 4, color.Gray{99})
	// The content decides, not the extension.
	got, err := Read(write("photo.jpg", encodePNG(t, img)), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if want := (color.Gray{99}); got.At(4, 4) != want {
		t.Errorf("the pixel in the middle is %v, want %v", got.At(4, 4), want)
	}
	for _, test := range []struct{ path, want string }{
		{filepath.Join(dir, "none.png"), "no such file"},
		{dir, "is a folder"},
		{write("empty.png", nil), "is not a PNG, JPEG, WebP, GIF, BMP, TIFF or PNM image"},
		{write("cut.png", encodePNG(t, img)[:40]), "is damaged"},
		{write("huge.png", withHeader(encodePNG(t, img), 1<<20, 1<<20)), "1048576×1048576 pixels"},
	} {
		img, err := Read(test.path, Limits{})
		if err == nil || img != nil {
			t.Errorf("%s: no error, want one with %q", test.path, test.want)
			continue
		}
		if !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.path) {
			t.Errorf("want %q and the path in the error, got %v", test.want, err)
		}
	}
}

func TestIsImageName(t *testing.T) {
	for name, want := range map[string]bool{
		"a.png": true, "a.jpg": true, "a.JPEG": true, "a.b.WebP": true, "a.jfif": true,
		"phone.HEIC": true, "a.gif": true, "a.tiff": true,
		"README": false, "a.txt": false, "png": false, "a.png.txt": false, "Thumbs.db": false, "": false, "a.svg": false,
	} {
		if got := IsImageName(name); got != want {
			t.Errorf("IsImageName(%q) is %v, want %v", name, got, want)
		}
	}
}
