package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// normalization is a batch normalization with its inputs, whose values are representable in float32.
type normalization struct {
	shape                shapes.Shape
	axis                 int
	epsilon              float32
	x, gradient          []float64
	scale, offset        []float64
	otherMean, otherVari []float64 // for inference
}

// rounded returns n normally distributed values, rounded to float32.
func rounded(r *rand.Rand, n int, mean, std float64) []float64 {
	return fill(n, func() float64 { return float64(float32(mean + std*r.NormFloat64())) })
}

func newNormalization(axis int, mean float64, dims ...int) *normalization {
	r := rand.New(rand.NewPCG(uint64(axis), uint64(len(dims))))
	n := &normalization{shape: shapes.Make(dtypes.Float32, dims...), axis: axis, epsilon: 1e-3}
	features := dims[axis]
	n.x, n.gradient = rounded(r, n.shape.Size(), mean, 1), rounded(r, n.shape.Size(), 0.5, 1)
	n.scale, n.offset = rounded(r, features, 1, 0.5), rounded(r, features, 0, 2)
	n.otherMean = rounded(r, features, mean, 0.5)
	n.otherVari = fill(features, func() float64 { return float64(float32(0.5 + r.Float64())) })
	return n
}

// feature returns the feature that element i belongs to.
func (n *normalization) feature(i int) int {
	s := strides(n.shape)
	return i / s[n.axis] % n.shape.Dimensions[n.axis]
}

// means returns, for each feature, the mean of of(i) over its elements i.
func (n *normalization) means(of func(i int) float64) []float64 {
	sums := make([]float64, n.shape.Dimensions[n.axis])
	for i := range n.x {
		sums[n.feature(i)] += of(i)
	}
	for f := range sums {
		sums[f] /= float64(len(n.x) / len(sums))
	}
	return sums
}

func (n *normalization) moments() (mean, variance []float64) {
	mean = n.means(func(i int) float64 { return n.x[i] })
	return mean, n.means(func(i int) float64 { d := n.x[i] - mean[n.feature(i)]; return d * d })
}

func (n *normalization) centred(i int, mean, variance []float64) float64 {
	f := n.feature(i)
	return (n.x[i] - mean[f]) / math.Sqrt(variance[f]+float64(n.epsilon))
}

func (n *normalization) normalized(mean, variance []float64) []float64 {
	y := make([]float64, len(n.x))
	for i := range y {
		f := n.feature(i)
		y[i] = n.scale[f]*n.centred(i, mean, variance) + n.offset[f]
	}
	return y
}

func (n *normalization) gradients(mean, variance []float64) (x, scale, offset []float64) {
	meanG := n.means(func(i int) float64 { return n.gradient[i] })
	meanGX := n.means(func(i int) float64 { return n.gradient[i] * n.centred(i, mean, variance) })
	x = make([]float64, len(n.x))
	for i := range x {
		f := n.feature(i)
		inner := n.gradient[i] - meanG[f] - n.centred(i, mean, variance)*meanGX[f]
		x[i] = n.scale[f] / math.Sqrt(variance[f]+float64(n.epsilon)) * inner
	}
	count := float64(len(n.x) / len(meanG))
	for f := range meanG {
		scale, offset = append(scale, meanGX[f]*count), append(offset, meanG[f]*count)
	}
	return x, scale, offset
}

// compute runs an operation on the given arrays in type d, Float32 or Float64.
func (n *normalization) compute(t *testing.T, b *Backend, d dtypes.DType, inputs [][]float64,
	op func(f compute.Function, in []compute.Value) []compute.Value) [][]float64 {
	t.Helper()
	var flat []any
	var of []shapes.Shape
	for _, input := range inputs {
		dims := n.shape.Dimensions
		if len(input) != n.shape.Size() {
			dims = []int{len(input)}
		}
		of = append(of, shapes.Make(d, dims...))
		if d == dtypes.Float64 {
			flat = append(flat, input)
			continue
		}
		narrow := make([]float32, len(input))
		for i, v := range input {
			narrow[i] = float32(v)
		}
		flat = append(flat, narrow)
	}
	e, err := compileFor(b, of, op)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Finalize()
	outputs, err := execute(b, e, flat, of, nil)
	if err != nil {
		t.Fatal(err)
	}
	var wide [][]float64
	for _, output := range outputs {
		if d == dtypes.Float64 {
			wide = append(wide, output.([]float64))
			continue
		}
		var w []float64
		for _, v := range output.([]float32) {
			w = append(w, float64(v))
		}
		wide = append(wide, w)
	}
	return wide
}

// check compares the three operations with their definitions.
func (n *normalization) check(t *testing.T, b *Backend, d dtypes.DType, tolerance float64) {
	mean, variance := n.moments()
	got := n.compute(t, b, d, [][]float64{n.x, n.scale, n.offset}, func(f compute.Function, in []compute.Value) []compute.Value {
		y, mean, variance, err := f.BatchNormForTraining(in[0], in[1], in[2], n.epsilon, n.axis)
		return []compute.Value{must(y, err), mean, variance}
	})
	checkClose(t, "training: the result", got[0], n.normalized(mean, variance), tolerance)
	checkClose(t, "training: the mean", got[1], mean, tolerance)
	checkClose(t, "training: the variance", got[2], variance, tolerance)

	got = n.compute(t, b, d, [][]float64{n.x, n.scale, n.offset, n.otherMean, n.otherVari}, func(f compute.Function, in []compute.Value) []compute.Value {
		return []compute.Value{must(f.BatchNormForInference(in[0], in[1], in[2], in[3], in[4], n.epsilon, n.axis))}
	})
	checkClose(t, "inference", got[0], n.normalized(n.otherMean, n.otherVari), tolerance)

	for i := range mean { // rounded, as training passes them on
		mean[i], variance[i] = float64(float32(mean[i])), float64(float32(variance[i]))
	}
	got = n.compute(t, b, d, [][]float64{n.x, n.scale, mean, variance, n.gradient}, func(f compute.Function, in []compute.Value) []compute.Value {
		x, scale, offset, err := f.BatchNormGradient(in[0], in[1], in[2], in[3], in[4], n.epsilon, n.axis)
		return []compute.Value{must(x, err), scale, offset}
	})
	x, scale, offset := n.gradients(mean, variance)
	checkClose(t, "the gradient of the operand", got[0], x, tolerance)
	checkClose(t, "the gradient of the scale", got[1], scale, tolerance)
	checkClose(t, "the gradient of the offset", got[2], offset, tolerance)
}

func TestBatchNormIsComputedAsDefined(t *testing.T) {
	onEachKernel(t, func(t *testing.T, b *Backend) {
		for _, mean := range []float64{0, 300} {
			for _, dims := range [][]int{{64, 3}, {2, 3, 4, 5}, {40000, 2}, {7, 33, 300}, {3, 50, 37, 16}} {
				for axis, features := range dims {
					if mean != 0 && size(dims)/features < 30 {
						continue // the std of a few elements may be tiny compared to the mean
					}
					t.Run(fmt.Sprintf("mean %g, %v, axis %d", mean, dims, axis), func(t *testing.T) {
						newNormalization(axis, mean, dims...).check(t, b, dtypes.Float32, 1e-4)
					})
				}
			}
		}
	})
}

// Float64 is delegated, and the reference backend has no batch normalization: it is composed there.
func TestBatchNormOfFloat64IsComputedAsDefined(t *testing.T) {
	b := newBackend(t, "")
	for axis := range 3 {
		newNormalization(axis, 10, 3, 4, 5).check(t, b, dtypes.Float64, 1e-7)
	}
}

// A vector has one element for each feature, so nothing is summed.
func TestGradientOfBatchNormOfAVector(t *testing.T) {
	b := newBackend(t, "")
	n := newNormalization(0, 0, 5)
	got := n.compute(t, b, dtypes.Float32, [][]float64{n.x, n.scale, n.otherMean, n.otherVari, n.gradient},
		func(f compute.Function, in []compute.Value) []compute.Value {
			_, scale, offset, err := f.BatchNormGradient(in[0], in[1], in[2], in[3], in[4], n.epsilon, n.axis)
			return []compute.Value{must(scale, err), offset}
		})
	want := make([]float64, len(n.x))
	for i := range want {
		want[i] = n.gradient[i] * n.centred(i, n.otherMean, n.otherVari)
	}
	checkClose(t, "the gradient of the scale", got[0], want, 1e-5)
	checkClose(t, "the gradient of the offset", got[1], n.gradient, 0)
}
