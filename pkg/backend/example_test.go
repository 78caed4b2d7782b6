package backend_test

import (
	"fmt"
	"log"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/residual-go/residual/pkg/backend"
)

// Start the project's CPU backend and compute with it. [backend.Auto] would start the default
// backend instead, which depends on the machine.
func ExampleNew() {
	b, err := backend.New("cpu")
	if err != nil {
		log.Fatal(err)
	}
	defer b.Finalize()

	sum, err := graph.CallOnce(b, func(x *graph.Node) *graph.Node { return graph.ReduceAllSum(x) }, []float32{1, 2, 3})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(b.Name(), sum.Value())
	// Output: cpu 6
}

func ExampleNames() {
	fmt.Println(backend.Names())
	// Output: [cpu go xla]
}
