package checkpoint_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/checkpoint"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/resnet"
)

// Save the state of a network as a checkpoint, and restore it into another store.
func Example() {
	r, err := recipe.ByName("fast")
	if err != nil {
		log.Fatal(err)
	}
	if r.Model, err = resnet.CIFAR(8, 4); err != nil {
		log.Fatal(err)
	}
	trained := model.NewStore()
	if err := r.Model.Declare(trained.Scope("/model")); err != nil {
		log.Fatal(err)
	}
	if err := trained.InitializeVariables(gobackend.GetBackend(), nil); err != nil {
		log.Fatal(err)
	}

	dir, err := os.MkdirTemp("", "checkpoint")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "step-00000000"+checkpoint.Ext)
	state := checkpoint.State{Recipe: r, Data: "example", Images: 100, Height: 32, Width: 32, Classes: make([]string, 10)}
	if err := state.Capture(trained, "/model"); err != nil {
		log.Fatal(err)
	}
	if err := state.Save(path); err != nil {
		log.Fatal(err)
	}

	loaded, err := checkpoint.Load(path)
	if err != nil {
		log.Fatal(err)
	}
	restored := model.NewStore()
	if err := loaded.Restore(restored, "/model"); err != nil {
		log.Fatal(err)
	}
	same := restored.GetVariable("/model/fc/weight").MustValue().Equal(trained.GetVariable("/model/fc/weight").MustValue())
	fmt.Println(loaded.Recipe.Model.Name, len(loaded.Weights), same)
	// Output: resnet8-w4 37 true
}
