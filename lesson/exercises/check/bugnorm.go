package check

import (
	"fmt"
	"slices"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

var bugNormHints = map[string]string{
	"statistics-not-stored":           "training leaves the running statistics unchanged: follow the new values from where they are computed to the variables",
	"one-statistic-not-stored":        "one of the two running statistics is stored now, the other still is not",
	"tested-with-batch-statistics":    "after training, the batch's statistics are used: the result for an image then depends on the images next to it, and a single image has no useful statistics. Fix the running ones instead",
	"momentum-the-wrong-way-round":    "the running statistics move nine tenths of the way to each batch, so only the last few batches count; momentum, 0.1, is the weight of the new batch",
	"only-the-last-batch-counts":      "the running statistics are simply those of the last batch; store what towards returns",
	"epsilon-changed":                 "epsilon was right: if the values are nearly equal, it decides how far they are spread apart",
	"biased-variance":                 "the running variance moves towards the batch's biased variance; the unbiased one was right",
	"stored-in-evaluation":            "the running statistics are stored in evaluation too, so testing changes the network",
	"trained-with-running-statistics": "training uses the running statistics; it should use the batch's own, as it did before",
}

// BugNorm checks the exercise bugnorm.
func BugNorm(t T, answer func(scope *model.Scope, x *graph.Node) *graph.Node) {
	t.Helper()
	c := comparison{"Norm(scope, x)", answer, graphCases("bugnorm")[0], bugNormHints}
	// Batches whose values are nearly equal.
	little := comparison{"Norm(scope, x)", answer, graphCases("bugnorm")[1], bugNormHints}
	run(t, "bugnorm",
		step{"after training", 4, func() error {
			return c.normalised(0, 36, "y = Norm(scope, x) in evaluation, after training on two batches", "y", 2, 2, 3, 3)
		}},
		step{"running statistics", 3, func() error {
			if err := c.normalised(36, 39, "running_mean after training on two batches", "running_mean", 3); err != nil {
				return err
			}
			return c.normalised(39, 42, "running_var after training on two batches", "running_var", 3)
		}},
		step{"while training", 3, func() error {
			if err := c.normalised(42, 54, "y = Norm(scope, x) in training, on the second batch", "y", 2, 2, 1, 3); err != nil {
				return err
			}
			if err := little.normalised(42, 54, "y = Norm(scope, x) in training, on a batch of nearly equal values", "y", 2, 2, 1, 3); err != nil {
				return err
			}
			return c.variables()
		}},
	)
}

// normalised trains the answer and compares values from to before to of trainNorm with
// PyTorch's; name and shape are those of the part that they are.
func (c comparison) normalised(from, to int, what, name string, shape ...int) error {
	values, err := c.trainNorm()
	if err != nil {
		return err
	}
	if len(values) != len(c.Right.Values) {
		return &Failure{What: "the number of values that Norm returns and stores", Want: fmt.Sprint(len(c.Right.Values)), Got: fmt.Sprint(len(values))}
	}
	if failure := difference(what, name, shape, values[from:to], c.Right.Values[from:to]); failure != nil {
		failure.Want += " (PyTorch's)"
		failure.Hint = c.reason(&outcome{shape: c.Right.Shape, values: values})
		return failure
	}
	return nil
}

// variables checks what the variables start from, and which of them the optimiser may change.
func (c comparison) variables() error {
	device, err := computeOn()
	if err != nil {
		return err
	}
	store := model.NewStore()
	defer store.Finalize()
	exec, err := model.NewExec(device, store, func(scope *model.Scope, x *graph.Node) *graph.Node {
		store.SetTraining(x.Graph(), false)
		return c.answer(scope, x)
	})
	if err != nil {
		return err
	}
	defer exec.Finalize()
	if _, err := exec.Call1(graphInput(1, 1, 1, 2)); err != nil {
		return err
	}
	for _, want := range []struct {
		name      string
		value     float32
		trainable bool
	}{{"weight", 1, true}, {"bias", 0, true}, {"running_mean", 0, false}, {"running_var", 1, false}} {
		variable := store.GetVariable("/" + want.name)
		if variable == nil {
			return &Failure{What: "the variables of Norm", Want: "a variable " + want.name, Got: "none of that name"}
		}
		values, err := tensors.CopyFlatData[float32](variable.MustValue())
		if err != nil {
			return err
		}
		show := func(trainable bool, values ...float32) string {
			return fmt.Sprintf("%g at the start, trainable %t", values, trainable)
		}
		if !slices.Equal(values, []float32{want.value, want.value}) || variable.Trainable != want.trainable {
			return &Failure{What: want.name + ", for two channels", Want: show(want.trainable, want.value, want.value), Got: show(variable.Trainable, values...)}
		}
	}
	return nil
}

// trainNorm trains the answer on two batches and evaluates it on a third. It returns, one
// after the other, the output of the evaluation, the running mean, the running variance and
// the output for the second batch, like tests/reference/exercise_graphs.py.
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
			if c.Scale != 0 {
				values[i] *= c.Scale
			}
			values[i]++
		}
		x := tensors.FromFlatDataAndDimensions(values, shape...)
		if name == first {
			// Building the graph creates the variables, and donates the values of those that it
			// changes; so the values are set afterwards.
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
			return nil, &Failure{What: "the variables of Norm", Want: "a variable " + name, Got: "none of that path"}
		}
		statistic, err := tensors.CopyFlatData[float32](variable.MustValue())
		if err != nil {
			return nil, err
		}
		values = append(values, statistic...)
	}
	return append(values, trained...), nil
}
