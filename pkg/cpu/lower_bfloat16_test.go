package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/shapes"

	"github.com/residual-go/residual/pkg/resnet"
)

// halves returns n normally distributed values, of which a quarter are special ones if special is set.
func halves(r *rand.Rand, n int, special bool) []bfloat16.BFloat16 {
	specials := []float64{0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), math.NaN(), 3e38, -3e38, 1e-39, 0.5, 1, 2.5, -1.5}
	x := make([]bfloat16.BFloat16, n)
	for i := range x {
		x[i] = bfloat16.FromFloat64(r.NormFloat64())
		if special && r.IntN(4) == 0 {
			x[i] = bfloat16.FromFloat64(specials[r.IntN(len(specials))])
		}
	}
	return x
}

// halfCase is a computation with bfloat16 tensors.
type halfCase struct {
	name  string
	of    [][]int // dimensions of the parameters
	make  func(f compute.Function, in []compute.Value) (compute.Value, error)
	error float64 // allowed error relative to the largest element; 0 for the same bits
}

// half returns a bfloat16 shape.
func half(dims ...int) shapes.Shape { return shapes.Make(dtypes.BFloat16, dims...) }

// constantHalf adds a bfloat16 scalar.
func constantHalf(f compute.Function, x float32) compute.Value {
	return must(f.Constant([]bfloat16.BFloat16{bfloat16.FromFloat32(x)}))
}

// elementCases are operations whose results are the same bits as on the reference backend.
func elementCases() []halfCase {
	var cases []halfCase
	add := func(name string, operands int, make func(f compute.Function, in []compute.Value) (compute.Value, error)) {
		of := slices.Repeat([][]int{{37, 11}}, operands)
		cases = append(cases, halfCase{name: name, of: of, make: make})
	}
	for name, op := range map[string]func(compute.Function, compute.Value, compute.Value) (compute.Value, error){
		"add": compute.Function.Add, "sub": compute.Function.Sub, "mul": compute.Function.Mul, "div": compute.Function.Div,
		"max": compute.Function.Max, "min": compute.Function.Min, "less": compute.Function.LessThan,
		"equal": compute.Function.Equal, "greater or equal": compute.Function.GreaterOrEqual,
	} {
		add(name, 2, func(f compute.Function, in []compute.Value) (compute.Value, error) { return op(f, in[0], in[1]) })
	}
	for name, op := range map[string]func(compute.Function, compute.Value) (compute.Value, error){
		"neg": compute.Function.Neg, "abs": compute.Function.Abs, "sqrt": compute.Function.Sqrt, "floor": compute.Function.Floor,
		"ceil": compute.Function.Ceil, "identity": compute.Function.Identity, "is finite": compute.Function.IsFinite,
	} {
		add(name, 1, func(f compute.Function, in []compute.Value) (compute.Value, error) { return op(f, in[0]) })
	}
	add("product and sum, each rounded", 3, func(f compute.Function, in []compute.Value) (compute.Value, error) {
		return f.Add(must(f.Mul(in[0], in[1])), in[2])
	})
	add("sums, each rounded", 3, func(f compute.Function, in []compute.Value) (compute.Value, error) {
		return f.Sub(must(f.Add(must(f.Add(in[0], in[1])), in[2])), in[0])
	})
	add("a third", 1, func(f compute.Function, in []compute.Value) (compute.Value, error) {
		return f.Mul(in[0], constantHalf(f, 1.0/3))
	})
	add("to float32", 1, func(f compute.Function, in []compute.Value) (compute.Value, error) {
		return f.ConvertDType(in[0], dtypes.Float32)
	})
	add("to float32, added, and back", 2, func(f compute.Function, in []compute.Value) (compute.Value, error) {
		sum := must(f.Add(must(f.ConvertDType(in[0], dtypes.Float32)), must(f.ConvertDType(in[1], dtypes.Float32))))
		return f.ConvertDType(sum, dtypes.BFloat16)
	})
	add("where", 3, func(f compute.Function, in []compute.Value) (compute.Value, error) {
		return f.Where(must(f.LessThan(in[0], in[1])), in[2], in[0])
	})
	add("transposed", 1, func(f compute.Function, in []compute.Value) (compute.Value, error) { return f.Transpose(in[0], 1, 0) })
	add("reshaped", 1, func(f compute.Function, in []compute.Value) (compute.Value, error) { return f.Reshape(in[0], 11*37) })
	add("sliced", 1, func(f compute.Function, in []compute.Value) (compute.Value, error) {
		return f.Slice(in[0], []int{3, 2}, []int{30, 9}, []int{2, 1})
	})
	add("padded", 1, func(f compute.Function, in []compute.Value) (compute.Value, error) {
		return f.Pad(in[0], constantHalf(f, 7), compute.PadAxis{Start: 1}, compute.PadAxis{Interior: 1})
	})
	add("reversed", 1, func(f compute.Function, in []compute.Value) (compute.Value, error) { return f.Reverse(in[0], 1) })
	add("bits", 1, func(f compute.Function, in []compute.Value) (compute.Value, error) {
		return f.Bitcast(in[0], dtypes.Uint16)
	})
	add("bits and back", 1, func(f compute.Function, in []compute.Value) (compute.Value, error) {
		return f.Bitcast(must(f.Bitcast(must(f.Neg(in[0])), dtypes.Uint16)), dtypes.BFloat16)
	})
	add("max over an axis", 1, func(f compute.Function, in []compute.Value) (compute.Value, error) { return f.ReduceMax(in[0], 0) })
	add("broadcast", 1, func(f compute.Function, in []compute.Value) (compute.Value, error) {
		return f.BroadcastInDim(in[0], half(37, 3, 11), []int{0, 2})
	})
	add("concatenated", 2, func(f compute.Function, in []compute.Value) (compute.Value, error) { return f.Concatenate(1, in...) })
	add("counted", 0, func(f compute.Function, _ []compute.Value) (compute.Value, error) { return f.Iota(half(600), 0) })
	add("constant", 0, func(f compute.Function, _ []compute.Value) (compute.Value, error) {
		return f.Constant(bfloat16.FromFloat32s(1, 2.5, -3), 3)
	})
	add("twice", 1, func(f compute.Function, in []compute.Value) (compute.Value, error) {
		return f.Add(must(f.Add(in[0], in[0])), constantHalf(f, 0))
	})
	return cases
}

// sumCases are operations that sum in float32, while the reference backend may round in between.
func sumCases() []halfCase {
	convolution := func(strides, inputDilations []int, paddings [][2]int) func(f compute.Function, in []compute.Value) (compute.Value, error) {
		return func(f compute.Function, in []compute.Value) (compute.Value, error) {
			return f.ConvGeneral(in[0], in[1], channelsLast(2), strides, paddings, inputDilations, nil, 1, 1)
		}
	}
	same := [][2]int{{1, 1}, {1, 1}}
	return []halfCase{
		{"convolution 1 by 1", [][]int{{2, 6, 6, 8}, {1, 1, 8, 16}}, convolution(nil, nil, nil), 0.01},
		{"convolution 3 by 3", [][]int{{2, 7, 7, 8}, {3, 3, 8, 16}}, convolution(nil, nil, same), 0.01},
		{"convolution by Winograd", [][]int{{2, 16, 16, 64}, {3, 3, 64, 64}}, convolution(nil, nil, same), 0.01},
		{"convolution with strides", [][]int{{2, 7, 7, 8}, {3, 3, 8, 16}}, convolution([]int{2, 2}, nil, same), 0.01},
		{"convolution with holes", [][]int{{2, 4, 4, 8}, {3, 3, 8, 16}}, convolution(nil, []int{2, 2}, same), 0.01},
		{"product", [][]int{{20, 30}, {30, 10}}, func(f compute.Function, in []compute.Value) (compute.Value, error) {
			return f.DotGeneral(in[0], []int{1}, nil, in[1], []int{0}, nil, compute.DotGeneralConfig{})
		}, 0.01},
		{"sum", [][]int{{20, 30}}, func(f compute.Function, in []compute.Value) (compute.Value, error) { return f.ReduceSum(in[0], 0) }, 0.02},
		{"max pool", [][]int{{2, 8, 8, 4}}, func(f compute.Function, in []compute.Value) (compute.Value, error) {
			return f.ReduceWindow(in[0], compute.ReduceOpMax, []int{1, 3, 3, 1}, []int{1, 2, 2, 1}, nil, nil, nil)
		}, 0},
		{"sum pool", [][]int{{2, 8, 8, 4}}, func(f compute.Function, in []compute.Value) (compute.Value, error) {
			return f.ReduceWindow(in[0], compute.ReduceOpSum, []int{1, 2, 2, 1}, []int{1, 2, 2, 1}, nil, nil, nil)
		}, 0.02},
		{"gradient of max pool", [][]int{{2, 9, 9, 4}, {2, 4, 4, 4}}, func(f compute.Function, in []compute.Value) (compute.Value, error) {
			return f.SelectAndScatterMax(in[0], in[1], []int{1, 3, 3, 1}, []int{1, 2, 2, 1}, nil)
		}, 0.02},
		{"exp", [][]int{{20, 30}}, func(f compute.Function, in []compute.Value) (compute.Value, error) { return f.Exp(in[0]) }, 0.005},
		{"tanh", [][]int{{20, 30}}, func(f compute.Function, in []compute.Value) (compute.Value, error) { return f.Tanh(in[0]) }, 0.005},
	}
}

// asFloats returns bfloat16 or float32 data as float32, and nil for other types.
func asFloats(flat any) []float32 {
	switch flat := flat.(type) {
	case []bfloat16.BFloat16:
		return widened(flat).([]float32)
	case []float32:
		return flat
	}
	return nil
}

// check compares the results of all backends with those of the reference backend.
func (c *halfCase) check(t *testing.T, backends []*Backend, special bool) {
	t.Helper()
	var of []shapes.Shape
	var inputs []any
	r := rand.New(rand.NewPCG(1, 2))
	for _, dims := range c.of {
		of = append(of, half(dims...))
		inputs = append(inputs, halves(r, size(dims), special))
	}
	run := func(b compute.Backend) any {
		e, err := compileFor(b, of, func(f compute.Function, in []compute.Value) []compute.Value {
			return []compute.Value{must(c.make(f, in))}
		})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		defer e.Finalize()
		out, err := execute(b, e, inputs, of, nil)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		return out[0]
	}
	want := run(reference())
	for _, b := range backends {
		c.compare(t, b.kernels.Name, run(b), want)
	}
}

// compare reports elements with a larger error than the case allows.
func (c *halfCase) compare(t *testing.T, kernels string, got, want any) {
	t.Helper()
	x, y := asFloats(got), asFloats(want)
	if y == nil {
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s, %s: %v, want %v", c.name, kernels, got, want)
		}
		return
	}
	limit := 0.0
	if c.error > 0 { // then there are no special values
		for _, y := range y {
			limit = max(limit, c.error*math.Abs(float64(y)))
		}
	}
	for i := range y {
		if x[i] == y[i] || x[i] != x[i] && y[i] != y[i] {
			continue
		}
		if c.error == 0 || !(math.Abs(float64(x[i])-float64(y[i])) <= limit) {
			t.Errorf("%s, %s: element %d of %d is %v, want %v within %g", c.name, kernels, i, len(y), x[i], y[i], limit)
			return
		}
	}
}

func TestBFloat16IsComputedAsByTheReference(t *testing.T) {
	var backends []*Backend
	for _, name := range kernelNames() {
		backends = append(backends, newBackend(t, name))
	}
	for _, c := range elementCases() {
		c.check(t, backends, true)
	}
	for _, c := range sumCases() {
		c.check(t, backends, false)
	}
}

// Contractions and sums accumulate in float32: in bfloat16, a sum of ones would not grow beyond 256.
func TestBFloat16SumsAreFloat32(t *testing.T) {
	b := newBackend(t, "")
	const n = 1024
	ones := bfloat16.FromFloat32s(slices.Repeat([]float32{1}, n)...)
	of := []shapes.Shape{half(1, n), half(n, 1)}
	e, err := compileFor(b, of, func(f compute.Function, in []compute.Value) []compute.Value {
		dot := must(f.DotGeneral(in[0], []int{1}, nil, in[1], []int{0}, nil, compute.DotGeneralConfig{}))
		return []compute.Value{dot, must(f.ReduceSum(in[0], 1))}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Finalize()
	out, err := execute(b, e, []any{ones, ones}, of, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, flat := range out {
		if got := asFloats(flat)[0]; got != n {
			t.Errorf("output %d is %g, want %d", i, got, n)
		}
	}
}

// Inputs that are returned unchanged, and empty ones, keep their values.
func TestBFloat16InputsAndOutputs(t *testing.T) {
	b := newBackend(t, "")
	of := []shapes.Shape{half(3), half(0, 4), half()}
	e, err := compileFor(b, of, func(f compute.Function, in []compute.Value) []compute.Value {
		return []compute.Value{in[0], must(f.Add(in[1], in[1])), in[1], must(f.Mul(in[0], in[2])), in[0]}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Finalize()
	x := []bfloat16.BFloat16{bfloat16.FromFloat32(1.5), bfloat16.NaN(), bfloat16.Inf(-1)}
	inputs := []any{x, []bfloat16.BFloat16{}, bfloat16.FromFloat32s(2)}
	for range 2 {
		out, err := execute(b, e, inputs, of, []bool{true, true, true})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{"[1.5 NaN -Inf]", "[]", "[]", "[3 NaN -Inf]", "[1.5 NaN -Inf]"} {
			if got := fmt.Sprint(out[i]); got != want {
				t.Errorf("output %d is %s, want %s", i, got, want)
			}
		}
	}
}

// watched is a reference backend that counts the operations that each graph delegates to it.
type watched struct {
	compute.Backend
	graph     string
	delegated map[string]int
}

func (w *watched) Builder(name string) compute.Builder {
	if name == "delegated" {
		w.delegated[w.graph]++
	} else {
		w.graph = name
		w.delegated[name] += 0
	}
	return w.Backend.Builder(name)
}

// In mixed precision, a ResNet trains on native steps and reaches nearly the same loss.
func TestMixedPrecisionTrainsAsFloat32(t *testing.T) {
	config, err := resnet.CIFAR(14, 16)
	if err != nil {
		t.Fatal(err)
	}
	imageNet := resnet.Config{Name: "t", Stem: resnet.ImageNetStem, Block: resnet.Basic, Blocks: []int{1, 1}, Width: 16, Shortcut: resnet.ShortcutB}
	for name, test := range map[string]struct {
		config resnet.Config
		side   int
	}{"CIFAR": {config, 16}, "with max pool": {imageNet, 32}} {
		b := newBackend(t, "")
		steps := max(2, fewer(8))
		watch := func(d dtypes.DType) ([]float64, map[string]int) {
			w := &watched{b.reference, "", map[string]int{}}
			b.reference = w
			defer func() { b.reference = w.Backend }()
			step, _ := newTraining(t, b, d, test.config, 20, test.side)
			var losses []float64
			for range steps {
				losses = append(losses, step())
			}
			return losses, w.delegated
		}
		got, delegated := watch(dtypes.BFloat16)
		want, counts := watch(dtypes.Float32)
		if got[0] == want[0] {
			t.Errorf("%s: the first loss is the same to the bit, %v: this is not mixed precision", name, got[0])
		}
		for i := range want {
			if math.Abs(got[i]-want[i]) > 0.02*want[0] {
				t.Errorf("%s: the losses in bfloat16 are %.4f, in float32 %.4f", name, got, want)
				break
			}
		}
		// Arithmetic of integers, such as counting steps, is delegated in both.
		const step = "Trainer#1"
		plain, found := counts[step]
		if n := delegated[step]; !found || n > plain {
			t.Errorf("%s: a step delegates %d operations, but %d in float32 (%v)", name, n, plain, counts)
		}
	}
}

// BenchmarkTraining is a step of SGD on ResNet-20 with 64 images.
func BenchmarkTraining(b *testing.B) {
	config, err := resnet.CIFAR(20, 16)
	if err != nil {
		b.Fatal(err)
	}
	for _, d := range []dtypes.DType{dtypes.Float32, dtypes.BFloat16} {
		b.Run(d.String(), func(b *testing.B) {
			step, _ := newTraining(b, newBackend(b, ""), d, config, 64, 32)
			step() // compiles
			for b.Loop() {
				step()
			}
		})
	}
}
