package spmd_test

import (
	"fmt"
	"log"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/shapes10"
	"github.com/residual-go/residual/pkg/spmd"
)

// Split batches of four images between two devices. The CPU backend can pretend to have several.
func ExampleShare() {
	b, err := backend.New("cpu:devices=2")
	if err != nil {
		log.Fatal(err)
	}
	defer b.Finalize()
	batches, err := dataset.NewBatches(shapes10.Train(4, 1), dataset.Options{BatchSize: 4, Epochs: 1})
	if err != nil {
		log.Fatal(err)
	}
	shares, err := spmd.Share(batches, b, 2)
	if err != nil {
		log.Fatal(err)
	}
	for batch, err := range shares.DistributedIter() {
		if err != nil {
			log.Fatal(err)
		}
		for device, labels := range batch.Labels[0].Shards() {
			fmt.Println("device", device, "has the labels", tensors.MustCopyFlatData[int32](labels))
		}
	}
	// Output:
	// device 0 has the labels [6 3]
	// device 1 has the labels [1 9]
}
