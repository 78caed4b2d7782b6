package main

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMiddle(t *testing.T) {
	for _, test := range []struct {
		r             image.Rectangle
		width, height int
		want          image.Rectangle
	}{
		{image.Rect(0, 0, 32, 32), 32, 32, image.Rect(0, 0, 32, 32)},
		{image.Rect(0, 0, 96, 32), 32, 32, image.Rect(32, 0, 64, 32)},
		{image.Rect(0, 0, 32, 96), 32, 32, image.Rect(0, 32, 32, 64)},
		{image.Rect(10, 20, 106, 52), 32, 32, image.Rect(42, 20, 74, 52)},
		{image.Rect(0, 0, 1, 1), 32, 32, image.Rect(0, 0, 1, 1)},
		{image.Rect(0, 0, 1000, 3), 32, 32, image.Rect(498, 0, 501, 3)},
		{image.Rect(0, 0, 100, 100), 20, 10, image.Rect(0, 25, 100, 75)},
		{image.Rect(0, 0, 100, 100), 10, 20, image.Rect(25, 0, 75, 100)},
		// A ratio that no pixel is narrow enough for still takes one.
		{image.Rect(0, 0, 50, 1), 1, 100, image.Rect(24, 0, 25, 1)},
	} {
		if got := middle(test.r, test.width, test.height); got != test.want {
			t.Errorf("middle of %v for %d×%d is %v, want %v", test.r, test.width, test.height, got, test.want)
		}
	}
}

// saved writes the picture as a PNG file and returns its path.
func saved(t *testing.T, picture image.Image) string {
	t.Helper()
	var buffer bytes.Buffer
	if err := png.Encode(&buffer, picture); err != nil {
		t.Fatal(err)
	}
	return written(t, buffer.Bytes())
}

func written(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "picture")
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// fill paints a part of the picture.
func fill(picture *image.NRGBA, part image.Rectangle, c color.NRGBA) {
	for y := part.Min.Y; y < part.Max.Y; y++ {
		for x := part.Min.X; x < part.Max.X; x++ {
			picture.SetNRGBA(x, y, c)
		}
	}
}

// TestLoadImageExact: a picture of the network's own size goes in as it is.
func TestLoadImageExact(t *testing.T) {
	picture := image.NewNRGBA(image.Rect(0, 0, 32, 32))
	var want []byte
	for y := range 32 {
		for x := range 32 {
			c := color.NRGBA{byte(8 * x), byte(8 * y), byte(x*y + 3), 255}
			picture.SetNRGBA(x, y, c)
			want = append(want, c.R, c.G, c.B)
		}
	}
	got, err := loadImage(saved(t, picture), 32, 32)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("the pixels of a 32×32 picture are changed on the way")
	}
}

func TestLoadImageOneColour(t *testing.T) {
	// Of 24 by 32 pixels' ratio, the middle of 128 by 24 is 32 by 24.
	strip := image.NewNRGBA(image.Rect(0, 0, 128, 24))
	fill(strip, image.Rect(0, 0, 48, 24), color.NRGBA{255, 0, 0, 255})
	fill(strip, image.Rect(48, 0, 80, 24), color.NRGBA{10, 200, 30, 255})
	fill(strip, image.Rect(80, 0, 128, 24), color.NRGBA{0, 0, 255, 255})

	clear := image.NewNRGBA(image.Rect(0, 0, 5, 7)) // black, and nothing of it to be seen
	half := image.NewNRGBA(image.Rect(0, 0, 40, 40))
	fill(half, half.Bounds(), color.NRGBA{0, 0, 0, 128})
	grey := image.NewGray(image.Rect(0, 0, 3, 90))
	for i := range grey.Pix {
		grey.Pix[i] = 77
	}
	deep := image.NewNRGBA64(image.Rect(0, 0, 64, 64))
	for y := range 64 {
		for x := range 64 {
			deep.SetNRGBA64(x, y, color.NRGBA64{0x1234, 0x8000, 0xfedc, 0xffff})
		}
	}
	for _, test := range []struct {
		name    string
		picture image.Image
		want    [3]byte
	}{
		{"the middle of a strip", strip, [3]byte{10, 200, 30}},
		{"transparent", clear, [3]byte{255, 255, 255}},
		{"half transparent", half, [3]byte{127, 127, 127}},
		{"grey", grey, [3]byte{77, 77, 77}},
		{"16 bits", deep, [3]byte{0x12, 0x80, 0xfe}},
	} {
		got, err := loadImage(saved(t, test.picture), 24, 32)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if len(got) != 24*32*3 {
			t.Errorf("%s: %d bytes, want 24×32×3", test.name, len(got))
			continue
		}
		for i, value := range got {
			if off := int(value) - int(test.want[i%3]); off < -1 || off > 1 {
				t.Errorf("%s: pixel %d has %d in channel %d, want %d", test.name, i/3, value, i%3, test.want[i%3])
				break
			}
		}
	}
}

func TestLoadImageErrors(t *testing.T) {
	var small bytes.Buffer
	if err := png.Encode(&small, image.NewGray(image.Rect(0, 0, 9, 9))); err != nil {
		t.Fatal(err)
	}
	// The header of a file of a hundred bytes that says it has 10¹⁰ pixels.
	huge := bytes.Clone(small.Bytes())
	binary.BigEndian.PutUint32(huge[16:], 100_000)
	binary.BigEndian.PutUint32(huge[20:], 100_000)
	binary.BigEndian.PutUint32(huge[29:], crc32.ChecksumIEEE(huge[12:29]))
	for _, test := range []struct {
		path, want string
	}{
		{filepath.Join(t.TempDir(), "none.png"), "no such file"},
		{t.TempDir(), "no PNG or JPEG"},
		{written(t, nil), "no PNG or JPEG"},
		{written(t, []byte("GIF89a is not for this")), "no PNG or JPEG"},
		{written(t, small.Bytes()[:small.Len()-20]), "damaged"},
		{written(t, huge), "100000×100000 pixels"},
	} {
		pixels, err := loadImage(test.path, 32, 32)
		if err == nil || pixels != nil {
			t.Errorf("%s: no error, want one with %q", test.path, test.want)
			continue
		}
		if !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.path) {
			t.Errorf("want %q and the path in the error, got %v", test.want, err)
		}
	}
}
