package check

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/lesson/exercises/nn"
	pkgnn "github.com/residual-go/residual/pkg/nn"
)

// learner is an nn.Learner that really learns: two linear layers with a batch norm and a
// ReLU between them, which learn which of the first three of four numbers is the largest.
// It starts with the same weights as its twin in tests/reference/exercise_graphs.py and uses
// the same orders.
//
// nn.Learner's methods return no errors, so it panics with them.
type learner struct {
	store               *model.Store
	modes               map[bool]*model.Exec // true is training mode
	x, testX            [][]float32
	training            bool
	rate                float64
	shuffles            int
	losses              calls
	latest, accumulated [][]float32 // gradients, in the order of the variables
	variables           []*model.Variable
}

const (
	learnerExamples, learnerTests = 10, 5
	learnerFeatures               = 4
)

func newLearner() (*learner, error) {
	device, err := computeOn()
	if err != nil {
		return nil, err
	}
	l := &learner{store: model.NewStore(), modes: map[bool]*model.Exec{}, rate: 0.1,
		x: learnerInputs("train.input", learnerExamples), testX: learnerInputs("test.input", learnerTests)}
	for _, training := range []bool{true, false} {
		l.modes[training], err = model.NewExec(device, l.store, func(scope *model.Scope, inputs []*graph.Node) []*graph.Node {
			x, labels := inputs[0], inputs[1]
			l.store.SetTraining(x.Graph(), training)
			y := nn.Linear(scope.In("fc1"), x, 6)
			y = nn.ReLU(nn.Norm(scope.In("bn1"), y))
			y = nn.Linear(scope.In("fc2"), y, 3)
			loss := pkgnn.CrossEntropy(0)([]*graph.Node{labels}, []*graph.Node{y})
			return append([]*graph.Node{loss}, scope.BuildTrainableVariablesGradientsGraph(loss)...)
		})
		if err != nil {
			return nil, err
		}
	}
	x, labels := examples(l.testX)
	if err := l.modes[false].PreCompile(x, labels); err != nil {
		return nil, err
	}
	if err := setWeights(l.store, nil); err != nil {
		return nil, err
	}
	for variable := range l.store.IterVariables() {
		if isWeight(variable) && variable.Trainable {
			l.variables = append(l.variables, variable)
			l.accumulated = append(l.accumulated, make([]float32, variable.Shape().Size()))
		}
	}
	return l, nil
}

// finalize frees the network.
func (l *learner) finalize() {
	for _, exec := range l.modes {
		exec.Finalize()
	}
	l.store.Finalize()
}

func learnerInputs(name string, n int) [][]float32 {
	return slices.Collect(slices.Chunk(weightValues(name, []int{n, learnerFeatures}), learnerFeatures))
}

// examples returns the examples and their labels as tensors.
func examples(rows [][]float32) (x, labels *tensors.Tensor) {
	var list []int32
	for _, row := range rows {
		list = append(list, int32(slices.Index(row[:3], slices.Max(row[:3]))))
	}
	return tensors.FromFlatDataAndDimensions(slices.Concat(rows...), len(rows), learnerFeatures),
		tensors.FromFlatDataAndDimensions(list, len(rows), 1)
}

func (l *learner) Examples() int                { return learnerExamples }
func (l *learner) SetTraining(training bool)    { l.training = training }
func (l *learner) SetLearningRate(rate float64) { l.rate = rate }

func (l *learner) Shuffle() []int {
	l.shuffles++
	return order(l.shuffles, learnerExamples)
}

// order returns the nth order of n examples: their indices, shuffled.
func order(nth, n int) []int {
	keys := hashed(fmt.Sprintf("order%d", nth), n)
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(keys[a], keys[b]) })
	return order
}

func (l *learner) ZeroGradients() {
	for _, gradient := range l.accumulated {
		clear(gradient)
	}
}

func (l *learner) Loss(batch []int) float64 {
	l.losses.call("Loss")
	var rows [][]float32
	for _, i := range batch {
		rows = append(rows, l.x[i])
	}
	outputs := l.run(rows)
	l.latest = outputs[1:]
	return float64(outputs[0][0])
}

func (l *learner) Backward() {
	for i, gradient := range l.latest {
		for j, g := range gradient {
			l.accumulated[i][j] += g
		}
	}
}

func (l *learner) Step() {
	for i, variable := range l.variables {
		weights, err := tensors.CopyFlatData[float32](variable.MustValue())
		if err != nil {
			panic(err)
		}
		for j, gradient := range l.accumulated[i] {
			weights[j] -= float32(l.rate) * gradient
		}
		if err := variable.SetValue(tensors.FromFlatDataAndDimensions(weights, variable.Shape().Dimensions...)); err != nil {
			panic(err)
		}
	}
}

func (l *learner) TestLoss() float64 { return float64(l.run(l.testX)[0][0]) }

// run returns the loss, as a slice of one value, and the gradients on the examples, in the
// current mode.
func (l *learner) run(rows [][]float32) [][]float32 {
	x, labels := examples(rows)
	outputs, err := l.modes[l.training].Call(x, labels)
	if err != nil {
		panic(err)
	}
	var values [][]float32
	for _, output := range outputs {
		flat, err := tensors.CopyFlatData[float32](output)
		if err != nil {
			panic(err)
		}
		values = append(values, flat)
	}
	return values
}
