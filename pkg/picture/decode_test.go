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
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

// references is decode.json.
type references struct {
	Files []struct {
		Name          string
		File          []byte
		Width, Height int
		Tolerance     int
		Want          []byte
	}
	Animated []byte
}

// colours returns red, green and blue of every pixel, with white behind them.
func colours(picture image.Image) []byte {
	size := picture.Bounds().Size()
	// Resize is set for a scale of one.
	return Transform{Resize: min(size.X, size.Y), Height: size.Y, Width: size.X}.Apply(picture)
}

// TestDecodeIsPillows holds every format, and every way a picture can lie, against Pillow.
func TestDecodeIsPillows(t *testing.T) {
	for _, test := range reference[references](t, "decode.json").Files {
		picture, err := Decode(bytes.NewReader(test.File), Limits{})
		if err != nil {
			t.Errorf("%s: %v", test.Name, err)
			continue
		}
		if size := picture.Bounds().Size(); size != image.Pt(test.Width, test.Height) {
			t.Errorf("%s: %v pixels, want %d×%d", test.Name, size, test.Width, test.Height)
			continue
		}
		got := colours(picture)
		for i := range got {
			if off := int(got[i]) - int(test.Want[i]); off < -test.Tolerance || off > test.Tolerance {
				t.Errorf("%s: more than %d apart: %s", test.Name, test.Tolerance, difference(got, test.Want))
				break
			}
		}
	}
}

// TestUprightInStrips turns pictures of more rows than are converted at a time, with a
// corner that is not at 0.
func TestUprightInStrips(t *testing.T) {
	picture := image.NewRGBA(image.Rect(-3, 5, 20, 5+2*stripRows+7))
	for i := range picture.Pix {
		picture.Pix[i] = byte(i*7 + i/92)
	}
	for i := 3; i < len(picture.Pix); i += 4 {
		picture.Pix[i] = 255
	}
	width, height := picture.Rect.Dx(), picture.Rect.Dy()
	for orientation, from := range map[int]func(x, y int) (int, int){
		1: func(x, y int) (int, int) { return x, y },
		2: func(x, y int) (int, int) { return width - 1 - x, y },
		3: func(x, y int) (int, int) { return width - 1 - x, height - 1 - y },
		4: func(x, y int) (int, int) { return x, height - 1 - y },
		5: func(x, y int) (int, int) { return y, x },
		6: func(x, y int) (int, int) { return y, height - 1 - x },
		7: func(x, y int) (int, int) { return width - 1 - y, height - 1 - x },
		8: func(x, y int) (int, int) { return width - 1 - y, x },
	} {
		got := upright(picture, orientation)
		corner := got.Bounds().Min
		wrong := 0
		for y := range got.Bounds().Dy() {
			for x := range got.Bounds().Dx() {
				fromX, fromY := from(x, y)
				if got.At(corner.X+x, corner.Y+y) != picture.At(-3+fromX, 5+fromY) {
					wrong++
				}
			}
		}
		if wrong > 0 {
			t.Errorf("orientation %d: %d pixels of %d are not where they belong", orientation, wrong, width*height)
		}
	}
}

func encodePNG(t testing.TB, picture image.Image) []byte {
	t.Helper()
	var buffer bytes.Buffer
	if err := png.Encode(&buffer, picture); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

// withHeader is a PNG file whose header says that it has other sizes.
func withHeader(file []byte, width, height uint32) []byte {
	changed := bytes.Clone(file)
	binary.BigEndian.PutUint32(changed[16:], width)
	binary.BigEndian.PutUint32(changed[20:], height)
	binary.BigEndian.PutUint32(changed[29:], crc32.ChecksumIEEE(changed[12:29]))
	return changed
}

// file returns the file of that name in decode.json.
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

	// A canvas of other sizes than its frame, over whose edge the decoder would read.
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
		{"empty", nil, "is no PNG, JPEG or WebP picture: it is empty"},
		{"text", []byte("no picture at all"), "is no PNG, JPEG or WebP picture"},
		{"one byte", []byte{0xff}, "is no PNG, JPEG or WebP picture"},
		{"a PNG that ends early", small[:len(small)-20], "is damaged: "},
		{"a PNG's signature", small[:8], "is damaged: "},
		{"a JPEG that ends early", jpeg[:len(jpeg)-40], "is damaged: "},
		{"a JPEG's first bytes", jpeg[:3], "is damaged: "},
		{"a WebP that ends early", webp[:len(webp)/2], "is damaged: "},
		{"a WebP's signature", webp[:12], "is damaged: "},
		{"a WebP without a frame", noFrame, "is damaged: webp: no frame"},
		{"a WebP with another canvas", canvas, "is damaged: webp: the frame does not fill the canvas"},
		{"an animated WebP", values.Animated, "is an animated WebP picture; save one frame of it as JPEG or PNG"},
		{"an arithmetic JPEG", arithmetic, "is a JPEG picture of a rare kind"},
		{"a huge PNG", withHeader(small, 100_000, 100_000), "has 100000×100000 pixels, want 1 to 100000000 in all; save it smaller"},
		{"GIF", []byte("GIF89a is not for this"), "is a GIF picture" + save},
		{"BMP", append([]byte("BM"), make([]byte, 60)...), "is a BMP picture" + save},
		{"little-endian TIFF", []byte("II*\x00\x08\x00\x00\x00"), "is a TIFF picture" + save},
		{"big-endian TIFF", []byte("MM\x00*\x00\x00\x00\x08"), "is a TIFF picture" + save},
		{"HEIC", []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic\x00\x00"), "is a HEIC picture" + save},
		{"AVIF", []byte("\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00mif1avifmiaf"), "is an AVIF picture" + save},
		{"MP4", []byte("\x00\x00\x00\x18ftypisom\x00\x00\x00\x00mp42isom\x00\x00"), "is no PNG, JPEG or WebP picture"},
		{"JPEG XL", []byte("\xff\x0a\x00\x00"), "is a JPEG XL picture" + save},
		{"JPEG 2000", []byte("\x00\x00\x00\x0cjP  \r\n\x87\n"), "is a JPEG 2000 picture" + save},
		{"Photoshop", []byte("8BPS\x00\x01"), "is a Photoshop picture" + save},
		{"SVG", []byte("<?xml version='1.0'?>\n<!-- drawn -->\n<svg xmlns='…'>"), "is an SVG drawing" + save},
		{"PDF", []byte("%PDF-1.7\n"), "is a PDF document; save the picture in it as JPEG or PNG"},
		{"HTML", []byte("\ufeff\r\n<!DOCTYPE HTML><html>"), "is an HTML page; download the picture that it shows"},
	} {
		picture, err := Decode(bytes.NewReader(test.content), Limits{})
		switch {
		case err == nil || picture != nil:
			t.Errorf("%s: no error, want one with %q", test.name, test.want)
		case !strings.HasPrefix(err.Error(), test.want) || strings.Contains(err.Error(), "\n"):
			t.Errorf("%s: got %q, want one line that begins with %q", test.name, err, test.want)
		}
	}
	if _, err := Decode(iotest.ErrReader(fmt.Errorf("the disk is gone")), Limits{}); err == nil || err.Error() != "cannot be read: the disk is gone" {
		t.Errorf("of a reader that fails: got %v", err)
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
		{Limits{Bytes: int64(len(file)) - 1}, fmt.Sprintf("has more than %d bytes, the limit", len(file)-1)},
		{Limits{Pixels: 98}, "has 9×11 pixels, want 1 to 98 in all"},
	} {
		_, err := Decode(bytes.NewReader(file), test.limits)
		if (err == nil) != (test.want == "") || err != nil && !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%+v: got %v, want %q", test.limits, err, test.want)
		}
	}
	// What is behind the limit is not read.
	endless := endlessReader{}
	if _, err := Decode(&endless, Limits{Bytes: 1000}); err == nil || endless.n > 100_000 {
		t.Errorf("of a reader without an end %d bytes were read, with error %v", endless.n, err)
	}
}

type endlessReader struct{ n int }

func (r *endlessReader) Read(p []byte) (int, error) {
	r.n += len(p)
	return len(p), nil
}

// A scan costs a file some bytes, and its decoder a pass over the picture.
func TestScansAreCounted(t *testing.T) {
	whole := reference[references](t, "decode.json").file(t, "JPEG progressive")
	last := bytes.LastIndex(whole, []byte("\xff\xda"))
	scan := bytes.TrimSuffix(whole[last:], []byte("\xff\xd9"))
	scans := scansOfJPEG(whole)
	if scans < 2 {
		t.Fatalf("%d scans of a progressive picture", scans)
	}
	for _, more := range []int{maxScans - scans, maxScans - scans + 1} {
		file := bytes.Join([][]byte{whole[:last], bytes.Repeat(scan, more+1), []byte("\xff\xd9")}, nil)
		_, err := Decode(bytes.NewReader(file), Limits{})
		if tooMany := more > maxScans-scans; tooMany != (err != nil && strings.Contains(err.Error(), "more than 100 scans")) {
			t.Errorf("%d scans: error %v", scans+more, err)
		}
	}
	// What looks like scans in a segment of a program's own, or behind the picture, is none.
	fakes := bytes.Repeat([]byte("\xff\xda\x00\x02"), 2*maxScans)
	segment := append(binary.BigEndian.AppendUint16([]byte("\xff\xe9"), uint16(len(fakes)+2)), fakes...)
	file := bytes.Join([][]byte{whole[:2], segment, whole[2:], fakes}, nil)
	if _, err := Decode(bytes.NewReader(file), Limits{}); err != nil {
		t.Error(err)
	}
}

// A picture of one row is not turned in strips of sixteen, which would take 1.6 GB here.
func TestUprightOfARow(t *testing.T) {
	row := image.NewGray(image.Rect(0, 0, 25_000_000, 1))
	row.Pix[0] = 200
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	turned := upright(row, 2)
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 300<<20 {
		t.Errorf("%d MiB for a row of 25 million pixels, want twice its 100 as RGBA", got>>20)
	}
	if r, _, _, _ := turned.At(25_000_000-1, 0).RGBA(); r>>8 != 200 {
		t.Errorf("the first pixel of a mirrored row is not its last: %d", r>>8)
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
	picture := image.NewGray(image.Rect(0, 0, 9, 9))
	picture.SetGray(4, 4, color.Gray{99})
	// The content counts, not the name.
	got, err := Read(write("picture.jpg", encodePNG(t, picture)), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if want := (color.Gray{99}); got.At(4, 4) != want {
		t.Errorf("the pixel in the middle is %v, want %v", got.At(4, 4), want)
	}
	for _, test := range []struct{ path, want string }{
		{filepath.Join(dir, "none.png"), "no such file"},
		{dir, "is a folder"},
		{write("empty.png", nil), "is no PNG, JPEG or WebP picture"},
		{write("cut.png", encodePNG(t, picture)[:40]), "is damaged"},
		{write("huge.png", withHeader(encodePNG(t, picture), 1<<20, 1<<20)), "1048576×1048576 pixels"},
	} {
		picture, err := Read(test.path, Limits{})
		if err == nil || picture != nil {
			t.Errorf("%s: no error, want one with %q", test.path, test.want)
			continue
		}
		if !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.path) {
			t.Errorf("want %q and the path in the error, got %v", test.want, err)
		}
	}
}

func TestIsPictureName(t *testing.T) {
	for name, want := range map[string]bool{
		"a.png": true, "a.jpg": true, "a.JPEG": true, "a.b.WebP": true, "a.jfif": true,
		"phone.HEIC": true, "a.gif": true, "a.tiff": true,
		"README": false, "a.txt": false, "png": false, "a.png.txt": false, "Thumbs.db": false, "": false, "a.svg": false,
	} {
		if got := IsPictureName(name); got != want {
			t.Errorf("IsPictureName(%q) is %v, want %v", name, got, want)
		}
	}
}
