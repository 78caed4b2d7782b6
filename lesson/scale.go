package main

import (
	"context"
	"fmt"
	"image"

	"github.com/residual-go/residual/lesson/source"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/picture"
)

// maxScaled is how many bytes of images scale makes at most: they stay in memory.
const maxScaled = 4 << 30

// scale makes every image of the set what the transform makes of a picture.
func scale(ctx context.Context, set *source.Set, t picture.Transform) error {
	if err := t.Validate(); err != nil {
		return err
	}
	for _, images := range []**dataset.Images{&set.Training, &set.Test} {
		scaled, err := scaledImages(ctx, *images, t)
		if err != nil {
			return err
		}
		*images = scaled
	}
	return nil
}

func scaledImages(ctx context.Context, m *dataset.Images, t picture.Transform) (*dataset.Images, error) {
	scaled := *m
	scaled.Name = fmt.Sprintf("%s, scaled to %d×%d", m.Name, t.Height, t.Width)
	scaled.Height, scaled.Width = t.Height, t.Width
	size := int64(m.Len()) * int64(scaled.ImageSize())
	if size > maxScaled {
		return nil, fmt.Errorf("%d images of %d×%d pixels take %.1f GB of memory, want at most %.1f; take a smaller --size or a --subset",
			m.Len(), t.Height, t.Width, float64(size)/1e9, float64(maxScaled)/1e9)
	}
	scaled.Pixels = make([]byte, 0, size)
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
		scaled.Pixels = append(scaled.Pixels, t.Apply(original)...)
	}
	return &scaled, nil
}
