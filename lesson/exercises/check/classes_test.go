package check

import (
	"math"
	"slices"
	"testing"

	stub "github.com/residual-go/residual/lesson/exercises/classes"
	solution "github.com/residual-go/residual/lesson/exercises/classes/solution"
)

func TestClasses(t *testing.T) {
	right := ClassFunctions{solution.Distance, solution.Closest, solution.Contains, solution.Plain, solution.Residual}
	try := func(change func(*ClassFunctions)) func(T) {
		answer := right
		change(&answer)
		return func(t T) { Classes(t, answer) }
	}
	distance := func(f func(f, target function, points []float64) float64) func(T) {
		return try(func(a *ClassFunctions) { a.Distance = f })
	}
	closest := func(f func(class []function, target function, points []float64) float64) func(T) {
		return try(func(a *ClassFunctions) { a.Closest = f })
	}
	contains := func(f func(outer, inner []function, points []float64) bool) func(T) {
		return try(func(a *ClassFunctions) { a.Contains = f })
	}
	plain := func(f func(class, layers []function) []function) func(T) {
		return try(func(a *ClassFunctions) { a.Plain = f })
	}
	residual := func(f func(class, layers []function) []function) func(T) {
		return try(func(a *ClassFunctions) { a.Residual = f })
	}
	// every returns an answer to Plain or Residual that makes a function of every pair.
	every := func(join func(f, g function, x float64) float64) func(class, layers []function) []function {
		return func(class, layers []function) (list []function) {
			for _, f := range class {
				for _, g := range layers {
					list = append(list, func(x float64) float64 { return join(f, g, x) })
				}
			}
			return list
		}
	}
	test(t, "classes",
		func(t T) { Classes(t, right) },
		func(t T) {
			Classes(t, ClassFunctions{stub.Distance, stub.Closest, stub.Contains, stub.Plain, stub.Residual})
		},
		wrong{"signed-difference", distance(func(f, target function, points []float64) float64 {
			largest := f(points[0]) - target(points[0])
			for _, x := range points[1:] {
				largest = max(largest, f(x)-target(x))
			}
			return largest
		})},
		wrong{"signed-difference", distance(func(f, target function, points []float64) float64 {
			var largest float64
			for _, x := range points {
				largest = math.Max(f(x)-target(x), largest)
			}
			return largest
		})},
		wrong{"mean-not-largest", distance(func(f, target function, points []float64) float64 {
			var total float64
			for _, x := range points {
				total += math.Abs(target(x) - f(x))
			}
			return total / float64(len(points))
		})},
		wrong{"mean-not-largest", distance(func(f, target function, points []float64) float64 {
			var total float64
			for _, x := range points {
				total += math.Pow(target(x)-f(x), 2)
			}
			return total / float64(len(points))
		})},
		wrong{"sum-not-largest", distance(func(f, target function, points []float64) (total float64) {
			for _, x := range points {
				total += math.Abs(target(x) - f(x))
			}
			return total
		})},
		wrong{"sum-not-largest", distance(func(f, target function, points []float64) (length float64) {
			for _, x := range points {
				length = math.Hypot(length, target(x)-f(x))
			}
			return length
		})},
		wrong{"difference-squared", distance(func(f, target function, points []float64) (largest float64) {
			for _, x := range points {
				largest = max(largest, (target(x)-f(x))*(target(x)-f(x)))
			}
			return largest
		})},
		wrong{"smallest-not-largest", distance(func(f, target function, points []float64) float64 {
			smallest := math.Inf(1)
			for _, x := range points {
				smallest = min(smallest, math.Abs(target(x)-f(x)))
			}
			return smallest
		})},
		wrong{"last-point-only", distance(func(f, target function, points []float64) (distance float64) {
			for _, x := range points {
				distance = math.Abs(target(x) - f(x))
			}
			return distance
		})},
		wrong{"starts-at-zero", closest(func(class []function, target function, points []float64) float64 {
			var smallest float64
			for _, f := range class {
				if d := solution.Distance(f, target, points); d < smallest {
					smallest = d
				}
			}
			return smallest
		})},
		wrong{"farthest-not-closest", closest(func(class []function, target function, points []float64) (largest float64) {
			for _, f := range class {
				if d := solution.Distance(f, target, points); d > largest {
					largest = d
				}
			}
			return largest
		})},
		wrong{"mean-over-the-class", closest(func(class []function, target function, points []float64) (mean float64) {
			for _, f := range class {
				mean += solution.Distance(f, target, points) / float64(len(class))
			}
			return mean
		})},
		wrong{"first-function-only", closest(func(class []function, target function, points []float64) float64 {
			return solution.Distance(class[0], target, points)
		})},
		wrong{"last-function-only", closest(func(class []function, target function, points []float64) (d float64) {
			for _, f := range class {
				d = solution.Distance(f, target, points)
			}
			return d
		})},
		wrong{"one-function-is-enough", contains(func(outer, inner []function, points []float64) bool {
			for _, f := range inner {
				if solution.Closest(outer, f, points) <= 1e-9 {
					return true
				}
			}
			return false
		})},
		wrong{"the-wrong-way-round", contains(func(outer, inner []function, points []float64) bool {
			return solution.Contains(inner, outer, points)
		})},
		wrong{"the-wrong-way-round", contains(func(outer, inner []function, points []float64) bool {
			return !solution.Contains(outer, inner, points)
		})},
		wrong{"equal-to-the-last-bit", contains(func(outer, inner []function, points []float64) bool {
			for _, f := range inner {
				if solution.Closest(outer, f, points) != 0 {
					return false
				}
			}
			return true
		})},
		wrong{"one-point-is-enough", contains(func(outer, inner []function, points []float64) bool {
			for _, f := range inner {
				found := false
				for _, g := range outer {
					for _, x := range points {
						found = found || math.Abs(f(x)-g(x)) <= 1e-9
					}
				}
				if !found {
					return false
				}
			}
			return true
		})},
		wrong{"function-by-function", contains(func(outer, inner []function, points []float64) bool {
			for i, f := range inner {
				if i >= len(outer) || solution.Distance(f, outer[i], points) > 1e-9 {
					return false
				}
			}
			return true
		})},
		wrong{"last-function-only", contains(func(outer, inner []function, points []float64) (found bool) {
			for _, f := range inner {
				found = solution.Closest(outer, f, points) <= 1e-9
			}
			return found
		})},
		wrong{"first-function-only", contains(func(outer, inner []function, points []float64) bool {
			for _, f := range inner {
				return solution.Closest(outer, f, points) <= 1e-9
			}
			return true
		})},
		wrong{"layer-comes-first", plain(every(func(f, g function, x float64) float64 { return f(g(x)) }))},
		wrong{"layer-alone", plain(every(func(_, g function, x float64) float64 { return g(x) }))},
		wrong{"has-a-shortcut", plain(every(func(f, g function, x float64) float64 { return f(x) + g(f(x)) }))},
		wrong{"has-a-shortcut", plain(every(func(f, g function, x float64) float64 { return f(x) + g(x) }))},
		wrong{"not-every-pair", plain(func(class, layers []function) (list []function) {
			for i := 0; i < len(class) && i < len(layers); i++ {
				list = append(list, func(x float64) float64 { return layers[i](class[i](x)) })
			}
			return list
		})},
		wrong{"class-before-kept", plain(func(class, layers []function) []function {
			return append(solution.Plain(class, layers), class...)
		})},
		wrong{"class-changed", plain(func(class, layers []function) (list []function) {
			for _, g := range layers {
				for i, f := range class {
					class[i] = func(x float64) float64 { return g(f(x)) }
				}
				list = append(list, class...)
			}
			return list
		})},
		wrong{"no-shortcut", residual(solution.Plain)},
		wrong{"shortcut-from-the-start", residual(every(func(f, g function, x float64) float64 { return x + g(f(x)) }))},
		wrong{"branch-gets-x", residual(every(func(f, g function, x float64) float64 { return f(x) + g(x) }))},
		wrong{"layer-comes-first", residual(every(func(f, g function, x float64) float64 { return f(x + g(x)) }))},
		wrong{"layer-comes-first", residual(every(func(f, g function, x float64) float64 { return g(x) + f(g(x)) }))},
		wrong{"class-before-kept", residual(func(class, layers []function) []function {
			return append(slices.Clone(class), solution.Residual(class, layers)...)
		})},
		wrong{"not-every-pair", residual(func(class, layers []function) []function {
			n := min(len(class), len(layers))
			list := make([]function, n)
			for i := range list {
				list[i] = func(x float64) float64 { return class[i](x) + layers[i](class[i](x)) }
			}
			return list
		})},
	)
	alsoRight(t,
		try(func(a *ClassFunctions) {
			// The largest difference found by sorting, and the layers in the outer loop.
			a.Distance = func(f, target function, points []float64) float64 {
				var list []float64
				for _, x := range points {
					list = append(list, max(f(x)-target(x), target(x)-f(x)))
				}
				slices.Sort(list)
				return list[len(list)-1]
			}
			a.Contains = func(outer, inner []function, points []float64) bool {
				for _, f := range inner {
					same := func(g function) bool { return solution.Distance(g, f, points) < 1e-9 }
					if !slices.ContainsFunc(outer, same) {
						return false
					}
				}
				return true
			}
			a.Residual = func(class, layers []function) []function {
				list := make([]function, len(class)*len(layers))
				for j, g := range layers {
					for i, f := range class {
						list[j*len(class)+i] = func(x float64) float64 { return g(f(x)) + f(x) }
					}
				}
				return list
			}
		}),
	)
}

// alsoRight checks that right answers, written in other ways than the worked solution, earn all
// points.
func alsoRight(t *testing.T, answers ...func(T)) {
	for _, answer := range answers {
		t.Run("also right", func(t *testing.T) {
			result, log := grade(t, answer)
			if earned, of := result.Points(); earned != of {
				t.Errorf("earns %d of %d points:\n%s", earned, of, log)
			}
		})
	}
}
