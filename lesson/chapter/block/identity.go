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

// Task is a function f to learn and the settings of the training.
type Task struct {
	// Distance is the distance of f from the identity: f(x) = x + Distance·t(x). Here t is a
	// fixed pair of random convolutions of the same form as those that learn, scaled so that
	// the output has a variance of 1, as x has.
	Distance float64
	// Steps is the number of steps of SGD with momentum 0.9, each on a new random batch of x.
	Steps        int
	LearningRate float64
	Seed         int64
}

// The shape of x is [batch, side, side, channels]. Its values are independent and normal.
const (
	batch    = 16
	side     = 8
	channels = 16
)

// Learn trains two convolutions with a ReLU between them and returns the error before every
// step: the mean of (f(x) − y)² divided by the variance of f(x). The output y is that of the
// convolutions, plus x itself if there is a shortcut. With the same seed, training with and
// without the shortcut starts from the same weights and sees the same x.
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

// branch applies two 3×3 convolutions with a ReLU between them.
func branch(scope *model.Scope, x *graph.Node) *graph.Node {
	x = convolve(scope.In("conv1"), x)
	return convolve(scope.In("conv2"), relu(x))
}

func relu(x *graph.Node) *graph.Node { return graph.Max(graph.ScalarZero(x.Graph(), x.DType()), x) }

func convolve(scope *model.Scope, x *graph.Node) *graph.Node {
	return graph.Convolve(x, weight(scope).NodeValue(x.Graph())).PadSame().Done()
}

// weight returns the weight of a 3×3 convolution, with He initialisation.
func weight(scope *model.Scope) *model.Variable {
	std := math.Sqrt(2.0 / (3 * 3 * channels))
	return scope.WithInitializer(initializer.RandomNormalFn(scope, std)).
		VariableWithShape("weight", shapes.Make(dtypes.Float32, 3, 3, channels, channels))
}

// variance returns the variance of all elements of x.
func variance(x *graph.Node) *graph.Node {
	return graph.ReduceAllMean(graph.Square(graph.Sub(x, graph.ReduceAllMean(x))))
}
