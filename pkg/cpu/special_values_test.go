package cpu

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

var (
	nan       = float32(math.NaN())
	inf       = float32(math.Inf(1))
	minusZero = float32(math.Copysign(0, -1))
)

// odd are values that are tested in all pairs.
var odd = []float32{nan, inf, -inf, minusZero, 0, 1, -1, 2.5, -2.5, 1e-42, -1e-42, math.MaxFloat32, 0.5, 1.5, -0.5}

// pairs returns all pairs of the values in odd.
func pairs() (a, b []float32) {
	for _, x := range odd {
		for _, y := range odd {
			a, b = append(a, x), append(b, y)
		}
	}
	return a, b
}

// computeVectors runs a graph of two vectors on b.
func computeVectors(t *testing.T, b *Backend, x, y []float32, f func(f compute.Function, x, y compute.Value) []compute.Value) []any {
	t.Helper()
	of := []shapes.Shape{shapes.Make(dtypes.Float32, len(x)), shapes.Make(dtypes.Float32, len(y))}
	e, err := compileFor(b, of, func(function compute.Function, in []compute.Value) []compute.Value { return f(function, in[0], in[1]) })
	if err != nil {
		t.Fatal(err)
	}
	defer e.Finalize()
	got, err := execute(b, e, []any{x, y}, of, nil)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func abs(x float32) float32 { return float32(math.Abs(float64(x))) }

// The result of a single operation on any values is the same as Go's, to the bit, except that NaN may
// have any bits.
func TestSpecialValuesAreComputedAsInGo(t *testing.T) {
	x, y := pairs()
	type op struct {
		name   string
		native func(f compute.Function, x, y compute.Value) (compute.Value, error)
		want   func(x, y float32) float32
		choice bool // zeros may have either sign
	}
	unary := func(call func(compute.Function, v) (v, error)) func(compute.Function, v, v) (v, error) {
		return func(f compute.Function, x, _ v) (v, error) { return call(f, x) }
	}
	float := func(f func(float64) float64) func(x, y float32) float32 {
		return func(x, _ float32) float32 { return float32(f(float64(x))) }
	}
	truth := func(call func(compute.Function, v, v) (v, error)) func(compute.Function, v, v) (v, error) {
		return func(f compute.Function, x, y v) (v, error) {
			return f.ConvertDType(must(call(f, x, y)), dtypes.Float32)
		}
	}
	number := func(b bool) float32 {
		if b {
			return 1
		}
		return 0
	}
	onEachKernel(t, func(t *testing.T, b *Backend) {
		for _, op := range []op{
			{"Add", compute.Function.Add, func(x, y float32) float32 { return x + y }, false},
			{"Sub", compute.Function.Sub, func(x, y float32) float32 { return x - y }, false},
			{"Mul", compute.Function.Mul, func(x, y float32) float32 { return x * y }, false},
			{"Div", compute.Function.Div, func(x, y float32) float32 { return x / y }, false},
			{"Max", compute.Function.Max, func(x, y float32) float32 { return max(x, y) }, true},
			{"Min", compute.Function.Min, func(x, y float32) float32 { return min(x, y) }, true},
			{"Neg", unary(compute.Function.Neg), func(x, _ float32) float32 { return -x }, false},
			{"Abs", unary(compute.Function.Abs), func(x, _ float32) float32 { return abs(x) }, false},
			{"Sqrt", unary(compute.Function.Sqrt), float(math.Sqrt), false},
			{"Floor", unary(compute.Function.Floor), float(math.Floor), false},
			{"Ceil", unary(compute.Function.Ceil), float(math.Ceil), false},
			{"Round", unary(compute.Function.Round), float(math.RoundToEven), false},
			{"Equal", truth(compute.Function.Equal), func(x, y float32) float32 { return number(x == y) }, false},
			{"NotEqual", truth(compute.Function.NotEqual), func(x, y float32) float32 { return number(x != y) }, false},
			{"LessThan", truth(compute.Function.LessThan), func(x, y float32) float32 { return number(x < y) }, false},
			{"LessOrEqual", truth(compute.Function.LessOrEqual), func(x, y float32) float32 { return number(x <= y) }, false},
			{"GreaterThan", truth(compute.Function.GreaterThan), func(x, y float32) float32 { return number(x > y) }, false},
			{"GreaterOrEqual", truth(compute.Function.GreaterOrEqual), func(x, y float32) float32 { return number(x >= y) }, false},
		} {
			got := computeVectors(t, b, x, y, func(f compute.Function, x, y compute.Value) []compute.Value {
				return []compute.Value{must(op.native(f, x, y))}
			})[0].([]float32)
			for i := range got {
				want := op.want(x[i], y[i])
				if got[i] != got[i] && want != want {
					continue
				}
				if op.choice && got[i] == 0 && want == 0 {
					continue
				}
				if math.Float32bits(got[i]) != math.Float32bits(want) {
					t.Errorf("%s of %v and %v is %v, want %v", op.name, x[i], y[i], got[i], want)
				}
			}
		}
	})
}

// A reduction over a NaN is NaN, wherever the NaN is.
func TestReductionsAndPoolingKeepNaN(t *testing.T) {
	onEachKernel(t, func(t *testing.T, b *Backend) {
		for at := range 40 {
			x := make([]float32, 40)
			for i := range x {
				x[i] = float32(i%7) - 3
			}
			x[at] = nan
			got := computeVectors(t, b, x, x, func(f compute.Function, x, _ compute.Value) []compute.Value {
				matrix := must(f.Reshape(x, 8, 5))
				pool := func(kind compute.ReduceOpType) compute.Value {
					pooled := must(f.ReduceWindow(matrix, kind, []int{8, 1}, nil, nil, nil, nil))
					return must(f.Reshape(pooled, 5))
				}
				return []compute.Value{
					must(f.ReduceMax(x)), must(f.ReduceMin(x)), must(f.ReduceSum(x)),
					must(f.ReduceMax(matrix, 0)), must(f.ReduceMin(matrix, 0)), must(f.ReduceMax(matrix, 1)),
					pool(compute.ReduceOpMax), pool(compute.ReduceOpMin),
				}
			})
			for i, flat := range got {
				where := 0
				switch {
				case i == 5:
					where = at / 5
				case i >= 3:
					where = at % 5
				}
				for j, v := range flat.([]float32) {
					if (v != v) != (j == where) {
						t.Errorf("NaN at %d: element %d of output %d is %v", at, j, i, v)
					}
				}
			}
		}
	})
}

// padded returns x with padding, computed by definition.
func padded(x []float32, fill float32, p compute.PadAxis) []float32 {
	y := slices.Repeat([]float32{fill}, len(x)+p.Start+p.End+(len(x)-1)*p.Interior)
	for i, v := range x {
		if at := p.Start + i*(1+p.Interior); at >= 0 && at < len(y) {
			y[at] = v
		}
	}
	return y
}

// Negative padding cuts off elements, including interior padding. The reference backend gets this
// wrong.
func TestPaddingOfAllKindsIsAsDefined(t *testing.T) {
	b := newBackend(t, "")
	x := []float32{1, 2, 3, 4, 5}
	for start := -4; start <= 3; start++ {
		for end := -4; end <= 3; end++ {
			for interior := range 3 {
				p := compute.PadAxis{Start: start, End: end, Interior: interior}
				if len(x)+start+end+4*interior <= 0 {
					continue
				}
				want := padded(x, 9, p)
				got := computeVectors(t, b, x, []float32{9}, func(f compute.Function, x, fill compute.Value) []compute.Value {
					fill = must(f.Reshape(fill))
					outer := must(f.Pad(must(f.Reshape(x, 5, 1)), fill, p))
					return []compute.Value{must(f.Pad(x, fill, p)), must(f.Reshape(outer, len(want)))}
				})
				for i := range got {
					if difference := firstDifference(got[i].([]float32), want); difference != "" {
						t.Errorf("%+v, output %d: %s", p, i, difference)
					}
				}
			}
		}
	}
}

func TestBroadcastInDimRejectsTransposition(t *testing.T) {
	b := newBackend(t, "")
	square := shapes.Make(dtypes.Float32, 3, 3)
	_, err := compileFor(b, []shapes.Shape{square}, func(f compute.Function, in []compute.Value) []compute.Value {
		return []compute.Value{must(f.BroadcastInDim(in[0], square, []int{1, 0}))}
	})
	if err == nil || !strings.Contains(err.Error(), "do not increase") {
		t.Errorf("axes 1, 0: %v, want an error", err)
	}
}

// Named axes are a matter of building graphs; buffers need not have them.
func TestNamedAxesChangeNothing(t *testing.T) {
	b := newBackend(t, "")
	named := shapes.Make(dtypes.Float32, 2, 3)
	named.AxisNames = []string{"image", "pixel"}
	plain := shapes.Make(dtypes.Float32, 2, 3)
	e, err := compileFor(b, []shapes.Shape{named, plain}, func(f compute.Function, in []compute.Value) []compute.Value {
		return []compute.Value{must(f.Add(in[0], in[1])), must(f.Mul(in[0], in[0]))}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Finalize()
	if got := e.Outputs()[1]; !got.Equal(named) {
		t.Errorf("the output's shape is %s, want %s", got, named)
	}
	x := []float32{1, 2, 3, 4, 5, 6}
	got, err := execute(b, e, []any{x, x}, []shapes.Shape{plain, plain}, nil)
	if err != nil {
		t.Fatal(err)
	}
	checkSameBits(t, "the results", got, []any{[]float32{2, 4, 6, 8, 10, 12}, []float32{1, 4, 9, 16, 25, 36}})
}
