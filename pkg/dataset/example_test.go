package dataset_test

import (
	"fmt"
	"log"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/shapes10"
)

func ExampleNewBatches() {
	images := &dataset.Images{Name: "grey", Classes: []string{"dark", "light"}, Height: 4, Width: 4}
	for i := range 10 {
		images.Labels = append(images.Labels, int32(i/5))
		for range images.ImageSize() {
			images.Pixels = append(images.Pixels, byte(25*i))
		}
	}
	batches, err := dataset.NewBatches(images.First(8), dataset.Options{
		BatchSize: 3, Shuffle: true, Augment: dataset.Augment{Crop: 1, Flip: true}, Seed: 42, Epochs: 1,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for batch, err := range batches.Iter() {
		fmt.Println(batch.Inputs[0].Shape(), batch.Labels[0].Shape(), err)
	}
	// Output:
	// (Uint8)[3, 4, 4, 3] (Int32)[3, 1] <nil>
	// (Uint8)[3, 4, 4, 3] (Int32)[3, 1] <nil>
	// (Uint8)[2, 4, 4, 3] (Int32)[2, 1] <nil>
}

// Hold out a fifth of the images to choose settings on.
func ExampleImages_HoldOut() {
	rest, validation, err := shapes10.Train(100, 1).HoldOut(20, 1)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(rest.Len(), "to train on,", validation.Len(), "for", validation.Split)
	// Output: 80 to train on, 20 for validation
}

// Half of a run's 100 steps use images of 16 pixels, and the last ones whole images.
func ExampleSizes() {
	sizes := dataset.Sizes{{Until: 0.5, Pixels: 16}, {Until: 0.75, Pixels: 24}}
	for step := 0; step < 100; {
		pixels, until := sizes.At(step, 100)
		fmt.Printf("steps %d to %d: %d\n", step, until-1, pixels)
		step = until
	}
	// Output:
	// steps 0 to 49: 16
	// steps 50 to 74: 24
	// steps 75 to 99: 0
}
