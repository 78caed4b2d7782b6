package resnet_test

import (
	"fmt"
	"log"
	"strings"

	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/resnet"
)

// Take ResNet-50, but for ten classes.
func ExampleByName() {
	config, err := resnet.ByName("resnet50")
	if err != nil {
		log.Fatal(err)
	}
	config.Classes = 10
	summary, err := config.Summary(224, 224)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(summary.Parameters, "parameters,", summary.MultiplyAdds, "multiply-adds")
	// Output: 23528522 parameters, 4087156736 multiply-adds
}

// Compute the logits of two images with a network that has not been trained.
func ExampleConfig_Forward() {
	config, err := resnet.CIFAR(8, 4)
	if err != nil {
		log.Fatal(err)
	}
	store := model.NewStore()
	images := tensors.FromScalarAndDimensions(float32(0), 2, 32, 32, 3)
	logits, err := model.CallOnce(gobackend.GetBackend(), store, func(scope *model.Scope, images *graph.Node) *graph.Node {
		return config.Forward(scope.In("model"), images)
	}, images)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("logits", logits.Shape().Dimensions)
	for variable := range store.Scope("/model").IterVariables() {
		if key, _ := resnet.StateDictKey(store.Scope("/model"), variable); strings.HasPrefix(key, "fc.") {
			fmt.Println(key, variable.Shape().Dimensions)
		}
	}
	// Output:
	// logits [2 10]
	// fc.weight [16 10]
	// fc.bias [10]
}

// A tap receives the output of every layer.
func ExampleTap() {
	config, err := resnet.CIFAR(8, 4)
	if err != nil {
		log.Fatal(err)
	}
	tap := func(name string, x *graph.Node) {
		if strings.HasPrefix(name, "layer2.0") {
			fmt.Println(name, x.Shape().Dimensions)
		}
	}
	_, err = model.CallOnce(gobackend.GetBackend(), model.NewStore(), func(scope *model.Scope, images *graph.Node) *graph.Node {
		return config.Forward(scope, images, tap)
	}, tensors.FromScalarAndDimensions(float32(0), 1, 32, 32, 3))
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// layer2.0.conv1 [1 16 16 8]
	// layer2.0.bn1 [1 16 16 8]
	// layer2.0.relu1 [1 16 16 8]
	// layer2.0.conv2 [1 16 16 8]
	// layer2.0.bn2 [1 16 16 8]
	// layer2.0.downsample [1 16 16 8]
	// layer2.0.relu2 [1 16 16 8]
	// layer2.0 [1 16 16 8]
}
