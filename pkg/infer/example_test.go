package infer_test

import (
	"context"
	"fmt"
	"log"

	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/shapes10"
	"github.com/residual-go/residual/pkg/weights"
)

// Evaluate a saved network on labelled images, and look at one of its answers.
func Example() {
	engine, err := backend.New("cpu")
	if err != nil {
		log.Fatal(err)
	}
	defer engine.Finalize()
	m, err := weights.Open(context.Background(), "../weights/testdata/earlier/exported.safetensors", weights.Options{})
	if err != nil {
		log.Fatal(err)
	}
	store := model.NewStore()
	if err := m.Restore(store, "/model"); err != nil {
		log.Fatal(err)
	}
	network, err := infer.New(engine, store, "/model", m.Config, m.Normalization)
	if err != nil {
		log.Fatal(err)
	}
	defer network.Finalize()

	images := shapes10.Test(20, 1)
	result, err := network.Evaluate(context.Background(), images, 10, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d of %d images classified, into %d classes\n", len(result.Guesses), result.Total, len(result.Classes))

	first := images.First(1)
	logits, err := network.Logits(first.Pixels, first.Height, first.Width)
	if err != nil {
		log.Fatal(err)
	}
	best := infer.Top(logits, 1)[0]
	fmt.Println("the first guess is that of Evaluate:", best.Class == result.Guesses[0])
	// Output:
	// 20 of 20 images classified, into 10 classes
	// the first guess is that of Evaluate: true
}
