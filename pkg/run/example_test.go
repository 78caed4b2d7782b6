package run_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/run"
	"github.com/residual-go/residual/pkg/shapes10"
)

// Train a small network for one epoch, and look at what the run wrote.
func ExampleTrain() {
	engine, err := backend.New("cpu")
	if err != nil {
		log.Fatal(err)
	}
	r, err := recipe.ByName("fast")
	if err != nil {
		log.Fatal(err)
	}
	if r.Model, err = resnet.CIFAR(8, 4); err != nil {
		log.Fatal(err)
	}
	r.Epochs, r.BatchSize = 1, 50

	parent, err := os.MkdirTemp("", "run")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(parent)
	dir := filepath.Join(parent, "small")
	outcome, err := run.Train(context.Background(), dir, r, run.Options{
		Backend: engine, Training: shapes10.Train(200, 1), Test: shapes10.Test(50, 2),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(outcome.Test.Total, "test images evaluated")

	lines, err := run.ReadMetrics(dir)
	if err != nil {
		log.Fatal(err)
	}
	last := lines[len(lines)-1]
	fmt.Printf("epoch %d of %d, step %d, learning rate %.2g\n", last.Epoch, last.Epochs, last.Step, last.LearningRate)

	state, path, err := run.Latest(dir, func(note string) { fmt.Println(note) })
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(filepath.Base(path), "has", len(state.Weights), "tensors of", state.Recipe.Model.Name)
	// Output:
	// 50 test images evaluated
	// epoch 1 of 1, step 4, learning rate 1.6e-06
	// step-00000004.safetensors has 37 tensors of resnet8-w4
}
