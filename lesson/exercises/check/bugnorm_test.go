package check

import (
	"strings"
	"testing"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"

	"github.com/residual-go/residual/lesson/exercises/bugnorm"
	solution "github.com/residual-go/residual/lesson/exercises/bugnorm/solution"
)

// colleague is the batch norm of the exercise, with the parts that answers change.
type colleague struct {
	store func(mean, variance *model.Variable, batchMean, batchVariance, unbiased *graph.Node)
	// use reports whether to use the batch's statistics. evaluate is whether to store the
	// running ones in evaluation too.
	use      func(training bool) bool
	evaluate bool
	// smaller is subtracted from epsilon.
	smaller float64
}

func (c colleague) norm(scope *model.Scope, x *graph.Node) *graph.Node {
	g := x.Graph()
	variable := func(name string, initial model.VariableInitializer) *model.Variable {
		return scope.WithInitializer(initial).VariableWithShape(name, shapes.Make(x.DType(), x.Shape().Dim(-1)))
	}
	each := func(x *graph.Node) *graph.Node { return graph.Reshape(x, 1, 1, 1, -1) }
	gamma, beta := variable("weight", initializer.One), variable("bias", initializer.Zero)
	runningMean := variable("running_mean", initializer.Zero).SetTrainable(false)
	runningVariance := variable("running_var", initializer.One).SetTrainable(false)
	mean, variance := runningMean.NodeValue(g), runningVariance.NodeValue(g)
	training := scope.IsTraining(g)
	batchMean := graph.ReduceMean(x, 0, 1, 2)
	batchVariance := graph.ReduceMean(graph.Square(graph.Sub(x, each(batchMean))), 0, 1, 2)
	n := float64(x.Shape().Size() / x.Shape().Dim(-1))
	if training || c.evaluate {
		c.store(runningMean, runningVariance, batchMean, batchVariance, graph.MulScalar(batchVariance, n/(n-1)))
	}
	if c.use(training) {
		mean, variance = batchMean, batchVariance
	}
	y := graph.Div(graph.Sub(x, each(mean)), graph.Sqrt(graph.AddScalar(each(variance), 1e-5-c.smaller)))
	return graph.Add(graph.Mul(y, each(gamma.NodeValue(g))), each(beta.NodeValue(g)))
}

func TestBugNorm(t *testing.T) {
	try := func(answer func(scope *model.Scope, x *graph.Node) *graph.Node) func(T) {
		return func(t T) { BugNorm(t, answer) }
	}
	inTraining := func(training bool) bool { return training }
	always := func(bool) bool { return true }
	move := func(running *model.Variable, batch *graph.Node, share float64) {
		old := running.NodeValue(batch.Graph())
		running.SetNodeValue(graph.Add(graph.MulScalar(old, 1-share), graph.MulScalar(batch, share)))
	}
	right := func(mean, variance *model.Variable, batchMean, _, unbiased *graph.Node) {
		move(mean, batchMean, 0.1)
		move(variance, unbiased, 0.1)
	}
	nothing := func(_, _ *model.Variable, _, _, _ *graph.Node) {}
	testBug(t, "bugnorm", try(solution.Norm), try(bugnorm.Norm), "statistics-not-stored",
		wrong{"one-statistic-not-stored", try(colleague{func(mean, _ *model.Variable, batchMean, _, _ *graph.Node) {
			move(mean, batchMean, 0.1)
		}, inTraining, false, 0}.norm)},
		wrong{"one-statistic-not-stored", try(colleague{func(_, variance *model.Variable, _, _, unbiased *graph.Node) {
			move(variance, unbiased, 0.1)
		}, inTraining, false, 0}.norm)},
		wrong{"tested-with-batch-statistics", try(colleague{nothing, always, false, 0}.norm)},
		wrong{"tested-with-batch-statistics", try(colleague{right, always, false, 0}.norm)},
		wrong{"momentum-the-wrong-way-round", try(colleague{func(mean, variance *model.Variable, batchMean, _, unbiased *graph.Node) {
			move(mean, batchMean, 0.9)
			move(variance, unbiased, 0.9)
		}, inTraining, false, 0}.norm)},
		wrong{"only-the-last-batch-counts", try(colleague{func(mean, variance *model.Variable, batchMean, _, unbiased *graph.Node) {
			mean.SetNodeValue(batchMean)
			variance.SetNodeValue(unbiased)
		}, inTraining, false, 0}.norm)},
		wrong{"biased-variance", try(colleague{func(mean, variance *model.Variable, batchMean, biased, _ *graph.Node) {
			move(mean, batchMean, 0.1)
			move(variance, biased, 0.1)
		}, inTraining, false, 0}.norm)},
		wrong{"epsilon-changed", try(colleague{right, inTraining, false, 1e-5}.norm)},
		wrong{"stored-in-evaluation", try(colleague{right, inTraining, true, 0}.norm)},
		wrong{"trained-with-running-statistics", try(colleague{right, func(bool) bool { return false }, false, 0}.norm)},
	)
}

func TestBugNormNamesWhatDiffers(t *testing.T) {
	for want, norm := range map[string]func(scope *model.Scope, x *graph.Node) *graph.Node{
		// Right in evaluation and in training, but it stores the mean with the wrong sign.
		"running_mean[": func(scope *model.Scope, x *graph.Node) *graph.Node {
			y := solution.Norm(scope, x)
			mean := scope.GetVariable("running_mean")
			if g := x.Graph(); !scope.IsTraining(g) {
				mean.SetNodeValue(graph.Neg(mean.NodeValue(g)))
			}
			return y
		},
		"expected: 54": func(scope *model.Scope, x *graph.Node) *graph.Node {
			return graph.ReduceMean(solution.Norm(scope, x), 0)
		},
	} {
		result, log := grade(t, func(t T) { BugNorm(t, norm) })
		if earned, of := result.Points(); earned == of || !strings.Contains(log, want) {
			t.Errorf("want %q in the failure, got:\n%s", want, log)
		}
	}
}
