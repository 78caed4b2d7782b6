package block

import (
	"cmp"
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
	// Rectified makes x the output of a ReLU, as the input of a block is in a real network.
	// Otherwise x has values of either sign. The values are independent and normal (before
	// the ReLU).
	Rectified bool
	// Middle is the number of channels between the two convolutions that learn; 0 means as
	// many as x has.
	Middle int
	// Steps is the number of steps of SGD with momentum 0.9, each on a new random batch of x.
	Steps        int
	LearningRate float64
	Seed         int64
}

// Learner is what computes y from x.
type Learner int

const (
	// Alone is two convolutions with a ReLU between them. They have to learn f.
	Alone Learner = iota
	// Beside adds x to the output of the same two convolutions. They have to learn f(x) − x.
	Beside
	// Copy outputs x and learns nothing. Its error is that of a block that does nothing.
	Copy
)

// The shape of x is [batch, side, side, channels].
const (
	batch    = 16
	side     = 8
	channels = 16
)

// Learn trains a learner and returns the error before every
// step: the mean of (f(x) − y)² divided by the variance of f(x). With the same seed, all
// learners see the same x, and those that learn start from the same weights.
func Learn(backend compute.Backend, task Task, learner Learner) ([]float64, error) {
	store := model.NewStore()
	defer store.Finalize()
	if err := store.SetRNGStateFromSeed(task.Seed); err != nil {
		return nil, fmt.Errorf("learn: %w", err)
	}
	sgd := optim.SGD().LearningRate(task.LearningRate).Momentum(0.9).Done()
	learned, teacher := store.Scope("/learned"), store.Scope("/teacher")
	middle := cmp.Or(task.Middle, channels)
	declare(learned, middle)
	declare(teacher, channels)
	if err := store.InitializeVariables(backend, nil); err != nil {
		return nil, fmt.Errorf("learn: %w", err)
	}
	for variable := range teacher.IterVariables() {
		variable.SetTrainable(false)
	}

	exec, err := model.NewExec(backend, store, func(scope *model.Scope, g *graph.Graph) *graph.Node {
		x := store.RandomNormal(g, shapes.Make(dtypes.Float32, batch, side, side, channels))
		if task.Rectified {
			x = graph.DivScalar(relu(x), rectifiedStd)
		}
		t := branch(teacher.ResetVisited(), x, channels)
		t = graph.Div(t, graph.Sqrt(variance(t)))
		f := graph.StopGradient(graph.Add(x, graph.MulScalar(t, task.Distance)))
		y := x
		if learner != Copy {
			y = branch(learned.ResetVisited(), x, middle)
		}
		if learner == Beside {
			y = graph.Add(x, y)
		}
		loss := graph.Div(graph.ReduceAllMean(graph.Square(graph.Sub(f, y))), variance(f))
		if learner != Copy {
			sgd.UpdateGraph(scope, g, loss)
		}
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

// rectifiedStd is the standard deviation of the ReLU of a standard normal value.
var rectifiedStd = math.Sqrt(0.5 - 1/(2*math.Pi))

// declare creates the weights of a branch.
func declare(scope *model.Scope, middle int) {
	weight(scope.In("conv1"), channels, middle)
	weight(scope.In("conv2"), middle, channels)
}

// branch applies two 3×3 convolutions with a ReLU between them.
func branch(scope *model.Scope, x *graph.Node, middle int) *graph.Node {
	x = convolve(scope.In("conv1"), x, middle)
	return convolve(scope.In("conv2"), relu(x), channels)
}

func relu(x *graph.Node) *graph.Node { return graph.Max(graph.ScalarZero(x.Graph(), x.DType()), x) }

func convolve(scope *model.Scope, x *graph.Node, out int) *graph.Node {
	return graph.Convolve(x, weight(scope, x.Shape().Dim(-1), out).NodeValue(x.Graph())).PadSame().Done()
}

// weight returns the weight of a 3×3 convolution, with He initialisation.
func weight(scope *model.Scope, in, out int) *model.Variable {
	std := math.Sqrt(2.0 / float64(3*3*in))
	return scope.WithInitializer(initializer.RandomNormalFn(scope, std)).
		VariableWithShape("weight", shapes.Make(dtypes.Float32, 3, 3, in, out))
}

// variance returns the variance of all elements of x.
func variance(x *graph.Node) *graph.Node {
	return graph.ReduceAllMean(graph.Square(graph.Sub(x, graph.ReduceAllMean(x))))
}
