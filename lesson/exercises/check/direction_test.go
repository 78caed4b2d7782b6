package check

import (
	"math"
	"slices"
	"testing"

	stub "github.com/residual-go/residual/lesson/exercises/direction"
	solution "github.com/residual-go/residual/lesson/exercises/direction/solution"
	"github.com/residual-go/residual/lesson/exercises/nn"
)

func TestDirection(t *testing.T) {
	direction := func(f func(weights, random []nn.Parameter) []nn.Parameter) func(T) {
		return func(t T) { Direction(t, f, solution.Along) }
	}
	along := func(f func(weights, direction []nn.Parameter, alpha float64) []nn.Parameter) func(T) {
		return func(t T) { Direction(t, solution.Direction, f) }
	}
	type sums struct{ w, d float64 }
	// scaled is an answer that multiplies each random value by a ratio of the sums of squares of
	// its filter.
	scaled := func(filter func(shape []int, j int) int, ratio func(s sums) float64) func(T) {
		return direction(func(weights, random []nn.Parameter) []nn.Parameter {
			list := cloneParameters(random)
			for i, p := range weights {
				if len(p.Shape) == 1 {
					clear(list[i].Values)
					continue
				}
				squares := map[int]sums{}
				for j := range p.Values {
					s := squares[filter(p.Shape, j)]
					s.w += float64(p.Values[j] * p.Values[j])
					s.d += float64(random[i].Values[j] * random[i].Values[j])
					squares[filter(p.Shape, j)] = s
				}
				for j := range p.Values {
					if s := squares[filter(p.Shape, j)]; s.d > 0 {
						list[i].Values[j] *= float32(ratio(s))
					}
				}
			}
			return list
		})
	}
	lastAxis := func(shape []int, j int) int { return j % shape[len(shape)-1] }
	right := func(s sums) float64 { return math.Sqrt(s.w / s.d) }
	// small changes the direction of the parameters with one axis.
	small := func(values func(w, d []float32) []float32) func(T) {
		return direction(func(weights, random []nn.Parameter) []nn.Parameter {
			list := solution.Direction(weights, random)
			for i, p := range weights {
				if len(p.Shape) == 1 {
					list[i].Values = values(p.Values, random[i].Values)
				}
			}
			return list
		})
	}
	// moved is an answer to Along.
	moved := func(to func(w, d float32, alpha float64) float32) func(T) {
		return along(func(weights, direction []nn.Parameter, alpha float64) []nn.Parameter {
			list := cloneParameters(weights)
			for i := range list {
				for j := range list[i].Values {
					list[i].Values[j] = to(list[i].Values[j], direction[i].Values[j], alpha)
				}
			}
			return list
		})
	}
	// dividing is an answer that leaves out only the filters for whose ratio skip returns true.
	dividing := func(skip func(ratio float64) bool) func(T) {
		return direction(func(weights, random []nn.Parameter) []nn.Parameter {
			list := solution.Direction(weights, random)
			for i, p := range list {
				if len(p.Shape) == 1 {
					continue
				}
				out := p.Shape[len(p.Shape)-1]
				for f := range out {
					var w, d float64
					for j := f; j < len(p.Values); j += out {
						w += float64(weights[i].Values[j] * weights[i].Values[j])
						d += float64(random[i].Values[j] * random[i].Values[j])
					}
					ratio := math.Sqrt(w / d)
					for j := f; j < len(p.Values) && !skip(ratio); j += out {
						p.Values[j] = random[i].Values[j] * float32(ratio)
					}
				}
			}
			return list
		})
	}
	test(t, "direction",
		func(t T) { Direction(t, solution.Direction, solution.Along) },
		func(t T) { Direction(t, stub.Direction, stub.Along) },
		wrong{"by-layer", scaled(func([]int, int) int { return 0 }, right)},
		wrong{"by-input-not-output", scaled(func(shape []int, j int) int {
			return j / shape[len(shape)-1] % shape[len(shape)-2]
		}, right)},
		wrong{"first-axis-not-last", direction(func(weights, random []nn.Parameter) []nn.Parameter {
			list := solution.Direction(weights, random)
			for i, p := range weights {
				if len(p.Shape) < 2 {
					continue
				}
				n := len(p.Values) / p.Shape[0]
				for from := 0; from < len(p.Values); from += n {
					ratio := lengthOf(p.Values[from:from+n]) / lengthOf(random[i].Values[from:from+n])
					for j := from; j < from+n; j++ {
						list[i].Values[j] = random[i].Values[j] * float32(ratio)
					}
				}
			}
			return list
		})},
		wrong{"by-place", scaled(func(shape []int, j int) int { return j / shape[len(shape)-1] }, right)},
		wrong{"unit-length", scaled(lastAxis, func(s sums) float64 { return 1 / math.Sqrt(s.d) })},
		wrong{"not-divided-by-its-own-length", scaled(lastAxis, func(s sums) float64 { return math.Sqrt(s.w) })},
		wrong{"ratio-upside-down", scaled(lastAxis, func(s sums) float64 { return math.Sqrt(s.d / s.w) })},
		wrong{"root-forgotten", scaled(lastAxis, func(s sums) float64 { return s.w / s.d })},
		wrong{"not-normalised", scaled(lastAxis, func(sums) float64 { return 1 })},
		wrong{"weights-scaled", direction(func(weights, random []nn.Parameter) []nn.Parameter {
			return solution.Direction(random, weights)
		})},
		wrong{"norms-and-biases-moved", small(func(w, d []float32) []float32 {
			list := slices.Clone(d)
			for j := range list {
				list[j] *= float32(lengthOf(w) / lengthOf(d))
			}
			return list
		})},
		wrong{"norms-and-biases-moved", small(func(w, d []float32) []float32 {
			list := make([]float32, len(w))
			for j := range list {
				if d[j] != 0 {
					list[j] = d[j] * float32(math.Abs(float64(w[j]))/math.Abs(float64(d[j])))
				}
			}
			return list
		})},
		wrong{"norms-and-biases-moved", small(func(_, d []float32) []float32 { return d })},
		wrong{"norms-and-biases-left-out", direction(func(weights, random []nn.Parameter) []nn.Parameter {
			return slices.DeleteFunc(solution.Direction(weights, random), func(p nn.Parameter) bool { return len(p.Shape) == 1 })
		})},
		wrong{"zero-by-zero", dividing(func(float64) bool { return false })},
		wrong{"zero-by-zero", dividing(func(ratio float64) bool { return math.IsInf(ratio, 0) })},
		wrong{"outside-a-parameter", direction(func(weights, random []nn.Parameter) []nn.Parameter {
			out := weights[0].Shape[len(weights[0].Shape)-1]
			for j := 0; j <= len(weights[0].Values); j += out {
				_ = weights[0].Values[j]
			}
			return random
		})},
		wrong{"arguments-changed", direction(func(weights, random []nn.Parameter) []nn.Parameter {
			for i, p := range solution.Direction(weights, random) {
				copy(random[i].Values, p.Values)
			}
			return random
		})},
		wrong{"arguments-changed", along(func(weights, direction []nn.Parameter, alpha float64) []nn.Parameter {
			for i, p := range weights {
				for j := range p.Values {
					p.Values[j] += float32(alpha) * direction[i].Values[j]
				}
			}
			return weights
		})},
		wrong{"weights-shared", along(func(weights, direction []nn.Parameter, alpha float64) []nn.Parameter {
			if alpha == 0 {
				return weights
			}
			return solution.Along(weights, direction, alpha)
		})},
		wrong{"alpha-ignored", moved(func(w, d float32, _ float64) float32 { return w + d })},
		wrong{"direction-alone", moved(func(_, d float32, alpha float64) float32 { return float32(alpha) * d })},
		wrong{"backwards", moved(func(w, d float32, alpha float64) float32 { return w - float32(alpha)*d })},
		wrong{"mixed-not-moved", moved(func(w, d float32, alpha float64) float32 { return float32(1-alpha)*w + float32(alpha)*d })},
		wrong{"alpha-cut-to-a-whole-number", moved(func(w, d float32, alpha float64) float32 { return w + float32(int(alpha))*d })},
	)
	alsoRight(t, func(t T) {
		Direction(t, func(weights, random []nn.Parameter) []nn.Parameter {
			// With Li et al.'s small number against a division by 0, and sums for all filters at once.
			var list []nn.Parameter
			for i, p := range weights {
				values := make([]float32, len(p.Values))
				if out := p.Shape[len(p.Shape)-1]; len(p.Shape) > 1 {
					w, d := make([]float64, out), make([]float64, out)
					for j := range values {
						w[j%out] = math.Hypot(w[j%out], float64(p.Values[j]))
						d[j%out] = math.Hypot(d[j%out], float64(random[i].Values[j]))
					}
					for j := range values {
						values[j] = float32(float64(random[i].Values[j]) * w[j%out] / (d[j%out] + 1e-10))
					}
				}
				list = append(list, nn.Parameter{Name: p.Name, Shape: slices.Clone(p.Shape), Values: values})
			}
			return list
		}, func(weights, direction []nn.Parameter, alpha float64) []nn.Parameter {
			list := cloneParameters(direction)
			for i, p := range list {
				for j, d := range p.Values {
					p.Values[j] = float32(float64(weights[i].Values[j]) + alpha*float64(d))
				}
			}
			return list
		})
	})
}
