package imagefolder_test

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"

	"github.com/residual-go/residual/pkg/imagefolder"
	"github.com/residual-go/residual/pkg/picture"
)

func ExampleRead() {
	dir, err := makePets()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	folder, err := imagefolder.Read(context.Background(), dir, imagefolder.Options{
		Transform: picture.Transform{Resize: 256, Height: 224, Width: 224},
		Seed:      42,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(folder.Training.Classes)
	fmt.Println(folder.Training.Len(), "training and", folder.Validation.Len(), "validation images of",
		folder.Training.Height, "×", folder.Training.Width, "pixels")
	for _, skipped := range folder.Skipped {
		fmt.Println("skipped:", filepath.Base(skipped.Path), skipped.Why)
	}
	// Output:
	// [cat dog]
	// 8 training and 2 validation images of 224 × 224 pixels
	// skipped: 5.jp2 is a JPEG 2000 image; save it as JPEG or PNG
}

// makePets makes a temporary folder with five photos of cats, five of dogs, and a JPEG 2000 image.
func makePets() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "pets"); err != nil {
		return "", err
	}
	for class, c := range map[string]color.Gray{"cat": {200}, "dog": {90}} {
		if err := os.Mkdir(filepath.Join(dir, class), 0o755); err != nil {
			return "", err
		}
		for i := range 5 {
			photo := image.NewGray(image.Rect(0, 0, 40, 30))
			photo.SetGray(i, i, c)
			file, err := os.Create(filepath.Join(dir, class, fmt.Sprintf("%d.png", i)))
			if err != nil {
				return "", err
			}
			if err := png.Encode(file, photo); err != nil {
				return "", err
			}
			if err := file.Close(); err != nil {
				return "", err
			}
		}
	}
	return dir, os.WriteFile(filepath.Join(dir, "dog", "5.jp2"), []byte("\x00\x00\x00\x0cjP  \r\n"), 0o644)
}
