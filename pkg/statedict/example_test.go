package statedict_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/statedict"
)

// Save the weights of a network in PyTorch's names and layouts, and load them into another
// network of the same architecture.
func Example() {
	engine, err := backend.New("go")
	if err != nil {
		log.Fatal(err)
	}
	defer engine.Finalize()
	config, err := resnet.CIFAR(8, 4)
	if err != nil {
		log.Fatal(err)
	}
	trained, other := model.NewStore(), model.NewStore()
	for _, store := range []*model.Store{trained, other} {
		if err := config.Declare(store.Scope("/model")); err != nil {
			log.Fatal(err)
		}
		if err := store.InitializeVariables(engine, nil); err != nil {
			log.Fatal(err)
		}
	}

	dir, err := os.MkdirTemp("", "statedict")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "resnet8.safetensors")
	tensors, err := statedict.FromScope(trained.Scope("/model"))
	if err != nil {
		log.Fatal(err)
	}
	if err := (&statedict.Dict{Tensors: tensors}).Save(path); err != nil {
		log.Fatal(err)
	}

	loaded, err := statedict.Load(path)
	if err != nil {
		log.Fatal(err)
	}
	if err := statedict.ToScope(other.Scope("/model"), loaded.Tensors); err != nil {
		log.Fatal(err)
	}
	// A linear layer's weight is [out, in] in the file and [in, out] in the model.
	fmt.Println(loaded.Tensors["fc.weight"].Shape, other.GetVariable("/model/fc/weight").Shape())
	// Output:
	// [10 16] (Float32)[16, 10]
}

func ExampleCompare() {
	config, err := resnet.CIFAR(8, 4)
	if err != nil {
		log.Fatal(err)
	}
	shapes, err := statedict.Shapes(config)
	if err != nil {
		log.Fatal(err)
	}
	tensors := map[string]statedict.Tensor{}
	for name, shape := range shapes {
		tensors[name] = statedict.Tensor{Shape: shape}
	}
	delete(tensors, "bn1.bias")
	tensors["fc.weight"] = statedict.Tensor{Shape: []int{100, 16}}
	tensors["fc2.weight"] = statedict.Tensor{Shape: []int{10, 100}}

	fmt.Println(statedict.Compare(shapes, tensors))
	// Output:
	// 35 tensors loaded
	// missing bn1.bias
	// unexpected fc2.weight
	// mismatched fc.weight (shape [100 16], want [10 16])
}
