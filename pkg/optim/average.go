package optim

import (
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"
	"github.com/gomlx/gomlx/ml/train/optimizer"
)

// AverageScope is the path of averages in the store. The average of the variable at path p is at
// AverageScope + p.
const AverageScope = "/average"

// DeclareAverages makes a variable for the average of each variable under the given path of the
// store, unless there is one. Averages are not trainable.
func DeclareAverages(store *model.Store, path string) {
	for _, variable := range slices.Collect(store.Scope(path).IterVariables()) {
		store.Scope(AverageScope+variable.Scope()).WithInitializer(initializer.Zero).
			VariableWithShape(variable.Name(), variable.Shape()).SetTrainable(false)
	}
}

// UpdateAverages adds to the graph of a training step, after the optimiser's, the update of the
// average of each variable under the given path, weights and running statistics w alike:
//
//	a ← a + (1 − decay)·(w − a)
//
// It is a mean of the weights of all steps in which those of k steps ago count decay^k times as
// much as the newest (Polyak and Juditsky 1992; Tarvainen and Valpola 2017,
// https://arxiv.org/abs/1703.01780). In the first steps, when the mean has fewer steps than
// 1/(1 − decay), they all count the same.
func UpdateAverages(g *graph.Graph, store *model.Store, path string, decay float64) {
	// The optimiser has already counted this step: n is the number of weights in the mean.
	n := graph.ConvertDType(optimizer.GetGlobalStepVar(store).NodeValue(g), dtypes.Float32)
	share := graph.Max(graph.Reciprocal(n), graph.Scalar(g, dtypes.Float32, 1-decay))
	DeclareAverages(store, path)
	for variable := range store.Scope(path).IterVariables() {
		average := store.GetVariable(AverageScope + variable.Path())
		before := average.NodeValue(g)
		average.SetNodeValue(graph.Add(before, graph.Mul(share, graph.Sub(variable.NodeValue(g), before))))
	}
}
