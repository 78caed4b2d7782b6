// Package block is the code of notebook 3, the residual block: two experiments and a
// comparison.
//
//   - identity.go: what a shortcut changes about the task of the layers beside it. Two
//     convolutions learn a function f, once alone and once with their input added to their
//     output, so that f(x) − x is left for them (He et al. 2015, section 3.1). Which is easier
//     depends on how near f is to the identity; [Learn] varies that.
//   - placement.go: what becomes of the signal where the last ReLU of a block is moved
//     ([SignalMeans]).
//   - compare.go: the block a student built in the notebook beside the one of package resnet,
//     on the same input with the same weights ([Compare]).
package block

import (
	"fmt"
	"math"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"

	"github.com/residual-go/residual/pkg/optim"
)

// Task is a function to learn, and how it is learnt.
type Task struct {
	// Distance is how far f is from the identity: f(x) = x + Distance·t(x), where t is a
	// pair of random convolutions like those that learn, scaled so that its output has a
	// variance of 1, as x has.
	Distance float64
	// Steps of SGD with momentum 0.9, each on a new batch of random x.
	Steps        int
	LearningRate float64
	Seed         int64
}

// The size of a batch: x is [batch, side, side, channels], of independent normal values.
const (
	batch    = 16
	side     = 8
	channels = 16
)

// Learn returns the error before every step: the mean of (f(x) − y)² as a share of the
// variance of f(x), where y is what two convolutions with a ReLU between them make of x,
// plus x itself if there is a shortcut. With the same seed both begin with the same
// weights and see the same x.
func Learn(backend compute.Backend, task Task, shortcut bool) ([]float64, error) {
	store := model.NewStore()
	defer store.Finalize()
	if err := store.SetRNGStateFromSeed(task.Seed); err != nil {
		return nil, fmt.Errorf("learn: %w", err)
	}
	sgd := optim.SGD().LearningRate(task.LearningRate).Momentum(0.9).Done()
	learned, teacher := store.Scope("/learned"), store.Scope("/teacher")
	for _, scope := range []*model.Scope{learned, teacher} {
		for _, name := range []string{"conv1", "conv2"} {
			weight(scope.In("%s", name))
		}
	}
	if err := store.InitializeVariables(backend, nil); err != nil {
		return nil, fmt.Errorf("learn: %w", err)
	}
	for variable := range teacher.IterVariables() {
		variable.SetTrainable(false)
	}

	exec, err := model.NewExec(backend, store, func(scope *model.Scope, g *graph.Graph) *graph.Node {
		x := store.RandomNormal(g, shapes.Make(dtypes.Float32, batch, side, side, channels))
		t := branch(teacher.ResetVisited(), x)
		t = graph.Div(t, graph.Sqrt(variance(t)))
		f := graph.StopGradient(graph.Add(x, graph.MulScalar(t, task.Distance)))
		y := branch(learned.ResetVisited(), x)
		if shortcut {
			y = graph.Add(x, y)
		}
		loss := graph.Div(graph.ReduceAllMean(graph.Square(graph.Sub(f, y))), variance(f))
		sgd.UpdateGraph(scope, g, loss)
		return loss
	})
	if err != nil {
		return nil, fmt.Errorf("learn: %w", err)
	}
	defer exec.Finalize()
	losses := make([]float64, task.Steps)
	for step := range losses {
		loss, err := exec.Call1()
		if err != nil {
			return nil, fmt.Errorf("learn, step %d: %w", step+1, err)
		}
		losses[step] = float64(tensors.ToScalar[float32](loss))
		if err := loss.FinalizeAll(); err != nil {
			return nil, fmt.Errorf("learn, step %d: %w", step+1, err)
		}
	}
	return losses, nil
}

// branch is two convolutions of 3×3 with a ReLU between them.
func branch(scope *model.Scope, x *graph.Node) *graph.Node {
	x = convolve(scope.In("conv1"), x)
	return convolve(scope.In("conv2"), relu(x))
}

func relu(x *graph.Node) *graph.Node { return graph.Max(graph.ScalarZero(x.Graph(), x.DType()), x) }

func convolve(scope *model.Scope, x *graph.Node) *graph.Node {
	return graph.Convolve(x, weight(scope).NodeValue(x.Graph())).PadSame().Done()
}

// weight is that of a convolution, initialised to keep the size of what goes through.
func weight(scope *model.Scope) *model.Variable {
	deviation := math.Sqrt(2.0 / (3 * 3 * channels))
	return scope.WithInitializer(initializer.RandomNormalFn(scope, deviation)).
		VariableWithShape("weight", shapes.Make(dtypes.Float32, 3, 3, channels, channels))
}

// variance is that of all elements of x.
func variance(x *graph.Node) *graph.Node {
	return graph.ReduceAllMean(graph.Square(graph.Sub(x, graph.ReduceAllMean(x))))
}
