package classmap

import (
	"image"
	"image/color"
	"testing"

	"github.com/residual-go/residual/pkg/picture"
)

func TestViewSizeAndCrop(t *testing.T) {
	imagenet := picture.Transform{Resize: 256, Height: 224, Width: 224}
	cifar := picture.Transform{Resize: 32, Height: 32, Width: 32}
	for _, test := range []struct {
		height, width int
		transform     picture.Transform
		size          image.Point
		crop          image.Rectangle
	}{
		{32, 32, cifar, image.Pt(640, 640), image.Rect(0, 0, 640, 640)},
		{1, 1, cifar, image.Pt(640, 640), image.Rect(0, 0, 640, 640)},
		{300, 200, cifar, image.Pt(400, 600), image.Rect(0, 100, 400, 500)},
		{640, 640, imagenet, image.Pt(640, 640), image.Rect(40, 40, 600, 600)},
		{3000, 4000, imagenet, image.Pt(640, 480), image.Rect(110, 30, 530, 450)},
		{4000, 3000, imagenet, image.Pt(480, 640), image.Rect(30, 110, 450, 530)},
		{3, 1000, cifar, image.Pt(640, 2), image.Rect(319, 0, 321, 2)},
		{100_000, 1, imagenet, image.Pt(1, 640), image.Rect(0, 320, 1, 321)},
		{320, 640, picture.Transform{Resize: 32, Height: 64, Width: 32}, image.Pt(640, 320), image.Rect(160, -160, 480, 480)},
		{2, 3, picture.Transform{Resize: 1, Height: 4096, Width: 1}, image.Pt(1, 1), image.Rect(0, -2048, 1, 2049)},
	} {
		photo := image.NewGray(image.Rect(5, 7, 5+test.width, 7+test.height))
		v := NewView(photo, test.transform)
		if got := v.photo.Rect.Size(); got != test.size {
			t.Errorf("%d×%d: the view has %v pixels, want %v", test.height, test.width, got, test.size)
		}
		if v.crop != test.crop {
			t.Errorf("%d×%d, resize %d, crop %d×%d: the crop is %v, want %v", test.height, test.width,
				test.transform.Resize, test.transform.Height, test.transform.Width, v.crop, test.crop)
		}
		if got := v.Draw([]float64{0, 1}, 1, 2).Bounds().Size(); got != test.size {
			t.Errorf("%d×%d: the drawing has %v pixels, want %v", test.height, test.width, got, test.size)
		}
	}
}

// The hottest part of the map is yellow, the coldest violet, and what the network does not
// see is dark.
func TestDrawPutsTheMapWhereTheCropIs(t *testing.T) {
	photo := image.NewRGBA(image.Rect(0, 0, 320, 640)) // transparent, so drawn on white
	v := NewView(photo, picture.Transform{Resize: 32, Height: 32, Width: 32})
	drawn := v.Draw([]float64{0, 0, 0, 1}, 2, 2)
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(drawn.At(x, y)).(color.RGBA) }
	if c := at(160, 80); c.R > 130 || c.R != c.G || c.G != c.B {
		t.Errorf("above the crop the view is %v, want dark grey", c)
	}
	if c := at(10, 170); c.G >= c.R || c.R >= c.B {
		t.Errorf("in the upper left of the crop the view is %v, want violet", c)
	}
	if c := at(310, 470); c.R < 230 || c.G < 220 || c.B > 150 {
		t.Errorf("in the lower right of the crop the view is %v, want yellow", c)
	}
}

func TestDrawLeavesTheViewAlone(t *testing.T) {
	v := NewView(image.NewGray(image.Rect(0, 0, 4, 4)), picture.Transform{Resize: 4, Height: 4, Width: 4})
	v.Draw([]float64{0, 1}, 1, 2)
	if c := v.photo.RGBAAt(300, 300); c != (color.RGBA{A: 255}) {
		t.Errorf("Draw changed a pixel of the view to %v, want black", c)
	}
}
