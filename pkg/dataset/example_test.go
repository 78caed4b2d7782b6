package dataset_test

import (
	"fmt"

	"github.com/residual-go/residual/pkg/dataset"
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
