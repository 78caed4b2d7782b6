package nn_test

import (
	"fmt"
	"log"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/nn"
)

// Normalise a batch of four values of two channels.
func ExampleBatchNorm() {
	store := model.NewStore()
	y, err := model.CallOnce(gobackend.GetBackend(), store, func(scope *model.Scope, x *graph.Node) *graph.Node {
		store.SetTraining(x.Graph(), true)
		return nn.BatchNorm(scope.In("bn1"), x).Done()
	}, tensors.FromValue([][]float32{{1, 10}, {2, 20}, {3, 30}, {4, 40}}))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%.2f\n", y.Value())
	for variable := range store.IterVariables() {
		fmt.Printf("%s %.3f\n", variable.Path(), variable.MustValue().Value())
	}
	// Output:
	// [[-1.34 -1.34] [-0.45 -0.45] [0.45 0.45] [1.34 1.34]]
	// /bn1/weight [1.000 1.000]
	// /bn1/bias [0.000 0.000]
	// /bn1/running_mean [0.250 2.500]
	// /bn1/running_var [1.067 17.567]
}

// Put a pixel of zeros around an image of 2×2 pixels.
func ExamplePad() {
	y, err := graph.CallOnce(gobackend.GetBackend(), func(x *graph.Node) *graph.Node {
		one := compute.PadAxis{Start: 1, End: 1}
		return nn.Pad(x, graph.ScalarZero(x.Graph(), x.DType()), one, one)
	}, tensors.FromValue([][]float32{{1, 2}, {3, 4}}))
	if err != nil {
		log.Fatal(err)
	}
	for _, row := range y.Value().([][]float32) {
		fmt.Println(row)
	}
	// Output:
	// [0 0 0 0]
	// [0 1 2 0]
	// [0 3 4 0]
	// [0 0 0 0]
}

// Label smoothing makes the network pay for being too sure.
func ExampleCrossEntropy() {
	logits := tensors.FromValue([][]float32{{8, 0, 0}})
	labels := tensors.FromValue([][]int32{{0}})
	for _, smoothing := range []float64{0, 0.1} {
		loss, err := graph.CallOnce(gobackend.GetBackend(), func(labels, logits *graph.Node) *graph.Node {
			return nn.CrossEntropy(smoothing)([]*graph.Node{labels}, []*graph.Node{logits})
		}, labels, logits)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("smoothing %.1f: loss %.3f\n", smoothing, loss.Value())
	}
	// Output:
	// smoothing 0.0: loss 0.001
	// smoothing 0.1: loss 0.534
}
