package nn

import (
	"fmt"
	"slices"
	"testing"

	"github.com/gomlx/compute/distributed"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/core/tensors/dtensor"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/cpu"
	"github.com/residual-go/residual/pkg/spmd"
)

// normalisation is the result of a step of batch norm on n images of 3 channels.
type normalisation struct {
	y, gradient    []float64 // of x, share after share
	gamma, beta    []float64 // the gradients of γ and β, the mean over the devices
	mean, variance []float64 // the running statistics
}

// step normalises x, [n, 3], on the given number of devices, each of which takes a share. The loss
// of a share is the mean of w·(y + 0.3)².
func step(t *testing.T, x, w []float64, devices int, local bool) normalisation {
	t.Helper()
	const channels = 3
	config := ""
	if devices > 1 {
		config = fmt.Sprint("devices=", devices)
	}
	backend, err := cpu.New(config)
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Finalize()
	store := model.NewStore()
	exec, err := model.NewExec(backend, store, func(scope *model.Scope, inputs []*graph.Node) []*graph.Node {
		x, w := inputs[0], inputs[1]
		store.SetTraining(x.Graph(), true)
		y := BatchNorm(scope, x).Local(local).Done()
		loss := graph.ReduceAllMean(graph.Mul(w, graph.Square(graph.AddScalar(y, 0.3))))
		gamma, beta := store.GetVariable("/"+GammaName), store.GetVariable("/"+BetaName)
		g := x.Graph()
		gradients := graph.Gradient(loss, x, gamma.NodeValue(g), beta.NodeValue(g))
		means := spmd.Means(gradients[1:])
		return []*graph.Node{y, gradients[0], means[0], means[1]}
	})
	if err != nil {
		t.Fatal(err)
	}
	var spec *distributed.ShardingSpec
	if devices > 1 {
		mesh, err := distributed.NewDeviceMesh([]int{devices}, []string{"data"})
		if err != nil {
			t.Fatal(err)
		}
		if spec, err = distributed.NewShardingSpec(mesh, distributed.AxisSpec{"data"}); err != nil {
			t.Fatal(err)
		}
		exec.SPMD(mesh).WithInputShardingSpecs(spec, spec)
	}
	var inputs []any
	for _, values := range [][]float64{x, w} {
		whole := tensors.FromFlatDataAndDimensions(single(values), len(values)/channels, channels)
		if devices == 1 {
			inputs = append(inputs, whole)
			continue
		}
		shared, err := dtensor.ShardTensor(spec, whole)
		if err != nil {
			t.Fatal(err)
		}
		inputs = append(inputs, shared)
	}
	outputs, err := exec.Call(inputs...)
	if err != nil {
		t.Fatal(err)
	}
	of := func(i int) []float64 { return double(tensors.MustCopyFlatData[float32](outputs[i])) }
	result := normalisation{gamma: of(2), beta: of(3)}
	for device := range devices {
		result.y = append(result.y, of(4*device)...)
		result.gradient = append(result.gradient, of(4*device+1)...)
		if !slices.Equal(of(4*device+2), result.gamma) {
			t.Error("the devices have different gradients of γ")
		}
	}
	statistic := func(name string) []float64 {
		return double(tensors.MustCopyFlatData[float32](store.GetVariable("/" + name).MustValue()))
	}
	result.mean, result.variance = statistic(MeanName), statistic(VarianceName)
	return result
}

func single(x []float64) []float32 {
	y := make([]float32, len(x))
	for i := range x {
		y[i] = float32(x[i])
	}
	return y
}

func double(x []float32) []float64 {
	y := make([]float64, len(x))
	for i := range x {
		y[i] = float64(x[i])
	}
	return y
}

func scaled(x []float64, by float64) []float64 {
	y := make([]float64, len(x))
	for i := range x {
		y[i] = by * x[i]
	}
	return y
}

func average(a, b []float64) []float64 {
	y := make([]float64, len(a))
	for i := range a {
		y[i] = (a[i] + b[i]) / 2
	}
	return y
}

func TestDevicesNormaliseTogetherLikeOne(t *testing.T) {
	x, w := random(8*3, 1), random(8*3, 2)
	want := step(t, x, w, 1, false)
	for _, devices := range []int{2, 4} {
		got := step(t, x, w, devices, false)
		checkClose(t, "y", got.y, want.y, 1e-5)
		// The mean over the devices is taken of the weights' gradients, not of this one.
		checkClose(t, "gradient of x", got.gradient, scaled(want.gradient, float64(devices)), 1e-5)
		checkClose(t, "gradient of γ", got.gamma, want.gamma, 1e-5)
		checkClose(t, "gradient of β", got.beta, want.beta, 1e-5)
		checkClose(t, "running mean", got.mean, want.mean, 1e-6)
		checkClose(t, "running variance", got.variance, want.variance, 1e-5)
	}
}

func TestLocalNormsAreThoseOfEachShare(t *testing.T) {
	x, w := random(8*3, 3), random(8*3, 4)
	first, second := step(t, x[:12], w[:12], 1, false), step(t, x[12:], w[12:], 1, false)
	got := step(t, x, w, 2, true)
	checkClose(t, "y", got.y, append(first.y, second.y...), 1e-5)
	checkClose(t, "gradient of x", got.gradient, append(first.gradient, second.gradient...), 1e-5)
	checkClose(t, "gradient of γ", got.gamma, average(first.gamma, second.gamma), 1e-5)
	checkClose(t, "running mean", got.mean, average(first.mean, second.mean), 1e-6)
	checkClose(t, "running variance", got.variance, average(first.variance, second.variance), 1e-5)
}

// One image on each device is enough if the devices normalise together.
func TestOneImageOnEachDevice(t *testing.T) {
	x, w := random(2*3, 5), random(2*3, 6)
	checkClose(t, "y", step(t, x, w, 2, false).y, step(t, x, w, 1, false).y, 1e-4)
}

func TestHalfPrecisionIsNormalisedInFloat32(t *testing.T) {
	backend, err := cpu.New("")
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Finalize()
	for _, training := range []bool{true, false} {
		outputs := func(half bool) (y []float32, variance dtypes.DType) {
			store := model.NewStore()
			exec, err := model.NewExec(backend, store, func(scope *model.Scope, x *graph.Node) *graph.Node {
				store.SetTraining(x.Graph(), training)
				x = graph.ConvertDType(x, dtypes.BFloat16)
				if !half {
					x = graph.ConvertDType(x, dtypes.Float32)
				}
				y := BatchNorm(scope, x).Done()
				if y.DType() != x.DType() {
					t.Errorf("the result is %s for an x that is %s", y.DType(), x.DType())
				}
				return graph.ConvertDType(graph.ConvertDType(y, dtypes.BFloat16), dtypes.Float32)
			})
			if err != nil {
				t.Fatal(err)
			}
			result, err := exec.Call(tensors.FromFlatDataAndDimensions(single(random(64*3, 7)), 64, 3))
			if err != nil {
				t.Fatal(err)
			}
			return tensors.MustCopyFlatData[float32](result[0]), store.GetVariable("/" + VarianceName).Shape().DType
		}
		want, _ := outputs(false)
		got, dtype := outputs(true)
		if !slices.Equal(got, want) || dtype != dtypes.Float32 {
			t.Errorf("training %v: bfloat16 gives %v with statistics in %s; want what float32 gives, rounded: %v", training, got[:3], dtype, want[:3])
		}
	}
}

func TestWeightType(t *testing.T) {
	for input, want := range map[dtypes.DType]dtypes.DType{
		dtypes.BFloat16: dtypes.Float32, dtypes.Float16: dtypes.Float32, dtypes.Float32: dtypes.Float32, dtypes.Float64: dtypes.Float64,
	} {
		if got := WeightType(input); got != want {
			t.Errorf("weights for %s are %s, want %s", input, got, want)
		}
	}
}
