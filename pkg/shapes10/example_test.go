package shapes10_test

import (
	"fmt"

	"github.com/residual-go/residual/pkg/shapes10"
)

func ExampleTrain() {
	images := shapes10.Train(20, 42)
	fmt.Println(images.Len(), "images of", images.Height, "×", images.Width, "pixels")
	for _, label := range images.Labels[:5] {
		fmt.Println(images.Classes[label])
	}
	// The first images do not depend on how many are drawn.
	fmt.Println(string(shapes10.Train(1, 42).Pixels) == string(images.Image(0)))
	// Output:
	// 20 images of 32 × 32 pixels
	// triangle
	// square
	// cross
	// heart
	// star
	// true
}
