package hub_test

import (
	"context"
	"fmt"
	"log"

	"github.com/residual-go/residual/pkg/hub"
)

func ExampleCatalogue() {
	list, err := hub.Catalogue()
	if err != nil {
		log.Fatal(err)
	}
	for _, entry := range list[:4] {
		fmt.Println(entry.Name)
	}
	// Output:
	// resnet18.tv_in1k
	// resnet34.tv_in1k
	// resnet50.tv_in1k
	// resnet50.tv2_in1k
}

// A name that is nearly right is refused with a hint, before anything is downloaded.
func ExampleFetch() {
	for _, spec := range []string{"resnet20", "resnet50d.a1_in1k"} {
		_, _, err := hub.Fetch(context.Background(), spec, nil)
		fmt.Println(err)
	}
	// Output:
	// weights resnet20: no such file; the weights for CIFAR-10 are called resnet20.cifar10
	// weights resnet50d.a1_in1k: this architecture is not supported: its stem has several convolutions, or its shortcuts average before they project
}
