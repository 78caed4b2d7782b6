package optim_test

import (
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/optimizer"
	"github.com/residual-go/residual/pkg/optim"

	"github.com/gomlx/compute/gobackend"
)

// The average of w and of a running statistic, both of which grow by 1 in every step from 0: the
// first two of decay 0.75 are plain means, since 1/n is more than a quarter until step 4.
func TestUpdateAverages(t *testing.T) {
	store := model.NewStore()
	weight := store.Scope("/net").VariableWithValue("w", []float32{0})
	statistic := store.Scope("/net/norm").VariableWithValue("mean", []float32{0}).SetTrainable(false)
	other := store.Scope("/other").VariableWithValue("w", []float32{0})
	exec := model.MustNewExec(gobackend.GetBackend(), store, func(scope *model.Scope, g *graph.Graph) {
		for _, v := range []*model.Variable{weight, statistic, other} {
			v.SetNodeValue(graph.AddScalar(v.NodeValue(g), 1))
		}
		optimizer.IncrementGlobalStep(g, weight.DType())
		optim.UpdateAverages(g, store, "/net", 0.75)
	})
	want := 0.0
	for step := 1; step <= 6; step++ {
		if _, err := exec.Call(); err != nil {
			t.Fatal(err)
		}
		share := max(0.25, 1/float64(step))
		want += share * (float64(step) - want)
		check(t, "the average weight", value(t, store, optim.AverageScope+"/net/w"), want)
		check(t, "the average statistic", value(t, store, optim.AverageScope+"/net/norm/mean"), want)
		check(t, "the weight", value(t, store, "/net/w"), float64(step))
		if step == 3 {
			check(t, "the mean of 1, 2 and 3", want, 2)
		}
	}
	if store.GetVariable(optim.AverageScope+"/other/w") != nil {
		t.Error("a variable outside the path has an average")
	}
	if store.GetVariable(optim.AverageScope + "/net/w").Trainable {
		t.Error("the average is trainable")
	}
	optim.DeclareAverages(store, "/net")
	check(t, "the average after declaring it again", value(t, store, optim.AverageScope+"/net/w"), want)
}
