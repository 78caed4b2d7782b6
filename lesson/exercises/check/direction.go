package check

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/residual-go/residual/lesson/exercises/nn"
)

// directionCase has weights, random values for them, and PyTorch's direction.
type directionCase struct {
	Weights []nn.Parameter `json:"weights"`
	Random  []nn.Parameter `json:"random"`
	Want    []nn.Parameter `json:"want"`
}

func (c directionCase) String() string {
	var names []string
	for i, w := range c.Weights {
		name := fmt.Sprintf("%s %v", w.Name, w.Shape)
		if len(w.Values) <= 8 {
			name += fmt.Sprintf(", weights %v, random %v", w.Values, c.Random[i].Values)
		}
		names = append(names, name)
	}
	return "Direction of " + strings.Join(names, "; ")
}

// withoutLength has three filters: the first has neither weights nor random values, the second
// has no weights, and the third has the length 5.
var withoutLength = directionCase{
	Weights: []nn.Parameter{{Name: "fc.weight", Shape: []int{2, 3}, Values: []float32{0, 0, 3, 0, 0, 4}}},
	Random:  []nn.Parameter{{Name: "fc.weight", Shape: []int{2, 3}, Values: []float32{0, 1, 0, 0, 2, 2}}},
	Want:    []nn.Parameter{{Name: "fc.weight", Shape: []int{2, 3}, Values: []float32{0, 0, 0, 0, 0, 5}}},
}

// only returns the case of the parameters with those numbers.
func (c directionCase) only(numbers ...int) directionCase {
	var d directionCase
	for _, i := range numbers {
		d.Weights, d.Random, d.Want = append(d.Weights, c.Weights[i]), append(d.Random, c.Random[i]), append(d.Want, c.Want[i])
	}
	return d
}

// Direction checks the exercise direction.
func Direction(t T, direction func(weights, random []nn.Parameter) []nn.Parameter, along func(weights, direction []nn.Parameter, alpha float64) []nn.Parameter) {
	t.Helper()
	c := torch().Direction[0] // conv1.weight, bn1.weight, bn1.bias, conv2.weight, fc.weight, fc.bias
	run(t, "direction",
		step{"filters", 5, findsDirection(direction, c.only(4), c.only(0), c.only(0, 4))},
		step{"norms and biases", 1, findsDirection(direction, c.only(0, 1, 2, 4, 5))},
		step{"a filter without a direction", 1, findsDirection(direction, c.only(3), c, withoutLength)},
		step{"along", 3, walksAlong(along, c)},
	)
}

// filters calls change with the values of each filter of the parameter i, of weights and of
// random ones. filter says which filter a value belongs to.
func (c directionCase) filters(filter func(shape []int, j int) int, change func(w, d []float32) []float32) []nn.Parameter {
	list := cloneParameters(c.Random)
	for i, p := range c.Weights {
		if len(p.Shape) < 2 {
			clear(list[i].Values)
			continue
		}
		c.filtersOf(list, i, filter, change)
	}
	return list
}

func (c directionCase) filtersOf(list []nn.Parameter, i int, filter func(shape []int, j int) int, change func(w, d []float32) []float32) {
	p := c.Weights[i]
	members := map[int][]int{}
	for j := range p.Values {
		f := filter(p.Shape, j)
		members[f] = append(members[f], j)
	}
	for _, places := range members {
		var w, d []float32
		for _, j := range places {
			w, d = append(w, p.Values[j]), append(d, c.Random[i].Values[j])
		}
		for k, x := range change(w, d) {
			list[i].Values[places[k]] = x
		}
	}
}

// byOutput says which filter a value belongs to.
func byOutput(shape []int, j int) int { return j % shape[len(shape)-1] }

// multiplied returns the values times a factor; a factor that is not a number makes them 0.
func multiplied(values []float32, factor float64) []float32 {
	list := make([]float32, len(values))
	for i, x := range values {
		if !math.IsNaN(factor) && !math.IsInf(factor, 0) {
			list[i] = x * float32(factor)
		}
	}
	return list
}

func lengthOf(values []float32) float64 { return math.Sqrt(squared(values)) }

func toLength(w, d []float32) []float32 { return multiplied(d, lengthOf(w)/lengthOf(d)) }

// filterMistake returns a mistake in which values form a filter, or in how it is scaled.
func filterMistake(name, text string, filter func(shape []int, j int) int, change func(w, d []float32) []float32) mistake[directionCase, []nn.Parameter] {
	return mistake[directionCase, []nn.Parameter]{Hint{name, text}, func(c directionCase) []nn.Parameter { return c.filters(filter, change) }}
}

// nearParameters reports whether the parameters are equal up to rounding. NaN equals NaN, so
// that mistakes that produce NaN can be recognised.
func nearParameters(a, b []nn.Parameter) bool {
	return slices.EqualFunc(a, b, func(a, b nn.Parameter) bool {
		return a.Name == b.Name && slices.Equal(a.Shape, b.Shape) && slices.EqualFunc(a.Values, b.Values, func(x, y float32) bool {
			return near(float64(x), float64(y), 1e-5) || x != x && y != y
		})
	})
}

// explainParameters shows the first parameter that is wrong.
func explainParameters(what string, want, got []nn.Parameter) *Failure {
	if len(want) != len(got) {
		return &Failure{What: what, Want: fmt.Sprintf("%d parameters", len(want)), Got: fmt.Sprint(len(got))}
	}
	for i, w := range want {
		if nearParameters(want[i:i+1], got[i:i+1]) {
			continue
		}
		show := func(p nn.Parameter) string {
			values := p.Values
			text := fmt.Sprintf("%s %v: ", p.Name, p.Shape)
			if len(values) > 12 {
				return text + fmt.Sprintf("%.5g, and %d more", values[:12], len(values)-12)
			}
			return text + fmt.Sprintf("%.5g", values)
		}
		return &Failure{What: what, Want: show(w), Got: show(got[i])}
	}
	return &Failure{What: what, Want: "the same up to rounding", Got: "more than rounding explains"}
}

// unchanged panics with a failure if an answer has changed its arguments.
func unchanged(what string, before, after []nn.Parameter) {
	if !sameParameters(before, after) {
		panic(&Failure{What: "the arguments after " + what, Want: "unchanged", Got: "changed",
			Hint: Hint{"arguments-changed", "the arguments belong to the caller, who will start from the same weights again: write the result to new slices"}})
	}
}

func findsDirection(answer func(weights, random []nn.Parameter) []nn.Parameter, cases ...directionCase) func() error {
	withNorms := func(values func(c directionCase, i int) []float32) func(c directionCase) []nn.Parameter {
		return func(c directionCase) []nn.Parameter {
			list := cloneParameters(c.Want)
			for i, p := range list {
				if len(p.Shape) < 2 {
					list[i].Values = values(c, i)
				}
			}
			return list
		}
	}
	whole := func([]int, int) int { return 0 }
	return trial[directionCase, []nn.Parameter]{
		cases: cases,
		answer: func(c directionCase) []nn.Parameter {
			weights, random := cloneParameters(c.Weights), cloneParameters(c.Random)
			d := answer(weights, random)
			unchanged(c.String(), append(slices.Clone(c.Weights), c.Random...), append(slices.Clone(weights), random...))
			return d
		},
		want: func(c directionCase) []nn.Parameter { return c.Want },
		same: nearParameters,
		what: directionCase.String,
		explain: func(c directionCase, want, got []nn.Parameter) *Failure {
			return explainParameters(c.String(), want, got)
		},
		mistakes: []mistake[directionCase, []nn.Parameter]{
			filterMistake("by-layer", "the layer is scaled as a whole; each filter has its own length", whole, toLength),
			filterMistake("by-input-not-output", "values are grouped by input channel; a filter is the weights of one output channel, and output channels are the last axis",
				func(shape []int, j int) int { return j / shape[len(shape)-1] % shape[len(shape)-2] }, toLength),
			filterMistake("first-axis-not-last", "the filters are taken along the first axis, as in PyTorch. Here the output channels are the last axis",
				func(shape []int, j int) int {
					n := 1
					for _, d := range shape[1:] {
						n *= d
					}
					return j / n
				}, toLength),
			filterMistake("by-place", "values are grouped by their position in the kernel; a filter has all positions, for one output channel",
				func(shape []int, j int) int { return j / shape[len(shape)-1] }, toLength),
			filterMistake("unit-length", "every filter has the length 1; it should have that of the same filter of the weights", byOutput,
				func(_, d []float32) []float32 { return multiplied(d, 1/lengthOf(d)) }),
			filterMistake("not-divided-by-its-own-length", "the random filter is multiplied by the length of the weights, but it has a length of its own: divide by that", byOutput,
				func(w, d []float32) []float32 { return multiplied(d, lengthOf(w)) }),
			filterMistake("ratio-upside-down", "the ratio is upside down: the new length is that of the weights, so multiply by it and divide by the random filter's", byOutput,
				func(w, d []float32) []float32 { return multiplied(d, lengthOf(d)/lengthOf(w)) }),
			filterMistake("root-forgotten", "this is the ratio of the sums of squares; the lengths are their square roots", byOutput,
				func(w, d []float32) []float32 { return multiplied(d, squared(w)/squared(d)) }),
			filterMistake("not-normalised", "the random values are not scaled: a filter with large weights and one with small ones are moved equally far", byOutput,
				func(_, d []float32) []float32 { return d }),
			filterMistake("weights-scaled", "the weights are scaled to the length of the random values; scale the random values", byOutput,
				func(w, d []float32) []float32 { return multiplied(w, lengthOf(d)/lengthOf(w)) }),
			{Hint{"norms-and-biases-moved", "the parameters with one axis are scaled too, as if they were one filter; their direction is 0"},
				withNorms(func(c directionCase, i int) []float32 { return toLength(c.Weights[i].Values, c.Random[i].Values) })},
			{Hint{"norms-and-biases-moved", "the parameters with one axis are scaled too, value by value; their direction is 0"},
				withNorms(func(c directionCase, i int) []float32 {
					list := slices.Clone(c.Random[i].Values)
					for j, w := range c.Weights[i].Values {
						list[j] = toLength([]float32{w}, list[j:j+1])[0]
					}
					return list
				})},
			{Hint{"norms-and-biases-moved", "the parameters with one axis keep their random values; their direction is 0"},
				withNorms(func(c directionCase, i int) []float32 { return c.Random[i].Values })},
			{Hint{"norms-and-biases-left-out", "the parameters with one axis are missing; they belong to the direction, with zeros as values"},
				func(c directionCase) []nn.Parameter {
					return slices.DeleteFunc(cloneParameters(c.Want), func(p nn.Parameter) bool { return len(p.Shape) < 2 })
				}},
			filterMistake("zero-by-zero", "a filter whose random values are all 0 has the length 0, and dividing by that gives NaN: its direction is 0", byOutput,
				func(w, d []float32) []float32 {
					list := slices.Clone(d)
					for i := range list {
						list[i] = float32(float64(d[i]) * (lengthOf(w) / lengthOf(d)))
					}
					return list
				}),
			filterMistake("zero-by-zero", "the weights of a filter may be 0 as well as its random values. Then 0 is divided by 0, which is NaN and not an infinity: its direction is 0", byOutput,
				func(w, d []float32) []float32 {
					if lengthOf(w) == 0 && lengthOf(d) == 0 {
						return slices.Repeat([]float32{float32(math.NaN())}, len(d))
					}
					return toLength(w, d)
				}),
		},
		outside: Hint{"outside-a-parameter", "an index is outside the parameter: filter f has the values at f, f + out, f + 2·out, … up to the end, where out is the last element of the shape"},
	}.try
}

// alongCase holds the arguments of Along.
type alongCase struct {
	directionCase
	alpha float64
}

func (c alongCase) String() string {
	return fmt.Sprintf("Along(weights, direction, %g) for %d parameters", c.alpha, len(c.Weights))
}

// moved returns the weights with each value changed.
func (c alongCase) moved(change func(w, d float32) float32) []nn.Parameter {
	list := cloneParameters(c.Weights)
	for i, p := range list {
		for j, w := range p.Values {
			p.Values[j] = change(w, c.Want[i].Values[j])
		}
	}
	return list
}

// alongMistake returns a mistake in what becomes of a weight.
func alongMistake(name, text string, change func(alpha float64) func(w, d float32) float32) mistake[alongCase, []nn.Parameter] {
	return mistake[alongCase, []nn.Parameter]{Hint{name, text}, func(c alongCase) []nn.Parameter { return c.moved(change(c.alpha)) }}
}

func oneStep(alpha float64) func(w, d float32) float32 {
	return func(w, d float32) float32 { return w + float32(alpha)*d }
}

func walksAlong(answer func(weights, direction []nn.Parameter, alpha float64) []nn.Parameter, c directionCase) func() error {
	return trial[alongCase, []nn.Parameter]{
		cases: []alongCase{{c.only(4), 1}, {c.only(4, 5), 0.5}, {c, -0.25}, {c, 0}},
		answer: func(c alongCase) []nn.Parameter {
			weights, direction := cloneParameters(c.Weights), cloneParameters(c.Want)
			moved := answer(weights, direction, c.alpha)
			unchanged(c.String(), append(slices.Clone(c.Weights), c.Want...), append(slices.Clone(weights), direction...))
			for i := range moved {
				if i < len(weights) && len(moved[i].Values) > 0 && len(weights[i].Values) > 0 && &moved[i].Values[0] == &weights[i].Values[0] {
					panic(&Failure{What: "the result of " + c.String(), Want: "new values", Got: "the slices of the weights themselves",
						Hint: Hint{"weights-shared", "the result shares its values with the weights, so changing one changes the other: make new slices, even if nothing moves"}})
				}
			}
			return moved
		},
		want:    func(c alongCase) []nn.Parameter { return c.moved(oneStep(c.alpha)) },
		same:    nearParameters,
		what:    alongCase.String,
		explain: func(c alongCase, want, got []nn.Parameter) *Failure { return explainParameters(c.String(), want, got) },
		mistakes: []mistake[alongCase, []nn.Parameter]{
			alongMistake("alpha-ignored", "the whole direction is added, whatever alpha is: multiply by alpha",
				func(float64) func(w, d float32) float32 { return oneStep(1) }),
			alongMistake("direction-alone", "the weights are missing: the walk starts from them",
				func(alpha float64) func(w, d float32) float32 {
					return func(_, d float32) float32 { return float32(alpha) * d }
				}),
			alongMistake("backwards", "the step goes backwards: add it, do not subtract it",
				func(alpha float64) func(w, d float32) float32 { return oneStep(-alpha) }),
			alongMistake("mixed-not-moved", "this is (1 − alpha)·weights + alpha·direction, which is how one goes from one network to another. Add alpha·direction to the weights",
				func(alpha float64) func(w, d float32) float32 {
					return func(w, d float32) float32 { return float32(1-alpha)*w + float32(alpha)*d }
				}),
			alongMistake("alpha-cut-to-a-whole-number", "alpha is truncated to an integer: convert it to float32, not to int",
				func(alpha float64) func(w, d float32) float32 { return oneStep(math.Trunc(alpha)) }),
		},
	}.try
}
