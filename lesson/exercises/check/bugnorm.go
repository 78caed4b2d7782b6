package check

import (
	"fmt"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

var bugNormHints = map[string]string{
	"statistics-not-stored":           "after training the running statistics are what they were before it: something is computed for them, and where does it go?",
	"one-statistic-not-stored":        "one of the two running statistics is stored now, and the other is not",
	"tested-with-batch-statistics":    "after training the statistics of the batch are used, so that what the network says of an image depends on the images beside it, and one image alone says nothing. Mend the running ones",
	"momentum-the-wrong-way-round":    "the running statistics move nine tenths of the way to each batch's, so that only the last batches count; momentum is the weight of the new batch, 0.1",
	"only-the-last-batch-counts":      "the running statistics are those of the last batch; towards has the step to store",
	"biased-variance":                 "the running variance moves towards the biased variance of the batch; it was the unbiased one, and right",
	"stored-in-evaluation":            "the running statistics are stored, but in evaluation too, so that testing changes the network",
	"trained-with-running-statistics": "in training the running statistics are used; there the batch's own are right, and were before",
}

// BugNorm checks the exercise bugnorm.
func BugNorm(t T, answer func(scope *model.Scope, x *graph.Node) *graph.Node) {
	t.Helper()
	c := comparison{"Norm(scope, x)", answer, graphCases("bugnorm")[0], bugNormHints}
	run(t, "bugnorm",
		step{"after training", 4, func() error {
			return c.normalised(0, 36, "in evaluation, after training on two batches: y = Norm(scope, x)", "y", 2, 2, 3, 3)
		}},
		step{"running statistics", 3, func() error {
			if err := c.normalised(36, 39, "running_mean after training on two batches", "running_mean", 3); err != nil {
				return err
			}
			return c.normalised(39, 42, "running_var after training on two batches", "running_var", 3)
		}},
		step{"while training", 3, func() error {
			return c.normalised(42, 54, "in training, on the second batch: y = Norm(scope, x)", "y", 2, 2, 1, 3)
		}},
	)
}

// normalised trains the answer and compares some of the numbers that come of it with
// PyTorch's. The numbers are those of tests/reference/exercise_graphs.py: the output in
// evaluation, the running statistics and the output in training.
func (c comparison) normalised(from, to int, what, name string, shape ...int) error {
	values, err := c.trainNorm()
	if err != nil {
		return err
	}
	if len(values) != len(c.Right.Values) {
		return &Failure{What: "how many numbers Norm returned and stored, of three batches, and of the channels", Want: fmt.Sprint(len(c.Right.Values)), Got: fmt.Sprint(len(values))}
	}
	if failure := difference(what, name, shape, values[from:to], c.Right.Values[from:to]); failure != nil {
		failure.Want += " (PyTorch's)"
		failure.Hint = c.reason(&outcome{shape: c.Right.Shape, values: values})
		return failure
	}
	return nil
}

// trainNorm trains the answer on two batches, tests it on another, and returns the output
// of the test, the running statistics and the output for the second batch.
func (c comparison) trainNorm() ([]float32, error) {
	device, err := computeOn()
	if err != nil {
		return nil, err
	}
	store := model.NewStore()
	defer store.Finalize()
	const first = "batch1"
	pass := func(name string, training bool, shape ...int) ([]float32, error) {
		o := &outcome{}
		exec, err := model.NewExec(device, store, func(scope *model.Scope, x *graph.Node) *graph.Node {
			store.SetTraining(x.Graph(), training)
			if y := o.build(c.answer, scope, x); o.panicked == nil {
				return y
			}
			return x
		})
		if err != nil {
			return nil, err
		}
		defer exec.Finalize()
		values := weightValues(name+".input", shape)
		for i := range values {
			values[i]++
		}
		x := tensors.FromFlatDataAndDimensions(values, shape...)
		if name == first {
			// Building the graph makes the variables, and gives away the values of those that it
			// changes.
			if err := exec.PreCompile(x); err != nil {
				return nil, err
			}
			if err := setWeights(store, nil); err != nil {
				return nil, err
			}
		}
		y, err := exec.Call1(x)
		if o.panicked != nil {
			return nil, panicked(o.panicked, o.at)
		}
		if err != nil {
			return nil, err
		}
		return tensors.CopyFlatData[float32](y)
	}
	if _, err := pass(first, true, 2, 2, 1, 3); err != nil {
		return nil, err
	}
	trained, err := pass("batch2", true, 2, 2, 1, 3)
	if err != nil {
		return nil, err
	}
	values, err := pass("test", false, 2, 2, 3, 3)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"/running_mean", "/running_var"} {
		variable := store.GetVariable(name)
		if variable == nil {
			return nil, &Failure{What: "the variables of Norm", Want: "one with the path " + name, Got: "none"}
		}
		statistic, err := tensors.CopyFlatData[float32](variable.MustValue())
		if err != nil {
			return nil, err
		}
		values = append(values, statistic...)
	}
	return append(values, trained...), nil
}
