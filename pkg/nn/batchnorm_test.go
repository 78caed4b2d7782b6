package nn

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

const channels = 3

// setAll sets the four variables at /bn, and creates them if they do not exist.
func setAll(t *testing.T, store *model.Store, gamma, beta, mean, variance []float64) {
	t.Helper()
	scope := store.Scope("/bn")
	for name, value := range map[string][]float64{GammaName: gamma, BetaName: beta, MeanName: mean, VarianceName: variance} {
		tensor := tensors.FromFlatDataAndDimensions(value, len(value))
		if err := scope.VariableWithValue(name, slices.Clone(value)).SetValue(tensor); err != nil {
			t.Fatal(err)
		}
	}
}

func value(t *testing.T, store *model.Store, name string) []float64 {
	t.Helper()
	variable := store.GetVariable("/bn/" + name)
	if variable == nil {
		t.Fatalf("no variable /bn/%s", name)
	}
	return tensors.MustCopyFlatData[float64](variable.MustValue())
}

func forward(build func(*BatchNormBuilder) *BatchNormBuilder) func(*model.Scope, []*graph.Node) []*graph.Node {
	return func(scope *model.Scope, inputs []*graph.Node) []*graph.Node {
		return []*graph.Node{build(BatchNorm(scope.In("bn"), inputs[0])).Done()}
	}
}

func defaults(b *BatchNormBuilder) *BatchNormBuilder { return b }

// moments returns the mean and the biased variance of every channel of x, [n, channels].
func moments(x []float64) (mean, variance []float64) {
	mean, variance = make([]float64, channels), make([]float64, channels)
	n := float64(len(x) / channels)
	for i, v := range x {
		mean[i%channels] += v / n
	}
	for i, v := range x {
		variance[i%channels] += (v - mean[i%channels]) * (v - mean[i%channels]) / n
	}
	return mean, variance
}

// normalised returns x normalised by the definition.
func normalised(x, gamma, beta, mean, variance []float64) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		c := i % channels
		y[i] = gamma[c]*(v-mean[c])/math.Sqrt(variance[c]+Epsilon) + beta[c]
	}
	return y
}

var (
	gamma = []float64{2, -0.5, 1}
	beta  = []float64{0.25, 3, -1}
)

func TestTrainingNormalisesWithTheBatchsMoments(t *testing.T) {
	for _, shape := range [][]int{{8, channels}, {2, 3, 2, channels}, {1, 4, 4, channels}, {2, 2, 2, 2, channels}} {
		for _, scale := range []float64{1, 1e-3} { // the smaller one makes Epsilon count
			size := 1
			for _, dim := range shape {
				size *= dim
			}
			x := scaled(random(size, 1), scale)
			store := model.NewStore()
			setAll(t, store, gamma, beta, []float64{7, 7, 7}, []float64{9, 9, 9})
			y := mustRun(t, store, true, forward(defaults), tensors.FromFlatDataAndDimensions(x, shape...))[0]
			mean, variance := moments(x)
			checkClose(t, fmt.Sprintf("shape %v, scale %g", shape, scale), y, normalised(x, gamma, beta, mean, variance), 1e-9)
		}
	}
}

func TestTrainingOutputHasMeanBetaAndStdGamma(t *testing.T) {
	x := random(300*channels, 2)
	store := model.NewStore()
	setAll(t, store, gamma, beta, make([]float64, channels), make([]float64, channels))
	y := mustRun(t, store, true, forward(defaults), tensors.FromFlatDataAndDimensions(x, 3, 10, 10, channels))[0]
	mean, variance := moments(y)
	for c := range channels {
		if std := math.Sqrt(variance[c]); math.Abs(mean[c]-beta[c]) > 1e-9 || math.Abs(std-math.Abs(gamma[c])) > 1e-5 {
			t.Errorf("channel %d: mean %g and std %g, want %g and %g", c, mean[c], std, beta[c], math.Abs(gamma[c]))
		}
	}
}

func TestVariablesStartAsInPyTorch(t *testing.T) {
	for _, zero := range []bool{false, true} {
		store := model.NewStore()
		y := mustRun(t, store, false, forward(func(b *BatchNormBuilder) *BatchNormBuilder { return b.ZeroGamma(zero) }),
			tensors.FromFlatDataAndDimensions(random(4*channels, 3), 4, channels))[0]
		gamma := 1.0
		if zero {
			gamma = 0
			checkClose(t, "result with γ = 0", y, make([]float64, 4*channels), 0)
		}
		var names []string
		for variable := range store.IterVariables() {
			names = append(names, variable.Path())
			if want := variable.Name() == "weight" || variable.Name() == "bias"; variable.Trainable != want {
				t.Errorf("%s: trainable is %v, want %v", variable.Path(), variable.Trainable, want)
			}
		}
		if want := []string{"/bn/weight", "/bn/bias", "/bn/running_mean", "/bn/running_var"}; !slices.Equal(names, want) {
			t.Errorf("variables %v, want %v", names, want)
		}
		for name, want := range map[string]float64{GammaName: gamma, BetaName: 0, MeanName: 0, VarianceName: 1} {
			checkClose(t, name, value(t, store, name), slices.Repeat([]float64{want}, channels), 0)
		}
	}
}

func TestRunningStatisticsFollowTheBatches(t *testing.T) {
	store := model.NewStore()
	wantMean, wantVariance := []float64{0, 0, 0}, []float64{1, 1, 1}
	for step := range 4 {
		n := 2 + 3*step // the ratio of the unbiased variance to the biased one changes
		x := random(n*channels, uint64(step))
		mustRun(t, store, true, forward(defaults), tensors.FromFlatDataAndDimensions(x, n, 1, 1, channels))
		mean, variance := moments(x)
		for c := range channels {
			unbiased := variance[c] * float64(n) / float64(n-1)
			wantMean[c] += 0.1 * (mean[c] - wantMean[c])
			wantVariance[c] += 0.1 * (unbiased - wantVariance[c])
		}
		checkClose(t, fmt.Sprintf("running mean after step %d", step+1), value(t, store, MeanName), wantMean, 1e-12)
		checkClose(t, fmt.Sprintf("running variance after step %d", step+1), value(t, store, VarianceName), wantVariance, 1e-12)
	}
	checkClose(t, "γ", value(t, store, GammaName), []float64{1, 1, 1}, 0)
	checkClose(t, "β", value(t, store, BetaName), []float64{0, 0, 0}, 0)
}

func frozen(b *BatchNormBuilder) *BatchNormBuilder { return b.Frozen(true) }

func TestInferenceAndFrozenUseAndKeepTheRunningStatistics(t *testing.T) {
	mean, variance := []float64{1, -2, 0.5}, []float64{4, 0.25, 0}
	for _, test := range []struct {
		training bool
		build    func(*BatchNormBuilder) *BatchNormBuilder
	}{{false, defaults}, {true, frozen}, {false, frozen}} {
		store := model.NewStore()
		setAll(t, store, gamma, beta, mean, variance)
		for _, n := range []int{1, 5} {
			x := random(n*channels, uint64(n))
			y := mustRun(t, store, test.training, forward(test.build), tensors.FromFlatDataAndDimensions(x, n, 1, 1, channels))[0]
			checkClose(t, fmt.Sprintf("training %v, %d images", test.training, n), y,
				normalised(x, gamma, beta, mean, variance), 1e-9)
		}
		checkClose(t, "running mean", value(t, store, MeanName), mean, 0)
		checkClose(t, "running variance", value(t, store, VarianceName), variance, 0)
	}
}

// The gradients are those of Σ w·y², for random w, with respect to x, γ and β.
func TestGradientsEqualFiniteDifferences(t *testing.T) {
	dims := []int{3, 2, 1, channels}
	const size = 3 * 2 * channels
	for _, mode := range []struct {
		name     string
		training bool
		build    func(*BatchNormBuilder) *BatchNormBuilder
	}{{"training", true, defaults}, {"inference", false, defaults}, {"frozen", true, frozen}} {
		x, gamma, beta := random(size, 4), slices.Clone(gamma), slices.Clone(beta)
		mean, variance := []float64{1, -2, 0.5}, []float64{4, 0.25, 1}
		weights := random(size, 5)
		loss := func(scope *model.Scope, inputs []*graph.Node) *graph.Node {
			y := mode.build(BatchNorm(scope.In("bn"), inputs[0])).Done()
			return graph.ReduceAllSum(graph.Mul(inputs[1], graph.Square(y)))
		}
		call := func(fn func(*model.Scope, []*graph.Node) []*graph.Node) [][]float64 {
			store := model.NewStore()
			setAll(t, store, gamma, beta, mean, variance)
			return mustRun(t, store, mode.training, fn,
				tensors.FromFlatDataAndDimensions(x, dims...), tensors.FromFlatDataAndDimensions(weights, dims...))
		}
		got := call(func(scope *model.Scope, inputs []*graph.Node) []*graph.Node {
			value := loss(scope, inputs)
			g := value.Graph()
			at := scope.At("bn")
			return graph.Gradient(value, inputs[0], at.GetVariable(GammaName).NodeValue(g), at.GetVariable(BetaName).NodeValue(g))
		})
		f := func() float64 {
			return call(func(scope *model.Scope, inputs []*graph.Node) []*graph.Node {
				return []*graph.Node{loss(scope, inputs)}
			})[0][0]
		}
		for i, to := range []struct {
			name string
			at   []float64
		}{{"x", x}, {"γ", gamma}, {"β", beta}} {
			checkClose(t, fmt.Sprintf("%s: gradient to %s", mode.name, to.name), got[i], finiteDifferences(to.at, f), 1e-5)
		}
	}
}

func TestImpossibleInputsPanic(t *testing.T) {
	for name, test := range map[string]struct {
		dims []int
		want string
	}{
		"no channels":            {[]int{4}, "want [batch, …, channels]"},
		"one value per channel":  {[]int{1, channels}, "want at least 2"},
		"one image of one pixel": {[]int{1, 1, 1, channels}, "want at least 2"},
	} {
		x := tensors.FromScalarAndDimensions(1.0, test.dims...)
		_, err := run(model.NewStore(), true, forward(defaults), x)
		errorContains(t, name, err, test.want)
	}
	if _, err := run(model.NewStore(), false, forward(defaults), tensors.FromScalarAndDimensions(1.0, 1, channels)); err != nil {
		t.Errorf("inference on one value per channel: %v", err)
	}
}
