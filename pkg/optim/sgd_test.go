package optim_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train"
	"github.com/gomlx/gomlx/ml/train/metric"
	"github.com/gomlx/gomlx/ml/train/optimizer"
	"github.com/gomlx/gomlx/support/exceptions"

	"github.com/residual-go/residual/pkg/optim"
)

// lossOf is the model of these tests. It has a weight [1, 1] at /net/weight and one [1] at /bias,
// both initially 1. The loss is the mean of the input x times (weight + 2·bias), so the gradients
// are the mean of x and twice that, whatever the weights.
func lossOf(scope *model.Scope, x *graph.Node) *graph.Node {
	weight := scope.In("net").VariableWithValue("weight", [][]float32{{1}}).NodeValue(x)
	bias := scope.VariableWithValue("bias", []float32{1}).NodeValue(x)
	scope.VariableWithValue("frozen", []float32{1}).SetTrainable(false).NodeValue(x)
	scope.VariableWithValue("unused", []float32{1})
	return graph.Mul(graph.ReduceAllMean(x), graph.Add(graph.Reshape(weight), graph.MulScalar(graph.Reshape(bias), 2)))
}

func newTrainer(store *model.Store, sgd optimizer.Interface, metrics ...metric.Interface) *train.Trainer {
	return train.NewTrainer(gobackend.GetBackend(), store, lossOf,
		func(_, predictions []*graph.Node) *graph.Node { return predictions[0] }, sgd, metrics, nil)
}

// trainOn takes a step on the input xs.
func trainOn(t *testing.T, trainer *train.Trainer, xs ...float32) []*tensors.Tensor {
	t.Helper()
	metrics, err := trainer.TrainStep(train.Batch{Inputs: []*tensors.Tensor{tensors.FromValue(xs)}})
	if err != nil {
		t.Fatal(err)
	}
	return metrics
}

func value(t *testing.T, store *model.Store, path string) float64 {
	t.Helper()
	variable := store.GetVariable(path)
	if variable == nil {
		t.Fatalf("there is no variable %s", path)
	}
	return float64(tensors.MustCopyFlatData[float32](variable.MustValue())[0])
}

func check(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-6) {
		t.Errorf("%s is %.7g, want %.7g", what, got, want)
	}
}

// biasTimes multiplies the learning rate of the bias.
func biasTimes(multiplier float64) func(string) float64 {
	return func(path string) float64 {
		if path == "/bias" {
			return multiplier
		}
		return 1
	}
}

// The gradients are 1 and 2, the learning rate is 0.1.
func TestThreeStepsByHand(t *testing.T) {
	for name, test := range map[string]struct {
		sgd          *optim.SGDBuilder
		weight, bias [3]float64
	}{
		"default": {optim.SGD(), [3]float64{0.9, 0.8, 0.7}, [3]float64{0.8, 0.6, 0.4}},
		// v: 1, 1.5, 1.75
		"momentum": {optim.SGD().Momentum(0.5), [3]float64{0.9, 0.75, 0.575}, [3]float64{0.8, 0.5, 0.15}},
		// g + v/2: 1.5, 1.75, 1.875
		"Nesterov": {optim.SGD().Momentum(0.5).Nesterov(true), [3]float64{0.85, 0.675, 0.4875}, [3]float64{0.7, 0.35, -0.025}},
		// g: 1.5, 1.425, 1.35375 and 2.5, 2.375, 2.25625
		"decay": {optim.SGD().WeightDecay(0.5), [3]float64{0.85, 0.7075, 0.572125}, [3]float64{0.75, 0.5125, 0.286875}},
		"decay that spares the bias": {optim.SGD().WeightDecay(0.5).DecayNormsAndBiases(false),
			[3]float64{0.85, 0.7075, 0.572125}, [3]float64{0.8, 0.6, 0.4}},
		// g: 1.5, 1.425, 1.31625; v: 1.5, 2.175, 2.40375
		"momentum and decay that spares": {optim.SGD().Momentum(0.5).WeightDecay(0.5).DecayNormsAndBiases(false),
			[3]float64{0.85, 0.6325, 0.392125}, [3]float64{0.8, 0.5, 0.15}},
		// g: 1.5, 1.3875, 1.2646875; v: 1.5, 2.1375, 2.3334375; g + v/2: 2.25, 2.45625, 2.43140625
		"Nesterov and decay that spares": {optim.SGD().Momentum(0.5).Nesterov(true).WeightDecay(0.5).DecayNormsAndBiases(false),
			[3]float64{0.775, 0.529375, 0.286234375}, [3]float64{0.7, 0.35, -0.025}},
		"learning rate": {optim.SGD().LearningRate(0.5), [3]float64{0.5, 0, -0.5}, [3]float64{0, -1, -2}},
		"ten times for the bias": {optim.SGD().LearningRate(0.01).LearningRateMultiplier(biasTimes(10)),
			[3]float64{0.99, 0.98, 0.97}, [3]float64{0.8, 0.6, 0.4}},
		// The weight as in "momentum and decay that spares", the bias as if at a rate of 0.05:
		// g: 2.5, 2.4375, 2.3453125; v: 2.5, 3.6875, 4.1890625
		"half for the bias, with momentum and decay": {optim.SGD().Momentum(0.5).WeightDecay(0.5).LearningRateMultiplier(biasTimes(0.5)),
			[3]float64{0.85, 0.6325, 0.392125}, [3]float64{0.875, 0.690625, 0.481171875}},
		"zero for the bias": {optim.SGD().WeightDecay(0.5).LearningRateMultiplier(biasTimes(0)),
			[3]float64{0.85, 0.7075, 0.572125}, [3]float64{1, 1, 1}},
		"learning rate 0": {optim.SGD().LearningRate(0).Momentum(0.5).WeightDecay(1), [3]float64{1, 1, 1}, [3]float64{1, 1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			store := model.NewStore()
			trainer := newTrainer(store, test.sgd.Done())
			for step := range 3 {
				trainOn(t, trainer, 1)
				check(t, "the weight", value(t, store, "/net/weight"), test.weight[step])
				check(t, "the bias", value(t, store, "/bias"), test.bias[step])
			}
			check(t, "a variable that is not trainable", value(t, store, "/frozen"), 1)
			check(t, "a variable that the loss does not use", value(t, store, "/unused"), 1)
			if got := optimizer.GetGlobalStep(store); got != 3 {
				t.Errorf("the global step is %d, want 3", got)
			}
		})
	}
}

func TestMomentumIsUnderScope(t *testing.T) {
	store := model.NewStore()
	sgd := optim.SGD().Momentum(0.5).Done()
	trainer := newTrainer(store, sgd)
	trainOn(t, trainer, 1)
	trainOn(t, trainer, 1)
	check(t, "the weight's momentum", value(t, store, optim.Scope+"/net/weight"), 1.5)
	check(t, "the bias's momentum", value(t, store, optim.Scope+"/bias"), 3)
	var momenta []string
	for variable := range store.Scope(optim.Scope).IterVariables() {
		momenta = append(momenta, variable.Path())
		if variable.Trainable {
			t.Errorf("%s is trainable", variable.Path())
		}
	}
	if want := []string{optim.Scope + "/net/weight", optim.Scope + "/bias"}; !slices.Equal(momenta, want) {
		t.Errorf("momentum at %v, want %v", momenta, want)
	}

	if err := sgd.Clear(store.RootScope()); err != nil {
		t.Fatal(err)
	}
	if n := store.Scope(optim.Scope).NumVariables(); n != 0 {
		t.Errorf("after Clear there are %d momenta", n)
	}
	check(t, "the weight after Clear", value(t, store, "/net/weight"), 0.75)
	// The next step has no momentum to continue.
	trainOn(t, newTrainer(store, sgd), 1)
	check(t, "the weight a step later", value(t, store, "/net/weight"), 0.65)
}

func TestNoVariablesWithoutMomentum(t *testing.T) {
	store := model.NewStore()
	trainOn(t, newTrainer(store, optim.SGD().WeightDecay(0.1).Done()), 1)
	if n := store.Scope(optim.Scope).NumVariables(); n != 0 {
		t.Errorf("%d variables under %s, want none", n, optim.Scope)
	}
}

func TestEveryStepUsesTheLearningRateVariable(t *testing.T) {
	store := model.NewStore()
	trainer := newTrainer(store, optim.SGD().LearningRate(0.25).Momentum(0.5).Done())
	trainOn(t, trainer, 1)
	check(t, "the weight after a step at 0.25", value(t, store, "/net/weight"), 0.75)
	rate := optimizer.LearningRateVar(store.RootScope(), dtypes.Float32, 99)
	if got := tensors.ToScalar[float32](rate.MustValue()); got != 0.25 {
		t.Errorf("the learning rate variable is %g, want 0.25", got)
	}
	for _, step := range []struct {
		rate float32
		want float64
	}{{0.1, 0.6}, {0, 0.6}, {2, -3.15}} { // v: 1.5, 1.75, 1.875
		if err := rate.SetValue(tensors.FromScalar(step.rate)); err != nil {
			t.Fatal(err)
		}
		trainOn(t, trainer, 1)
		check(t, "the weight", value(t, store, "/net/weight"), step.want)
	}
}

func TestAccumulatedGradientsAreOneStep(t *testing.T) {
	store := model.NewStore()
	trainer := newTrainer(store, optim.SGD().Momentum(0.5).WeightDecay(0.5).DecayNormsAndBiases(false).Done())
	if err := trainer.AccumulateGradients(2); err != nil {
		t.Fatal(err)
	}
	// The means of pairs of gradients are 1 and 1: TestThreeStepsByHand's trajectory.
	for step, want := range []float64{1, 0.85, 0.85, 0.6325} {
		trainOn(t, trainer, []float32{-1, 3, 0.5, 1.5}[step])
		check(t, "the weight", value(t, store, "/net/weight"), want)
	}
	check(t, "the bias", value(t, store, "/bias"), 0.5)
	if got := optimizer.GetGlobalStep(store); got != 2 {
		t.Errorf("the global step is %d, want 2", got)
	}
}

func TestGradientNormIsTheLastStepsBeforeDecay(t *testing.T) {
	store := model.NewStore()
	trainer := newTrainer(store, optim.SGD().Momentum(0.9).WeightDecay(10).Done(), optim.GradientNorm())
	for _, x := range []float32{1, -3, 0} {
		metrics := trainOn(t, trainer, x, x)
		if len(metrics) != 3 { // the trainer has two of its own
			t.Fatalf("%d metrics, want 3", len(metrics))
		}
		check(t, "the gradient norm", float64(tensors.ToScalar[float32](metrics[2])), math.Abs(float64(x))*math.Sqrt(5))
	}
}

func TestGradientNormWithoutSGDIsAnError(t *testing.T) {
	trainer := newTrainer(model.NewStore(), optimizer.StochasticGradientDescent().Done(), optim.GradientNorm())
	_, err := trainer.TrainStep(train.Batch{Inputs: []*tensors.Tensor{tensors.FromValue([]float32{1})}})
	if want := "needs the optimiser optim.SGD"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want one with %q", err, want)
	}
}

func TestALossThatIsNotAScalarPanics(t *testing.T) {
	_, err := model.CallOnceN(gobackend.GetBackend(), model.NewStore(), func(scope *model.Scope, x *graph.Node) []*graph.Node {
		optim.SGD().Done().UpdateGraph(scope, x.Graph(), x)
		return []*graph.Node{x}
	}, []float32{1, 2})
	if want := "want a scalar"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want one with %q", err, want)
	}
}

func TestImpossibleMultipliersPanic(t *testing.T) {
	for _, multiplier := range []float64{-1, math.NaN(), math.Inf(1)} {
		trainer := newTrainer(model.NewStore(), optim.SGD().LearningRateMultiplier(biasTimes(multiplier)).Done())
		_, err := trainer.TrainStep(train.Batch{Inputs: []*tensors.Tensor{tensors.FromValue([]float32{1})}})
		if want := "the learning-rate multiplier of /bias is"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("multiplier %g: error %v, want one with %q", multiplier, err, want)
		}
	}
}

func TestImpossibleSettingsPanic(t *testing.T) {
	nan := math.NaN()
	for _, test := range []struct {
		sgd  *optim.SGDBuilder
		want string
	}{
		{optim.SGD().LearningRate(-1), "learning rate -1"},
		{optim.SGD().LearningRate(nan), "learning rate NaN"},
		{optim.SGD().Momentum(-0.1), "momentum -0.1"},
		{optim.SGD().Momentum(1), "momentum 1"},
		{optim.SGD().Momentum(nan), "momentum NaN"},
		{optim.SGD().Nesterov(true), "Nesterov needs a momentum"},
		{optim.SGD().WeightDecay(-1), "weight decay -1"},
		{optim.SGD().WeightDecay(nan), "weight decay NaN"},
	} {
		err := exceptions.TryCatch[error](func() { test.sgd.Done() })
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("panicked with %v, want %q", err, test.want)
		}
	}
}
