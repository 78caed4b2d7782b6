package datasource

import (
	"context"
	"fmt"
	"image"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/picture"
)

// maxResized bounds the bytes of resized images, which stay in memory.
const maxResized = 4 << 30

// Resize applies the transform to all images of the set; see [Resize].
func (s *Set) Resize(ctx context.Context, t picture.Transform) error {
	var resized [3]*dataset.Images
	for i, images := range []*dataset.Images{s.Training, s.Validation, s.Test} {
		if images == nil {
			continue
		}
		var err error
		if resized[i], err = Resize(ctx, images, t); err != nil {
			return err
		}
	}
	s.Training, s.Validation, s.Test = resized[0], resized[1], resized[2]
	return nil
}

// Resize returns what the transform makes of each image, for networks that expect larger
// images than CIFAR's. Images that already have the transform's size are returned unchanged.
// Images that would take more than 4 GiB are a [*dataset.MemoryError].
func Resize(ctx context.Context, m *dataset.Images, t picture.Transform) (*dataset.Images, error) {
	if m.Height == t.Height && m.Width == t.Width {
		return m, nil
	}
	if err := t.Validate(); err != nil {
		return nil, err
	}
	if err := dataset.CheckMemory(m.Len(), t.Height, t.Width, maxResized); err != nil {
		return nil, err
	}
	resized := *m
	resized.Name = fmt.Sprintf("%s, scaled to %d×%d", m.Name, t.Height, t.Width)
	resized.Height, resized.Width = t.Height, t.Width
	resized.Pixels = make([]byte, 0, m.Len()*resized.ImageSize())
	original := image.NewRGBA(image.Rect(0, 0, m.Width, m.Height))
	for at := 3; at < len(original.Pix); at += 4 {
		original.Pix[at] = 255 // opaque
	}
	for i := range m.Len() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for at, value := range m.Image(i) {
			original.Pix[at/3*4+at%3] = value
		}
		resized.Pixels = append(resized.Pixels, t.Apply(original)...)
	}
	return &resized, nil
}
