package cli

import (
	"context"
	"fmt"
	"image"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/datasource"
	"github.com/residual-go/residual/pkg/picture"
)

// maxScaled is how many bytes of images scaled makes at most: they stay in memory.
const maxScaled = 4 << 30

// fits reports whether the images have the size that the transform makes.
func fits(m *dataset.Images, t picture.Transform) bool {
	return m.Height == t.Height && m.Width == t.Width
}

// scaleSet scales both the training and the test images of the set.
func scaleSet(ctx context.Context, set *datasource.Set, t picture.Transform) error {
	var err error
	if set.Training, err = scaled(ctx, set.Training, t); err != nil {
		return err
	}
	set.Test, err = scaled(ctx, set.Test, t)
	return err
}

// scaled returns what the transform makes of the images, each taken for a picture.
func scaled(ctx context.Context, m *dataset.Images, t picture.Transform) (*dataset.Images, error) {
	if err := t.Validate(); err != nil {
		return nil, err
	}
	to := *m
	to.Name = fmt.Sprintf("%s, scaled to %d×%d", m.Name, t.Height, t.Width)
	to.Height, to.Width = t.Height, t.Width
	size := int64(m.Len()) * int64(to.ImageSize())
	if size > maxScaled {
		return nil, fmt.Errorf("%d images of %d×%d pixels take %.1f GB of memory, want at most %.1f; take a smaller --size or a --subset",
			m.Len(), t.Height, t.Width, float64(size)/1e9, float64(maxScaled)/1e9)
	}
	to.Pixels = make([]byte, 0, size)
	original := image.NewRGBA(image.Rect(0, 0, m.Width, m.Height))
	for i := range m.Len() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for at, value := range m.Image(i) {
			original.Pix[at/3*4+at%3] = value
		}
		for at := 3; at < len(original.Pix); at += 4 {
			original.Pix[at] = 255
		}
		to.Pixels = append(to.Pixels, t.Apply(original)...)
	}
	return &to, nil
}
