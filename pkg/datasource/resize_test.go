package datasource

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"testing"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/shapes10"
)

func TestResize(t *testing.T) {
	set := &Set{Training: shapes10.Train(3, 1), Test: shapes10.Test(2, 1)}
	original := *set.Training
	larger := picture.Transform{Resize: 40, Height: 40, Width: 36}
	if err := set.Resize(context.Background(), larger); err != nil {
		t.Fatal(err)
	}
	for _, images := range []*dataset.Images{set.Training, set.Test} {
		if err := images.Validate(); err != nil {
			t.Error(err)
		}
		if want := shapes10.Name + ", scaled to 40×36"; images.Name != want || images.Height != 40 || images.Width != 36 {
			t.Errorf("%s of %d×%d pixels, want %s of 40×36", images.Name, images.Height, images.Width, want)
		}
	}
	if set.Training.Len() != 3 || set.Test.Len() != 2 || original.Height != 32 {
		t.Errorf("%d and %d images, the original height is %d; want 3, 2 and 32", set.Training.Len(), set.Test.Len(), original.Height)
	}

	same, err := Resize(context.Background(), &original, picture.Transform{Resize: 50, Height: 32, Width: 32})
	if err != nil || same != &original {
		t.Errorf("images that have the size already were changed, error %v", err)
	}
	photo := image.NewRGBA(image.Rect(0, 0, 32, 32))
	for i := range 32 * 32 {
		pixel := original.Image(2)[3*i:]
		photo.Set(i%32, i/32, color.RGBA{pixel[0], pixel[1], pixel[2], 255})
	}
	if !bytes.Equal(set.Training.Image(2), larger.Apply(photo)) {
		t.Error("image 2 is not what the transform makes of it")
	}
}

func TestResizeErrors(t *testing.T) {
	images := shapes10.Train(100, 1)
	_, err := Resize(context.Background(), images, picture.Transform{Resize: 4096, Height: 4096, Width: 4096})
	if tooLarge, ok := errors.AsType[*dataset.MemoryError](err); !ok || tooLarge.Images != 100 || tooLarge.Height != 4096 {
		t.Errorf("100 images of 4096×4096 pixels: got error %v, want a MemoryError", err)
	}
	if _, err := Resize(context.Background(), images, picture.Transform{Height: 8, Width: 8}); err == nil {
		t.Error("an invalid transform was accepted")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Resize(ctx, images, picture.Transform{Resize: 8, Height: 8, Width: 8}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled context: got error %v, want %v", err, context.Canceled)
	}
}
