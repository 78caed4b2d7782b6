package probe_test

import (
	"fmt"
	"log"

	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/probe"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/shapes10"
)

// Compute the gradient norms of all layers, and look at the feature maps of one.
func Example() {
	config, err := resnet.CIFAR(8, 2)
	if err != nil {
		log.Fatal(err)
	}
	r := recipe.Recipe{Model: config, Normalization: dataset.CIFAR10Normalization()}
	engine, err := backend.New("cpu")
	if err != nil {
		log.Fatal(err)
	}
	store, images := model.NewStore(), shapes10.Test(4, 1)

	norms, err := probe.GradientNorms(engine, store, "/model", r, images)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(norms), "norms, from", norms[0].Layer, "to", norms[len(norms)-1].Layer)

	outputs, err := probe.Outputs(engine, store, "/model", r, images, "layer2")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(outputs[0].Layer, outputs[0].Shape, "one map has", len(outputs[0].Map(0, 3)), "values")
	// Output:
	// 8 norms, from conv1 to fc
	// layer2 [4 16 16 4] one map has 256 values
}
