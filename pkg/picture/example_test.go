package picture_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strings"

	"github.com/residual-go/residual/pkg/picture"
)

func ExampleTransform_Apply() {
	// A photograph of 400×300 pixels, as a file.
	photo := image.NewRGBA(image.Rect(0, 0, 400, 300))
	for i := 0; i < len(photo.Pix); i += 4 {
		copy(photo.Pix[i:], []byte{200, 100, 50, 255})
	}
	var file bytes.Buffer
	if err := png.Encode(&file, photo); err != nil {
		fmt.Println(err)
		return
	}

	img, err := picture.Decode(&file, picture.Limits{})
	if err != nil {
		fmt.Println("the photo", err)
		return
	}
	// As torchvision prepares images for its ImageNet networks.
	transform := picture.Transform{Resize: 256, Height: 224, Width: 224}
	pixels := transform.Apply(img)
	fmt.Println(len(pixels), "bytes; the first pixel is", pixels[:3])
	// Output:
	// 150528 bytes; the first pixel is [200 100 50]
}

func ExampleDecode_unsupported() {
	_, err := picture.Decode(strings.NewReader("\x00\x00\x00\x0cjP  \r\n…"), picture.Limits{})
	fmt.Println("cat.jp2", err)
	// Output:
	// cat.jp2 is a JPEG 2000 image; save it as JPEG or PNG
}

// Transparent parts of an image become white.
func ExampleTransform_Apply_transparent() {
	img := image.NewNRGBA(image.Rect(0, 0, 8, 8))
	img.SetNRGBA(0, 0, color.NRGBA{R: 255, A: 255})
	pixels := picture.Transform{Resize: 8, Height: 8, Width: 8}.Apply(img)
	fmt.Println(pixels[:6])
	// Output:
	// [255 0 0 255 255 255]
}
