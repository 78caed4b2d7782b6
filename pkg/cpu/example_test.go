package cpu_test

import (
	"fmt"
	"log"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/distributed"
	"github.com/gomlx/gomlx/core/graph"

	_ "github.com/residual-go/residual/pkg/cpu" // registers the backend "cpu"
)

// Any GoMLX program can run on this backend: import the package for its side effect and choose
// "cpu".
func Example() {
	backend, err := compute.NewWithConfig("cpu")
	if err != nil {
		log.Fatal(err)
	}
	defer backend.Finalize()

	// A dense layer with ReLU, and the gradient of its sum with respect to the weights.
	layer, err := graph.NewExec(backend, func(x, w *graph.Node) (y, gradient *graph.Node) {
		y = graph.Max(graph.MatMul(x, w), graph.ScalarZero(x.Graph(), x.DType()))
		return y, graph.Gradient(graph.ReduceAllSum(y), w)[0]
	})
	if err != nil {
		log.Fatal(err)
	}
	x := [][]float32{{1, 2}, {3, 4}}
	w := [][]float32{{1, 0, -1}, {0, 1, 0.25}}
	results, err := layer.Call(x, w)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("output:  ", results[0].Value())
	fmt.Println("gradient:", results[1].Value())
	// Output:
	// output:   [[1 2 0] [3 4 0]]
	// gradient: [[4 4 0] [6 6 0]]
}

// Options follow the name of the backend. With several devices, programs that train on more than
// one GPU can be tested on the CPU.
func ExampleNew() {
	const devices = 2
	backend, err := compute.NewWithConfig("cpu:devices=2")
	if err != nil {
		log.Fatal(err)
	}
	defer backend.Finalize()

	mesh, err := distributed.NewDeviceMesh([]int{devices}, []string{"replica"})
	if err != nil {
		log.Fatal(err)
	}
	// Each device squares its own input; AllReduce gives the sum to all of them.
	square, err := graph.NewExec(backend, func(x *graph.Node) *graph.Node {
		return x.Graph().Distributed().AllReduce([]*graph.Node{graph.Square(x)}, compute.ReduceOpSum)[0]
	})
	if err != nil {
		log.Fatal(err)
	}
	sums, err := square.SPMD(mesh).Call(float32(3), float32(4)) // one input for each device
	if err != nil {
		log.Fatal(err)
	}
	for device, sum := range sums {
		fmt.Printf("device %d of %d: %v\n", device, backend.NumDevices(), sum.Value())
	}
	// Output:
	// device 0 of 2: 25
	// device 1 of 2: 25
}
