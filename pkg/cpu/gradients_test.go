package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	gomlx "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/layers/norm"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/nn"
)

// formula builds a GoMLX graph.
type formula func(scope *model.Scope, in []*gomlx.Node) []*gomlx.Node

// array is an input of a formula.
type array struct {
	dims []int
	data []float64
}

// random returns an array of values in random order that are well apart from each other and from 0, so
// that no finite difference steps across a jump of a gradient.
func random(seed uint64, dims ...int) array {
	r := rand.New(rand.NewPCG(seed, 3))
	data := make([]float64, size(dims))
	for i, at := range r.Perm(len(data)) {
		data[i] = (float64(at) + 0.5 - float64(len(data)/2)) * 3 / float64(len(data))
	}
	return array{dims, data}
}

// evaluate computes a formula in training mode, in float64 or float32.
func evaluate(t *testing.T, b compute.Backend, d dtypes.DType, f formula, inputs ...array) [][]float64 {
	t.Helper()
	store := model.NewStore()
	exec, err := model.NewExec(b, store, func(scope *model.Scope, in []*gomlx.Node) []*gomlx.Node {
		store.SetTraining(in[0].Graph(), true)
		return f(scope, in)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer exec.Finalize()
	var given []any
	for _, input := range inputs {
		given = append(given, input.tensor(d))
	}
	outputs, err := exec.Exec(given...)
	if err != nil {
		t.Fatal(err)
	}
	var all [][]float64
	for _, output := range outputs {
		all = append(all, asFloat64(output))
	}
	return all
}

func (a array) tensor(d dtypes.DType) *tensors.Tensor {
	if d == dtypes.Float64 {
		return tensors.FromFlatDataAndDimensions(a.data, a.dims...)
	}
	narrow := make([]float32, len(a.data))
	for i, x := range a.data {
		narrow[i] = float32(x)
	}
	return tensors.FromFlatDataAndDimensions(narrow, a.dims...)
}

func asFloat64(x *tensors.Tensor) []float64 {
	if x.DType() == dtypes.Float64 {
		return tensors.MustCopyFlatData[float64](x)
	}
	var wide []float64
	for _, v := range tensors.MustCopyFlatData[float32](x) {
		wide = append(wide, float64(v))
	}
	return wide
}

// derivatives returns the derivatives of a formula's only output with respect to its inputs, by finite
// differences that the reference backend computes in float64.
func derivatives(t *testing.T, f formula, inputs ...array) [][]float64 {
	t.Helper()
	const h = 1e-5
	var all [][]float64
	for i, input := range inputs {
		// One graph computes all differences: it has an output for each changed element.
		changed := evaluate(t, reference(), dtypes.Float64, func(scope *model.Scope, in []*gomlx.Node) []*gomlx.Node {
			var outputs []*gomlx.Node
			for j := range 2 * len(input.data) {
				step := array{input.dims, make([]float64, len(input.data))}
				step.data[j/2] = []float64{h, -h}[j%2]
				moved := slices.Clone(in)
				moved[i] = gomlx.Add(in[i], gomlx.Const(in[i].Graph(), step.tensor(dtypes.Float64)))
				outputs = append(outputs, f(scope, moved)[0])
			}
			return outputs
		}, inputs...)
		slope := make([]float64, len(input.data))
		for j := range slope {
			slope[j] = (changed[2*j][0] - changed[2*j+1][0]) / (2 * h)
		}
		all = append(all, slope)
	}
	return all
}

// checkGradient compares GoMLX's gradient of f, computed in float32 with all kernels, with the
// derivatives of plain: the same formula, or one with the same values.
func checkGradient(t *testing.T, f, plain formula, inputs ...array) {
	t.Helper()
	want := derivatives(t, plain, inputs...)
	onEachKernel(t, func(t *testing.T, b *Backend) {
		got := evaluate(t, b, dtypes.Float32, func(scope *model.Scope, in []*gomlx.Node) []*gomlx.Node {
			return gomlx.Gradient(f(scope, in)[0], in...)
		}, inputs...)
		for i := range got {
			checkClose(t, fmt.Sprintf("the gradient of input %d", i), got[i], want[i], 1e-4)
		}
	})
}

// weighted returns the sum of the elements of x, each with a different weight.
func weighted(x *gomlx.Node) *gomlx.Node {
	weights := random(99, x.Shape().Dimensions...)
	return gomlx.ReduceAllSum(gomlx.Mul(x, gomlx.Const(x.Graph(), weights.tensor(x.DType()))))
}

func one(x *gomlx.Node) []*gomlx.Node { return []*gomlx.Node{x} }

func TestGradientsOfLayersAreTheirDerivatives(t *testing.T) {
	zero := func(x *gomlx.Node) *gomlx.Node { return gomlx.ScalarZero(x.Graph(), x.DType()) }
	image := random(1, 2, 4, 5, 2)
	for _, layer := range []struct {
		name   string
		f      formula
		inputs []array
	}{
		{"max pooling", func(_ *model.Scope, in []*gomlx.Node) []*gomlx.Node {
			return one(weighted(gomlx.MaxPool(in[0]).Window(2).Done()))
		}, []array{image}},
		{"max pooling with overlap and padding", func(_ *model.Scope, in []*gomlx.Node) []*gomlx.Node {
			return one(weighted(gomlx.MaxPool(in[0]).Window(3).Strides(2).PaddingPerDim([][2]int{{1, 1}, {1, 1}}).Done()))
		}, []array{image}},
		{"mean pooling", func(_ *model.Scope, in []*gomlx.Node) []*gomlx.Node {
			return one(weighted(gomlx.MeanPool(in[0]).Window(2).Done()))
		}, []array{image}},
		{"global mean", func(_ *model.Scope, in []*gomlx.Node) []*gomlx.Node {
			return one(weighted(gomlx.ReduceMean(in[0], 1, 2)))
		}, []array{image}},
		{"ReLU", func(_ *model.Scope, in []*gomlx.Node) []*gomlx.Node {
			return one(weighted(gomlx.Max(zero(in[0]), in[0])))
		}, []array{image}},
		{"ReLU, zero last, of a sum that is used again", func(_ *model.Scope, in []*gomlx.Node) []*gomlx.Node {
			sum := gomlx.Add(in[0], in[1])
			y := gomlx.Max(sum, zero(sum))
			return one(gomlx.Add(weighted(gomlx.Mul(y, y)), weighted(sum)))
		}, []array{image, random(2, 2, 4, 5, 2)}},
		{"cross entropy", func(_ *model.Scope, in []*gomlx.Node) []*gomlx.Node {
			labels := gomlx.Const(in[0].Graph(), [][]int32{{3}, {0}, {6}, {3}})
			return one(nn.CrossEntropy(0.1)([]*gomlx.Node{labels}, in))
		}, []array{random(3, 4, 7)}},
		{"softmax", func(_ *model.Scope, in []*gomlx.Node) []*gomlx.Node {
			return one(weighted(gomlx.Softmax(in[0])))
		}, []array{random(4, 3, 5)}},
		{"linear", func(_ *model.Scope, in []*gomlx.Node) []*gomlx.Node {
			return one(weighted(gomlx.Add(gomlx.MatMul(in[0], in[1]), gomlx.ExpandAxes(in[2], 0))))
		}, []array{random(5, 4, 7), random(6, 7, 3), random(7, 3)}},
		{"convolution", func(_ *model.Scope, in []*gomlx.Node) []*gomlx.Node {
			return one(weighted(gomlx.Convolve(in[0], in[1]).Strides(2).PaddingPerDim([][2]int{{1, 1}, {1, 1}}).Done()))
		}, []array{image, random(8, 3, 3, 2, 4)}},
	} {
		t.Run(layer.name, func(t *testing.T) { checkGradient(t, layer.f, layer.f, layer.inputs...) })
	}
}

// At 0 the gradient is 0, and where it is 0 infinite values do not come through.
func TestGradientOfReLUIsZeroWhereItIsZero(t *testing.T) {
	onEachKernel(t, func(t *testing.T, b *Backend) {
		x := array{[]int{6}, []float64{-1, math.Copysign(0, -1), 0, 1e-40, 2, math.Inf(-1)}}
		v := array{[]int{6}, []float64{3, 3, 3, 3, 3, math.Inf(1)}}
		got := evaluate(t, b, dtypes.Float32, func(_ *model.Scope, in []*gomlx.Node) []*gomlx.Node {
			y := gomlx.Max(gomlx.ScalarZero(in[0].Graph(), in[0].DType()), in[0])
			return gomlx.Gradient(gomlx.ReduceAllSum(gomlx.Mul(y, gomlx.StopGradient(in[1]))), in[0])
		}, x, v)
		checkClose(t, "the gradient", got[0], []float64{0, 0, 0, 3, 3, 0}, 0)
	})
}

// On a backend without an operation for batch normalization GoMLX composes it, and stops the gradient
// at its mean and variance. This backend has the operation, so its gradient is the true one.
func TestGradientOfGoMLXsBatchNormIsTrue(t *testing.T) {
	for _, axis := range []int{3, 1, 0} {
		t.Run(fmt.Sprintf("axis %d", axis), func(t *testing.T) {
			normalized := func(scope *model.Scope, in []*gomlx.Node) []*gomlx.Node {
				return one(weighted(norm.BatchNorm(scope, in[0], axis).Epsilon(1e-3).Done()))
			}
			plain := func(_ *model.Scope, in []*gomlx.Node) []*gomlx.Node {
				x, rest := in[0], otherAxes(4, []int{axis})
				centred := gomlx.Sub(x, gomlx.ReduceAndKeep(x, gomlx.ReduceMean, rest...))
				variance := gomlx.ReduceAndKeep(gomlx.Square(centred), gomlx.ReduceMean, rest...)
				return one(weighted(gomlx.Div(centred, gomlx.Sqrt(gomlx.AddScalar(variance, 1e-3)))))
			}
			checkGradient(t, normalized, plain, random(1, 3, 2, 4, 5))
		})
	}
}

// gradientsOfConvolution returns the gradients of Σ r·(x*w), or GoMLX's error.
func gradientsOfConvolution(b compute.Backend, s *sample, x, w, r []float32) (grads [2][]float32, err error) {
	exec, err := gomlx.NewExec(b, func(x, w, r *gomlx.Node) []*gomlx.Node {
		y := gomlx.Convolve(x, w).AxesConfig(s.axes).PaddingPerDim(s.paddings)
		if s.strides != nil {
			y = y.StridePerAxis(s.strides...)
		}
		if s.kernelDilations != nil {
			y = y.DilationPerAxis(s.kernelDilations...)
		}
		sum := gomlx.ReduceAllSum(gomlx.Mul(r, y.ChannelGroupCount(s.channelGroups).BatchGroupCount(s.batchGroups).Done()))
		return gomlx.Gradient(sum, x, w)
	})
	if err != nil {
		return grads, err
	}
	defer exec.Finalize()
	of := func(data []float32, dims []int) *tensors.Tensor {
		return tensors.FromFlatDataAndDimensions(data, dims...)
	}
	outputs, err := exec.Call(of(x, s.input.Dimensions), of(w, s.kernel.Dimensions), of(r, s.output.Dimensions))
	if err != nil {
		return grads, err
	}
	for i, output := range outputs {
		grads[i] = tensors.MustCopyFlatData[float32](output)
	}
	return grads, nil
}

// layerAxis returns a function that chooses spatial axes for which GoMLX's gradient is correct: kernels
// of odd sizes, with either strides or dilations.
func (g *generator) layerAxis() func(*convolution) (in, kernel, out int) {
	strided := g.chance(2)
	return func(c *convolution) (in, kernel, out int) {
		stride, dilation := 1, 1
		if strided {
			stride = 1 + g.pick(3)
		} else {
			dilation = 1 + g.pick(2)
		}
		kernel = 1 + 2*g.pick(3)
		reach := (kernel-1)*dilation + 1
		padding := [2]int{g.pick(reach), g.pick(reach)}
		in = reach + g.pick(9)
		c.strides, c.inputDilations, c.kernelDilations = append(c.strides, stride), append(c.inputDilations, 1), append(c.kernelDilations, dilation)
		c.paddings = append(c.paddings, padding)
		return in, kernel, (in+padding[0]+padding[1]-reach)/stride + 1
	}
}

// unify gives the output the layout of the input, because GoMLX's gradient is wrong for others, and
// removes the reversal of the kernel.
func (s *sample) unify() {
	dims := make([]int, s.input.Rank())
	dims[s.axes.InputBatch] = s.output.Dimensions[s.axes.OutputBatch]
	dims[s.axes.InputChannels] = s.output.Dimensions[s.axes.OutputChannels]
	for i, axis := range s.axes.InputSpatial {
		dims[axis] = s.output.Dimensions[s.axes.OutputSpatial[i]]
	}
	s.output = shapes.Make(dtypes.Float32, dims...)
	s.axes.OutputBatch, s.axes.OutputChannels, s.axes.OutputSpatial = s.axes.InputBatch, s.axes.InputChannels, s.axes.InputSpatial
	s.reversed = nil
}

func dot(a, b []float32) float64 {
	sum := 0.0
	for i, x := range a {
		sum += float64(x) * float64(b[i])
	}
	return sum
}

// A convolution is linear in each operand, so its gradients are its adjoints: the product of a gradient
// with any dx equals the product of r with the convolution of dx. All sums are exact, except that Winograd's
// algorithm, which is for 3 by 3 taps, rounds.
func TestGradientsOfRandomConvolutionsAreTheirAdjoints(t *testing.T) {
	convolutions := uint64(fewer(320))
	onEachKernel(t, func(t *testing.T, b *Backend) {
		made := uint64(0)
		for seed := range convolutions {
			g := newGenerator(nil, choices(seed, 100))
			s, ok := g.sample(g.layerAxis())
			if !ok {
				continue
			}
			made++
			s.unify()
			next := func(n int) []float32 { flat, _ := g.numbers(dtypes.Float32, n); return flat.([]float32) }
			x, w, r := next(s.input.Size()), next(s.kernel.Size()), next(s.output.Size())
			grads, err := gradientsOfConvolution(b, &s, x, w, r)
			if err != nil {
				t.Fatalf("seed %d: %v: %+v", seed, err, s)
			}
			for range 2 {
				dx, dw := next(len(x)), next(len(w))
				for i, moved := range [][]float32{s.direct(dx, w), s.direct(x, dw)} {
					want, limit := dot(r, moved), 0.0
					if s.threeByThree() {
						limit = 1e-5 * math.Sqrt(dot(r, r)*dot(moved, moved))
					}
					if got := dot(grads[i], [][]float32{dx, dw}[i]); math.Abs(got-want) > limit {
						t.Errorf("seed %d: the product with the gradient of %s is %g, want %g: %+v", seed, []string{"the input", "the kernel"}[i], got, want, s)
					}
				}
			}
		}
		if made < convolutions/4 {
			t.Errorf("only %d of %d convolutions were small enough", made, convolutions)
		}
		t.Logf("%d convolutions", made)
	})
}
