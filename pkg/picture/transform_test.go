package picture

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// reference reads a file written by tests/reference/picture.py.
func reference[T any](t testing.TB, name string) T {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var value T
	if err := json.Unmarshal(content, &value); err != nil {
		t.Fatal(err)
	}
	return value
}

// fromBytes returns an image with the given RGB bytes.
func fromBytes(width, height int, pixels []byte) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := range width * height {
		copy(img.Pix[4*i:], pixels[3*i:3*i+3])
		img.Pix[4*i+3] = 255
	}
	return img
}

// TestTransformMatchesTorchvision compares every byte with torchvision on Pillow images.
func TestTransformMatchesTorchvision(t *testing.T) {
	type sources struct {
		Sources []struct {
			Width, Height int
			Pixels        []byte
			Cases         []struct {
				Transform Transform
				Want      []byte
			}
		}
	}
	n := 0
	for _, source := range reference[sources](t, "transform.json").Sources {
		img := fromBytes(source.Width, source.Height, source.Pixels)
		for _, test := range source.Cases {
			n++
			if err := test.Transform.Validate(); err != nil {
				t.Error(err)
			}
			if got := test.Transform.Apply(img); !bytes.Equal(got, test.Want) {
				t.Errorf("%d×%d by %+v: %s", source.Width, source.Height, test.Transform, difference(got, test.Want))
			}
		}
	}
	if n < 40 {
		t.Errorf("%d cases, want at least 40 from the generator", n)
	}
}

// difference says how far apart the bytes are.
func difference(got, want []byte) string {
	if len(got) != len(want) {
		return fmt.Sprintf("%d bytes, want %d", len(got), len(want))
	}
	n, worst := 0, 0
	for i := range got {
		if off := max(got[i], want[i]) - min(got[i], want[i]); off > 0 {
			n, worst = n+1, max(worst, int(off))
		}
	}
	return fmt.Sprintf("%d of %d bytes differ, by up to %d", n, len(got), worst)
}

// TestTransformExact: an image that already has the right size is not changed.
func TestTransformExact(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 32, 32))
	var want []byte
	for y := range 32 {
		for x := range 32 {
			c := color.NRGBA{byte(8 * x), byte(8 * y), byte(x*y + 3), 255}
			img.SetNRGBA(x, y, c)
			want = append(want, c.R, c.G, c.B)
		}
	}
	for _, filter := range []Filter{"", Bilinear, Bicubic} {
		if got := (Transform{32, 32, 32, filter}).Apply(img); !bytes.Equal(got, want) {
			t.Errorf("filter %q: the pixels of a 32×32 image changed", filter)
		}
	}
}

// fill paints a part of the image.
func fill(img *image.NRGBA, part image.Rectangle, c color.NRGBA) {
	for y := part.Min.Y; y < part.Max.Y; y++ {
		for x := part.Min.X; x < part.Max.X; x++ {
			img.SetNRGBA(x, y, c)
		}
	}
}

func TestTransformOneColour(t *testing.T) {
	// Green in the middle 32×24 pixels, red and blue beside it.
	strip := image.NewNRGBA(image.Rect(0, 0, 128, 24))
	fill(strip, image.Rect(0, 0, 48, 24), color.NRGBA{255, 0, 0, 255})
	fill(strip, image.Rect(48, 0, 80, 24), color.NRGBA{10, 200, 30, 255})
	fill(strip, image.Rect(80, 0, 128, 24), color.NRGBA{0, 0, 255, 255})
	// The green part of a larger image.
	around := image.NewNRGBA(image.Rect(-20, -30, 150, 60))
	fill(around, image.Rect(0, 0, 128, 24), color.NRGBA{10, 200, 30, 255})

	clear := image.NewNRGBA(image.Rect(0, 0, 5, 7)) // black, but fully transparent
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
		name string
		img  image.Image
		want [3]byte
	}{
		{"the middle of a strip", strip, [3]byte{10, 200, 30}},
		{"a sub-image", around.SubImage(image.Rect(0, 0, 128, 24)), [3]byte{10, 200, 30}},
		{"transparent", clear, [3]byte{255, 255, 255}},
		{"half transparent", half, [3]byte{127, 127, 127}},
		{"grey", grey, [3]byte{77, 77, 77}},
		{"16 bits", deep, [3]byte{0x12, 0x80, 0xfe}},
		{"empty", image.NewRGBA(image.Rectangle{}), [3]byte{}},
	} {
		for _, filter := range []Filter{Bilinear, Bicubic} {
			got := Transform{Resize: 24, Height: 24, Width: 24, Filter: filter}.Apply(test.img)
			if len(got) != 24*24*3 {
				t.Errorf("%s: %d bytes, want 24×24×3", test.name, len(got))
				continue
			}
			for i, value := range got {
				if value != test.want[i%3] {
					t.Errorf("%s, %s: pixel %d has %d in channel %d, want %d", test.name, filter, i/3, value, i%3, test.want[i%3])
					break
				}
			}
		}
	}
}

// TestTransformHuge: only the part that is kept of a very long image is resized.
func TestTransformHuge(t *testing.T) {
	for _, size := range []image.Point{{1, 5_000_000}, {5_000_000, 1}} {
		img := image.NewGray(image.Rectangle{Max: size})
		for i := range img.Pix {
			img.Pix[i] = 200
		}
		for _, resize := range []int{1, 224, maxSide} {
			got := Transform{Resize: resize, Height: 3, Width: 3, Filter: Bicubic}.Apply(img)
			if middle := got[3*4]; middle != 200 {
				t.Errorf("%v resized to %d: the middle is %d, want 200", size, resize, middle)
			}
		}
	}
}

func TestTransformValidate(t *testing.T) {
	for _, test := range []struct {
		transform Transform
		want      string
	}{
		{Transform{256, 224, 224, ""}, ""},
		{Transform{1, 1, 1, Bilinear}, ""},
		{Transform{4096, 4096, 4096, Bicubic}, ""},
		{Transform{}, "resize of 0 pixels"},
		{Transform{-1, 1, 1, ""}, "resize of -1 pixels"},
		{Transform{4097, 1, 1, ""}, "1 to 4096"},
		{Transform{8, 0, 8, ""}, "height of 0 pixels"},
		{Transform{8, 8, 1 << 40, ""}, "width of 1099511627776 pixels"},
		{Transform{8, 8, 8, "lanczos"}, `filter "lanczos", want bilinear or bicubic`},
	} {
		err := test.transform.Validate()
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %v, want an error with %q", test.transform, err, test.want)
		}
	}
}

// photograph returns a JPEG file with the size of a 12-megapixel camera.
func photograph(b *testing.B) []byte {
	img := image.NewYCbCr(image.Rect(0, 0, 4000, 3000), image.YCbCrSubsampleRatio420)
	for i := range img.Y {
		img.Y[i] = byte(i/40 ^ i/4000)
	}
	for i := range img.Cb {
		img.Cb[i], img.Cr[i] = byte(i/70), byte(i/9000)
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, img, &jpeg.Options{Quality: 90}); err != nil {
		b.Fatal(err)
	}
	return file.Bytes()
}

func BenchmarkDecode(b *testing.B) {
	file := photograph(b)
	for b.Loop() {
		if _, err := Decode(bytes.NewReader(file), Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUpright(b *testing.B) {
	img, err := Decode(bytes.NewReader(photograph(b)), Limits{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		upright(img, 6)
	}
}

func BenchmarkApply(b *testing.B) {
	img, err := Decode(bytes.NewReader(photograph(b)), Limits{})
	if err != nil {
		b.Fatal(err)
	}
	for _, filter := range []Filter{Bilinear, Bicubic} {
		b.Run(string(filter), func(b *testing.B) {
			for b.Loop() {
				Transform{Resize: 256, Height: 224, Width: 224, Filter: filter}.Apply(img)
			}
		})
	}
}
