package optim_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/support/exceptions"

	"github.com/residual-go/residual/pkg/optim"
	"github.com/residual-go/residual/pkg/statedict"
)

// Three steps of torch.optim.Muon (tests/reference/muon.py).
func TestMuonMatchesPyTorch(t *testing.T) {
	var reference struct {
		LearningRate float64 `json:"learning_rate"`
		Momentum     float64
		Cases        []struct {
			Nesterov  bool
			Shapes    [][]int
			Kernels   [][]float32
			Gradients [][][]float32
			After     [][]float32
		}
	}
	text, err := os.ReadFile("testdata/muon.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &reference); err != nil {
		t.Fatal(err)
	}
	for _, test := range reference.Cases {
		dict := func(values [][]float32) map[string]statedict.Tensor {
			tensors := map[string]statedict.Tensor{}
			for i, data := range values {
				tensors[fmt.Sprintf("conv%d.weight", i)] = statedict.Tensor{Shape: test.Shapes[i], Data: data}
			}
			return tensors
		}
		store := model.NewStore()
		statedict.Create(store.Scope("/net"), dict(test.Kernels))
		for variable := range store.Scope("/net").IterVariables() {
			variable.SetTrainable(true)
		}
		const multiplier = 0.25
		sgd := optim.SGD().LearningRate(reference.LearningRate / multiplier).Momentum(reference.Momentum).
			Nesterov(test.Nesterov).WeightDecay(0.5).Muon(multiplier).Done()
		for _, gradients := range test.Gradients {
			at := model.NewStore()
			statedict.Create(at.Scope("/net"), dict(gradients))
			exec := model.MustNewExec(gobackend.GetBackend(), store, func(scope *model.Scope, g *graph.Graph) {
				loss := graph.ScalarZero(g, dtypes.Float32) // with these gradients
				for variable := range store.Scope("/net").IterVariables() {
					gradient := graph.Const(g, at.GetVariable(variable.Path()).MustValue())
					loss = graph.Add(loss, graph.ReduceAllSum(graph.Mul(variable.NodeValue(g), gradient)))
				}
				sgd.UpdateGraph(scope, g, loss)
			})
			if _, err := exec.Call(); err != nil {
				t.Fatal(err)
			}
			exec.Finalize()
		}
		got, err := statedict.FromScope(store.Scope("/net"))
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range dict(test.After) {
			for i, w := range want.Data {
				if x := got[name].Data[i]; math.Abs(float64(x-w)) > 1e-4 {
					t.Fatalf("Nesterov %v: %s[%d] is %g, want %g", test.Nesterov, name, i, x, w)
				}
			}
		}
	}
}

// Muon changes kernels only.
func TestMuonLeavesTheRestToSGD(t *testing.T) {
	after := func(multiplier float64) map[string][]float32 {
		store := model.NewStore()
		values := map[string]any{"kernel": [][][][]float32{{{{1, 2}, {3, 5}}}}, "matrix": [][]float32{{1, 2}}, "bias": []float32{3}}
		for name, value := range values {
			store.Scope("/net").VariableWithValue(name, value)
		}
		sgd := optim.SGD().LearningRate(0.1).Momentum(0.5).WeightDecay(0.1).Muon(multiplier).Done()
		exec := model.MustNewExec(gobackend.GetBackend(), store, func(scope *model.Scope, g *graph.Graph) {
			loss := graph.ScalarZero(g, dtypes.Float32)
			for variable := range store.Scope("/net").IterVariables() {
				loss = graph.Add(loss, graph.ReduceAllSum(graph.Square(variable.NodeValue(g))))
			}
			sgd.UpdateGraph(scope, g, loss)
		})
		for range 2 {
			if _, err := exec.Call(); err != nil {
				t.Fatal(err)
			}
		}
		result := map[string][]float32{}
		for name := range values {
			result[name] = tensors.MustCopyFlatData[float32](store.GetVariable("/net/" + name).MustValue())
		}
		return result
	}
	without, with := after(0), after(0.5)
	for name := range without {
		if same := slices.Equal(without[name], with[name]); same != (name != "kernel") {
			t.Errorf("Muon: %s is %v, without %v", name, with[name], without[name])
		}
	}
}

func TestMuonRefuses(t *testing.T) {
	if err := exceptions.TryCatch[error](func() { optim.SGD().Muon(math.NaN()).Done() }); err == nil {
		t.Error("a multiplier that is NaN was accepted")
	}
}
