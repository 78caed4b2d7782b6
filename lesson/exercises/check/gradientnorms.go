package check

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/residual-go/residual/lesson/exercises/nn"
)

// normsCase holds gradients and PyTorch's norms of them.
type normsCase struct {
	Gradients []nn.Parameter `json:"gradients"`
	Layers    []nn.LayerNorm `json:"layers"`
}

// exploded has the gradients of a network whose gradient explodes: the squares of the values are
// too large for float32. The norms are 5·10²⁰ and 13.
var exploded = normsCase{Gradients: []nn.Parameter{
	{Name: "conv1.weight", Shape: []int{2}, Values: []float32{3e20, 4e20}},
	{Name: "fc.weight", Shape: []int{1, 1}, Values: []float32{-5}}, {Name: "fc.bias", Shape: []int{1}, Values: []float32{12}},
}, Layers: []nn.LayerNorm{{Layer: "conv1", Norm: 5e20}, {Layer: "fc", Norm: 13}}}

// GradientNorms checks the exercise gradientnorms.
func GradientNorms(t T, norms func(gradients []nn.Parameter) []nn.LayerNorm, growth func(norms []float64) float64) {
	t.Helper()
	network := torch().GradientNorms[0]
	one := normsCase{network.Gradients[:1], network.Layers[:1]}
	two := normsCase{network.Gradients[:3], network.Layers[:2]}
	run(t, "gradientnorms",
		step{"one parameter", 2, computesNorms(norms, one)},
		step{"layers", 3, computesNorms(norms, two, network)},
		step{"a gradient that explodes", 1, computesNorms(norms, exploded)},
		step{"growth", 4, growths(growth)},
	)
}

// of returns a number for each layer, computed from the values of its parameters. layer returns
// the layer that a parameter belongs to.
func (c normsCase) of(layer func(name string) string, compute func(parameters [][]float32) float64) []nn.LayerNorm {
	var list []nn.LayerNorm
	var parameters [][]float32
	for i, g := range c.Gradients {
		parameters = append(parameters, g.Values)
		name := layer(g.Name)
		if i == len(c.Gradients)-1 || layer(c.Gradients[i+1].Name) != name {
			list = append(list, nn.LayerNorm{Layer: name, Norm: compute(parameters)})
			parameters = nil
		}
	}
	return list
}

func layerOf(name string) string { return name[:strings.LastIndex(name, ".")] }

func squared(values []float32) float64 {
	total := 0.0
	for _, x := range values {
		total += float64(x) * float64(x)
	}
	return total
}

func euclidean(parameters [][]float32) float64 {
	return math.Sqrt(squared(slices.Concat(parameters...)))
}

func sameNorms(a, b []nn.LayerNorm) bool {
	return slices.EqualFunc(a, b, func(a, b nn.LayerNorm) bool {
		return a.Layer == b.Layer && (a.Norm == b.Norm || math.Abs(a.Norm-b.Norm) <= 1e-5*min(math.Abs(a.Norm), math.Abs(b.Norm)))
	})
}

// layerNormMistake returns a mistake in what is computed for a layer.
func layerNormMistake(name, text string, compute func(parameters [][]float32) float64) mistake[normsCase, []nn.LayerNorm] {
	return mistake[normsCase, []nn.LayerNorm]{Hint{name, text}, func(c normsCase) []nn.LayerNorm { return c.of(layerOf, compute) }}
}

func showNorms(list []nn.LayerNorm) string {
	var lines []string
	for _, l := range list {
		lines = append(lines, fmt.Sprintf("%s %s", l.Layer, number(l.Norm)))
	}
	return strings.Join(lines, "\n")
}

func computesNorms(answer func(gradients []nn.Parameter) []nn.LayerNorm, cases ...normsCase) func() error {
	what := func(c normsCase) string {
		var names []string
		for _, g := range c.Gradients {
			name := g.Name
			if len(g.Values) <= 4 {
				name += fmt.Sprint(" ", g.Values)
			}
			names = append(names, name)
		}
		return "Norms of the gradients " + strings.Join(names, ", ")
	}
	return trial[normsCase, []nn.LayerNorm]{
		cases: cases,
		answer: func(c normsCase) []nn.LayerNorm {
			given := cloneParameters(c.Gradients)
			norms := answer(given)
			if !sameParameters(given, c.Gradients) {
				panic(&Failure{What: "the gradients after " + what(c), Want: "unchanged", Got: "changed",
					Hint: Hint{"gradients-changed", "the gradients belong to the caller: write what you compute to new variables"}})
			}
			return norms
		},
		want: func(c normsCase) []nn.LayerNorm { return c.Layers },
		same: sameNorms,
		what: what,
		explain: func(c normsCase, want, got []nn.LayerNorm) *Failure {
			return &Failure{What: what(c), Want: showNorms(want), Got: showNorms(got)}
		},
		mistakes: []mistake[normsCase, []nn.LayerNorm]{
			layerNormMistake("root-forgotten", "this is the sum of the squares; the norm is its square root",
				func(p [][]float32) float64 { return squared(slices.Concat(p...)) }),
			layerNormMistake("mean-not-sum", "the squares are averaged; the norm is the root of their sum, and so is larger for a layer with more weights",
				func(p [][]float32) float64 {
					all := slices.Concat(p...)
					return math.Sqrt(squared(all) / float64(len(all)))
				}),
			layerNormMistake("absolute-values", "the absolute values are added up; the norm is the square root of the sum of the squares",
				func(p [][]float32) float64 {
					total := 0.0
					for _, x := range slices.Concat(p...) {
						total += math.Abs(float64(x))
					}
					return total
				}),
			layerNormMistake("largest-value", "this is the largest value; the norm is the square root of the sum of all squares",
				func(p [][]float32) float64 {
					largest := 0.0
					for _, x := range slices.Concat(p...) {
						largest = max(largest, math.Abs(float64(x)))
					}
					return largest
				}),
			layerNormMistake("norms-added-up", "the norms of a layer's parameters are added up. They are like two sides of a right-angled triangle: add the squares of all parameters, and take the root at the end",
				func(p [][]float32) float64 {
					total := 0.0
					for _, values := range p {
						total += math.Sqrt(squared(values))
					}
					return total
				}),
			layerNormMistake("one-parameter-only", "only one of the layer's parameters is used: its weight and its bias belong together",
				func(p [][]float32) float64 { return euclidean(p[:1]) }),
			layerNormMistake("one-parameter-only", "only one of the layer's parameters is used: its weight and its bias belong together",
				func(p [][]float32) float64 { return euclidean(p[len(p)-1:]) }),
			{Hint{"norm-by-parameter", "there is a norm for each parameter: the parameters of a layer, such as bn1.weight and bn1.bias, share one norm"},
				func(c normsCase) []nn.LayerNorm {
					list := c.of(func(name string) string { return name }, euclidean)
					for i := range list {
						list[i].Layer = layerOf(list[i].Layer)
					}
					return list
				}},
			{Hint{"norm-by-parameter", "there is a norm for each parameter: the parameters of a layer, such as bn1.weight and bn1.bias, share one norm, under the name bn1"},
				func(c normsCase) []nn.LayerNorm {
					return c.of(func(name string) string { return name }, euclidean)
				}},
			{Hint{"name-cut-at-the-first-dot", "the layer's name ends at the last dot: layer1.0.conv1.weight is a parameter of layer1.0.conv1"},
				func(c normsCase) []nn.LayerNorm {
					return c.of(func(name string) string { return name[:strings.Index(name, ".")] }, euclidean)
				}},
			{Hint{"layers-sorted", "the layers are sorted by name; keep the order of the gradients, which is that of the network"},
				func(c normsCase) []nn.LayerNorm {
					list := c.of(layerOf, euclidean)
					slices.SortFunc(list, func(a, b nn.LayerNorm) int { return strings.Compare(a.Layer, b.Layer) })
					return list
				}},
			layerNormMistake("squares-overflow", "the square of 3·10²⁰ is too large for a float32, which ends near 3·10³⁸: convert to float64 before you square",
				func(p [][]float32) float64 {
					var total float32
					for _, x := range slices.Concat(p...) {
						total += x * x
					}
					return math.Sqrt(float64(total))
				}),
		},
	}.try
}

func cloneParameters(parameters []nn.Parameter) []nn.Parameter {
	list := slices.Clone(parameters)
	for i, p := range list {
		list[i].Shape, list[i].Values = slices.Clone(p.Shape), slices.Clone(p.Values)
	}
	return list
}

func sameParameters(a, b []nn.Parameter) bool {
	return slices.EqualFunc(a, b, func(a, b nn.Parameter) bool {
		return a.Name == b.Name && slices.Equal(a.Shape, b.Shape) && slices.Equal(a.Values, b.Values)
	})
}

// growthMistake returns a mistake in the growth.
func growthMistake(name, text string, compute func(norms []float64) float64) mistake[[]float64, float64] {
	return mistake[[]float64, float64]{Hint{name, text}, compute}
}

func growths(answer func(norms []float64) float64) func() error {
	what := func(norms []float64) string { return fmt.Sprintf("Growth(%s)", numbers(norms)) }
	return trial[[]float64, float64]{
		cases:  [][]float64{{8, 4, 2, 1}, {6, 2}, {0.25, 1, 2}, {12, 100, 1, 1.5}, {3, 3, 3}, {1000, 700, 20, 0.1, 1}},
		answer: func(norms []float64) float64 { return answer(slices.Clone(norms)) },
		want: func(norms []float64) float64 {
			return math.Pow(norms[0]/last(norms), 1/float64(len(norms)-1))
		},
		same: func(a, b float64) bool { return near(a, b, 1e-9) },
		what: what,
		explain: func(norms []float64, want, got float64) *Failure {
			return &Failure{What: what(norms), Want: number(want), Got: number(got)}
		},
		mistakes: []mistake[[]float64, float64]{
			growthMistake("layers-not-steps", "there is one step fewer than there are layers: three norms make two steps",
				func(n []float64) float64 { return math.Pow(n[0]/last(n), 1/float64(len(n))) }),
			growthMistake("forwards-not-backwards", "the gradient goes from the last layer to the first: divide the first norm by the last",
				func(n []float64) float64 { return math.Pow(last(n)/n[0], 1/float64(len(n)-1)) }),
			growthMistake("growth-in-all", "this is the growth over all layers; the growth per layer is a root of it, with three norms the square root",
				func(n []float64) float64 { return n[0] / last(n) }),
			growthMistake("divided-not-rooted", "factors multiply: the factor of one step is the root of the factor of all steps, not a fraction of it",
				func(n []float64) float64 { return n[0] / last(n) / float64(len(n)-1) }),
			growthMistake("mean-of-the-factors", "this is the arithmetic mean of the factors. Applied at every step, it does not lead from the last norm to the first: the factors 4 and 1/4 cancel, but their mean is above 2",
				func(n []float64) float64 {
					var factors []float64
					for i := range len(n) - 1 {
						factors = append(factors, n[i]/n[i+1])
					}
					return mean(factors)
				}),
			growthMistake("largest-over-smallest", "this compares the largest norm with the smallest; compare the first with the last",
				func(n []float64) float64 {
					return math.Pow(slices.Max(n)/slices.Min(n), 1/float64(len(n)-1))
				}),
			growthMistake("difference-not-factor", "this is a difference; the growth is a factor",
				func(n []float64) float64 { return (n[0] - last(n)) / float64(len(n)-1) }),
			growthMistake("divided-as-integers", "this is always 1. A number to the power of 0 is 1, and in Go 1 divided by a larger int is 0: convert to float64 first",
				func([]float64) float64 { return 1 }),
		},
		outside: Hint{"outside-the-norms", "the last norm has the index len(norms) − 1"},
	}.try
}
