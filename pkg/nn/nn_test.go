package nn

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

// run builds and runs fn on inputs, with the variables of store, in training or inference mode.
func run(store *model.Store, training bool, fn func(scope *model.Scope, inputs []*graph.Node) []*graph.Node, inputs ...any) ([]*tensors.Tensor, error) {
	exec, err := model.NewExec(gobackend.GetBackend(), store, func(scope *model.Scope, inputs []*graph.Node) []*graph.Node {
		store.SetTraining(inputs[0].Graph(), training)
		return fn(scope, inputs)
	})
	if err != nil {
		return nil, err
	}
	defer exec.Finalize()
	return exec.Exec(inputs...)
}

func mustRun(t *testing.T, store *model.Store, training bool, fn func(scope *model.Scope, inputs []*graph.Node) []*graph.Node, inputs ...any) [][]float64 {
	t.Helper()
	outputs, err := run(store, training, fn, inputs...)
	if err != nil {
		t.Fatal(err)
	}
	var all [][]float64
	for _, output := range outputs {
		all = append(all, tensors.MustCopyFlatData[float64](output))
	}
	return all
}

func random(n int, seed uint64) []float64 {
	numbers := rand.New(rand.NewPCG(seed, 0))
	x := make([]float64, n)
	for i := range x {
		x[i] = 3*numbers.NormFloat64() + 1
	}
	return x
}

func checkClose(t *testing.T, what string, got, want []float64, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", what, len(got), len(want))
		return
	}
	for i := range want {
		if !(math.Abs(got[i]-want[i]) <= tolerance) {
			t.Errorf("%s: value %d is %.10g, want %.10g", what, i, got[i], want[i])
			return
		}
	}
}

// finiteDifferences returns the gradient of f at x by central differences. It changes x while f
// runs.
func finiteDifferences(x []float64, f func() float64) []float64 {
	const h = 1e-5
	gradient := make([]float64, len(x))
	for i, at := range x {
		x[i] = at + h
		above := f()
		x[i] = at - h
		gradient[i] = (above - f()) / (2 * h)
		x[i] = at
	}
	return gradient
}

func errorContains(t *testing.T, what string, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: error %v, want one with %q", what, err, want)
	}
}

func axes(pads ...[3]int) []compute.PadAxis {
	var all []compute.PadAxis
	for _, pad := range pads {
		all = append(all, compute.PadAxis{Start: pad[0], End: pad[1], Interior: pad[2]})
	}
	return all
}

func scalar(g *graph.Graph, x float64) *graph.Node { return graph.Scalar(g, dtypes.Float64, x) }
