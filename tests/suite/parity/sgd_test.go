package parity

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/optimizer"
)

// A linear regression, followed by a scale, has to follow the same path, step by step.
func TestSGD(t *testing.T) {
	files, err := filepath.Glob("testdata/sgd-*.safetensors")
	if err != nil || len(files) == 0 {
		t.Fatal("no paths in testdata", err)
	}
	for name, backend := range backends(t) {
		for _, file := range files {
			var spec struct {
				sgdSpec
				Name  string
				Rates []float64
				// The learning-rate multipliers by name, 1 if missing, and the names that are frozen.
				Multiples map[string]float64
				Frozen    []string
			}
			want := load(t, strings.TrimSuffix(filepath.Base(file), ".safetensors"), &spec)
			t.Run(name+"/"+spec.Name, func(t *testing.T) {
				store := model.NewStore()
				initial := want.under("init/")
				for key, value := range initial {
					store.VariableWithValue("/"+key, value.tensor()).SetTrainable(!slices.Contains(spec.Frozen, key))
				}
				sgd := spec.builder().LearningRateMultiplier(func(path string) float64 {
					if multiplier, ok := spec.Multiples[strings.TrimPrefix(path, "/")]; ok {
						return multiplier
					}
					return 1
				}).Done()
				step, err := model.NewExec(backend, store, func(scope *model.Scope, x, y *graph.Node) *graph.Node {
					g := x.Graph()
					value := func(key string) *graph.Node { return store.GetVariable("/" + key).NodeValue(g) }
					row := func(key string) *graph.Node { return graph.ExpandAxes(value(key), 0) }
					prediction := graph.Mul(graph.Add(graph.MatMul(x, value("kernel")), row("bias")), row("weight"))
					loss := graph.ReduceAllMean(graph.Square(graph.Sub(prediction, y)))
					sgd.UpdateGraph(scope, g, loss)
					return loss
				})
				if err != nil {
					t.Fatal(err)
				}
				defer step.Finalize()
				got := arrays{}
				for i, rate := range spec.Rates {
					// As a schedule does; the first step uses the optimiser's own rate.
					if i > 0 {
						variable := optimizer.LearningRateVar(store.RootScope(), dtypes.Float32, rate)
						if err := variable.SetValue(tensors.FromScalar(float32(rate))); err != nil {
							t.Fatal(err)
						}
					}
					if _, err := step.Call(want["x"].at(i).tensor(), want["y"].at(i).tensor()); err != nil {
						t.Fatal(err)
					}
					for key := range initial {
						a := got[key]
						now := fromTensor(store.GetVariable("/" + key).MustValue())
						got[key] = array{append([]int{i + 1}, now.shape...), append(a.data, now.data...)}
					}
				}
				expect(t, strings.Join(slices.Sorted(maps.Keys(got)), ", "), got, want.under("path/"))
			})
		}
	}
}
