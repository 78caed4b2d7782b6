package backendtest

import (
	"math"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/residual-go/residual/pkg/backend"
)

// TestXLA computes small graphs with the operations of networks on XLA and on the project's own
// backend. A convolution on a GPU may use tf32, with ten bits of mantissa, so the values must agree to
// 1e-2 of the largest.
func TestXLA(t *testing.T) {
	xla := XLA(t)
	own, err := backend.New("cpu")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range graphs {
		t.Run(name, func(t *testing.T) {
			got, want := values(t, xla, test), values(t, own, test)
			if len(got) != len(want) {
				t.Fatalf("%d values, want %d", len(got), len(want))
			}
			most := 0.0
			for _, v := range want {
				most = max(most, math.Abs(float64(v)))
			}
			for i := range want {
				if diff := math.Abs(float64(got[i] - want[i])); !(diff <= 1e-2*most) {
					t.Fatalf("value %d is %g, want %g; the largest is %g", i, got[i], want[i], most)
				}
			}
		})
	}
}

// TestOwnBackend compares the same graphs with GoMLX's Go backend, so that they are checked on
// machines without a plugin too.
func TestOwnBackend(t *testing.T) {
	own, err := backend.New("cpu")
	if err != nil {
		t.Fatal(err)
	}
	reference, err := backend.New("go")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range graphs {
		got, want := values(t, own, test), values(t, reference, test)
		for i := range want {
			if diff := math.Abs(float64(got[i] - want[i])); !(diff <= 1e-4*(1+math.Abs(float64(want[i])))) {
				t.Errorf("%s: value %d is %g, want %g", name, i, got[i], want[i])
				break
			}
		}
	}
}

// numbers returns a float32 tensor with values in [-1, 1] that look like noise.
func numbers(g *graph.Graph, dimensions ...int) *graph.Node {
	shape := shapes.Make(dtypes.Float32, dimensions...)
	x := graph.IotaFull(g, shape)
	return graph.Sin(graph.MulScalar(graph.Mul(x, x), 0.37))
}

// graphs each return one float32 node.
var graphs = map[string]func(g *graph.Graph) *graph.Node{
	"add": func(g *graph.Graph) *graph.Node {
		return graph.Add(graph.Const(g, float32(2)), graph.Const(g, float32(3)))
	},
	"convolution": func(g *graph.Graph) *graph.Node {
		return graph.Convolve(numbers(g, 4, 9, 9, 8), numbers(g, 3, 3, 8, 16)).Strides(2).PadSame().Done()
	},
	"gradient of a convolution": func(g *graph.Graph) *graph.Node {
		kernel := numbers(g, 3, 3, 8, 16)
		y := graph.Convolve(numbers(g, 4, 9, 9, 8), kernel).Strides(2).PadSame().Done()
		return graph.Gradient(graph.ReduceAllMean(graph.Mul(y, y)), kernel)[0]
	},
	"batch norm": func(g *graph.Graph) *graph.Node {
		y, mean, variance := norm(g, numbers(g, 4, 5, 5, 8))
		return graph.Concatenate([]*graph.Node{graph.Reshape(y, -1), mean, variance}, 0)
	},
	"gradient of batch norm": func(g *graph.Graph) *graph.Node {
		x := numbers(g, 4, 5, 5, 8)
		y, _, _ := norm(g, x)
		// Weights similar to x would give a gradient near 0, as a difference of larger numbers.
		weights := graph.Reverse(numbers(g, 4, 5, 5, 8), 0, 1, 2, 3)
		return graph.Gradient(graph.ReduceAllSum(graph.Mul(y, weights)), x)[0]
	},
	"bfloat16": func(g *graph.Graph) *graph.Node {
		half := func(x *graph.Node) *graph.Node { return graph.ConvertDType(x, dtypes.BFloat16) }
		y := graph.Convolve(half(numbers(g, 2, 6, 6, 8)), half(numbers(g, 3, 3, 8, 8))).PadSame().Done()
		return graph.ConvertDType(y, dtypes.Float32)
	},
}

// norm is batch norm in training over all axes but the last: in one operation if the backend has
// it, as XLA does, otherwise composed of simpler ones.
func norm(g *graph.Graph, x *graph.Node) (y, mean, variance *graph.Node) {
	features := x.Shape().Dim(-1)
	scale, offset := graph.AddScalar(numbers(g, features), 2), numbers(g, features)
	const epsilon = 1e-5
	if can := g.Backend().Capabilities().Operations; can[compute.OpTypeBatchNormForTraining] && can[compute.OpTypeBatchNormGradient] {
		return graph.InternalBatchNormForTraining(x, scale, offset, epsilon, x.Rank()-1)
	}
	over := func(v *graph.Node) *graph.Node { return graph.Reshape(v, 1, 1, 1, features) }
	mean = graph.ReduceMean(x, 0, 1, 2)
	centred := graph.Sub(x, over(mean))
	variance = graph.ReduceMean(graph.Square(centred), 0, 1, 2)
	normed := graph.Div(centred, over(graph.Sqrt(graph.AddScalar(variance, epsilon))))
	return graph.Add(graph.Mul(normed, over(scale)), over(offset)), mean, variance
}

// values returns the elements of the node that build returns.
func values(t *testing.T, b compute.Backend, build func(*graph.Graph) *graph.Node) []float32 {
	t.Helper()
	exec, err := graph.NewExec(b, build)
	if err != nil {
		t.Fatal(err)
	}
	result, err := exec.Call1()
	if err != nil {
		t.Fatal(backend.Explain(err))
	}
	return tensors.MustCopyFlatData[float32](result)
}
