package check

import (
	"math"
	"slices"
	"strings"
	"testing"

	stub "github.com/residual-go/residual/lesson/exercises/gradientnorms"
	solution "github.com/residual-go/residual/lesson/exercises/gradientnorms/solution"
	"github.com/residual-go/residual/lesson/exercises/nn"
)

func TestGradientNorms(t *testing.T) {
	norms := func(f func([]nn.Parameter) []nn.LayerNorm) func(T) {
		return func(t T) { GradientNorms(t, f, solution.Growth) }
	}
	growth := func(f func([]float64) float64) func(T) {
		return func(t T) { GradientNorms(t, solution.Norms, f) }
	}
	// grouped is an answer that adds term to a layer's number for each value and finishes it at the end.
	grouped := func(layer func(name string) string, term func(g float64) float64, finish func(total float64, n int) float64) func(T) {
		return norms(func(gradients []nn.Parameter) (list []nn.LayerNorm) {
			var counts []int
			for _, p := range gradients {
				if name := layer(p.Name); len(list) == 0 || list[len(list)-1].Layer != name {
					list, counts = append(list, nn.LayerNorm{Layer: name}), append(counts, 0)
				}
				for _, g := range p.Values {
					list[len(list)-1].Norm += term(float64(g))
					counts[len(counts)-1]++
				}
			}
			for i := range list {
				list[i].Norm = finish(list[i].Norm, counts[i])
			}
			return list
		})
	}
	toLastDot := func(name string) string { return name[:strings.LastIndexByte(name, '.')] }
	toFirstDot := func(name string) string {
		before, _, _ := strings.Cut(name, ".")
		return before
	}
	whole := func(name string) string { return name }
	square := func(g float64) float64 { return g * g }
	root := func(total float64, _ int) float64 { return math.Sqrt(total) }
	test(t, "gradientnorms",
		func(t T) { GradientNorms(t, solution.Norms, solution.Growth) },
		func(t T) { GradientNorms(t, stub.Norms, stub.Growth) },
		wrong{"root-forgotten", grouped(toLastDot, square, func(total float64, _ int) float64 { return total })},
		wrong{"mean-not-sum", grouped(toLastDot, square, func(total float64, n int) float64 { return math.Sqrt(total / float64(n)) })},
		wrong{"absolute-values", grouped(toLastDot, math.Abs, func(total float64, _ int) float64 { return total })},
		wrong{"name-cut-at-the-first-dot", grouped(toFirstDot, square, root)},
		wrong{"norm-by-parameter", norms(func(gradients []nn.Parameter) (list []nn.LayerNorm) {
			for _, p := range gradients {
				var total float64
				for _, g := range p.Values {
					total += float64(g) * float64(g)
				}
				list = append(list, nn.LayerNorm{Layer: toLastDot(p.Name), Norm: math.Sqrt(total)})
			}
			return list
		})},
		wrong{"norm-by-parameter", grouped(whole, square, root)},
		wrong{"largest-value", norms(func(gradients []nn.Parameter) (list []nn.LayerNorm) {
			for _, p := range gradients {
				if len(list) == 0 || list[len(list)-1].Layer != toLastDot(p.Name) {
					list = append(list, nn.LayerNorm{Layer: toLastDot(p.Name)})
				}
				for _, g := range p.Values {
					list[len(list)-1].Norm = max(list[len(list)-1].Norm, float64(g), -float64(g))
				}
			}
			return list
		})},
		wrong{"norms-added-up", norms(func(gradients []nn.Parameter) (list []nn.LayerNorm) {
			for _, p := range gradients {
				norm := solution.Norms([]nn.Parameter{p})[0]
				if n := len(list); n > 0 && list[n-1].Layer == norm.Layer {
					list[n-1].Norm += norm.Norm
				} else {
					list = append(list, norm)
				}
			}
			return list
		})},
		wrong{"one-parameter-only", norms(func(gradients []nn.Parameter) []nn.LayerNorm {
			return solution.Norms(slices.DeleteFunc(slices.Clone(gradients), func(p nn.Parameter) bool { return strings.HasSuffix(p.Name, ".bias") }))
		})},
		wrong{"one-parameter-only", norms(func(gradients []nn.Parameter) (list []nn.LayerNorm) {
			for _, p := range gradients {
				norm := solution.Norms([]nn.Parameter{p})[0]
				if n := len(list); n > 0 && list[n-1].Layer == norm.Layer {
					list[n-1] = norm
				} else {
					list = append(list, norm)
				}
			}
			return list
		})},
		wrong{"layers-sorted", norms(func(gradients []nn.Parameter) []nn.LayerNorm {
			sums := map[string]float64{}
			for _, p := range gradients {
				for _, g := range p.Values {
					sums[toLastDot(p.Name)] += float64(g) * float64(g)
				}
			}
			var list []nn.LayerNorm
			for name, total := range sums {
				list = append(list, nn.LayerNorm{Layer: name, Norm: math.Sqrt(total)})
			}
			slices.SortFunc(list, func(a, b nn.LayerNorm) int { return strings.Compare(a.Layer, b.Layer) })
			return list
		})},
		wrong{"squares-overflow", norms(func(gradients []nn.Parameter) (list []nn.LayerNorm) {
			for _, p := range gradients {
				if len(list) == 0 || list[len(list)-1].Layer != toLastDot(p.Name) {
					list = append(list, nn.LayerNorm{Layer: toLastDot(p.Name)})
				}
				for _, g := range p.Values {
					list[len(list)-1].Norm += float64(g * g)
				}
			}
			for i := range list {
				list[i].Norm = math.Sqrt(list[i].Norm)
			}
			return list
		})},
		wrong{"gradients-changed", norms(func(gradients []nn.Parameter) []nn.LayerNorm {
			list := solution.Norms(gradients)
			for _, p := range gradients {
				for i := range p.Values {
					p.Values[i] *= p.Values[i]
				}
			}
			return list
		})},
		wrong{"layers-not-steps", growth(func(n []float64) float64 { return math.Pow(n[0]/n[len(n)-1], 1/float64(len(n))) })},
		wrong{"forwards-not-backwards", growth(func(n []float64) float64 {
			return math.Pow(n[len(n)-1]/n[0], 1/float64(len(n)-1))
		})},
		wrong{"growth-in-all", growth(func(n []float64) float64 { return n[0] / n[len(n)-1] })},
		wrong{"divided-not-rooted", growth(func(n []float64) float64 { return n[0] / n[len(n)-1] / float64(len(n)-1) })},
		wrong{"mean-of-the-factors", growth(func(n []float64) (factor float64) {
			for i := 1; i < len(n); i++ {
				factor += n[i-1] / n[i]
			}
			return factor / float64(len(n)-1)
		})},
		wrong{"largest-over-smallest", growth(func(n []float64) float64 {
			return math.Pow(slices.Max(n)/slices.Min(n), 1/float64(len(n)-1))
		})},
		wrong{"difference-not-factor", growth(func(n []float64) float64 { return (n[0] - n[len(n)-1]) / float64(len(n)-1) })},
		wrong{"divided-as-integers", growth(func(n []float64) float64 {
			return math.Pow(n[0]/n[len(n)-1], float64(1/max(len(n)-1, 2)))
		})},
		wrong{"outside-the-norms", growth(func(n []float64) float64 { return n[0] / n[len(n)] })},
	)
	alsoRight(t, func(t T) {
		GradientNorms(t, func(gradients []nn.Parameter) []nn.LayerNorm {
			// Scaled by the largest value, as careful libraries do, and by hypotenuses.
			list := []nn.LayerNorm{}
			at := map[string]int{}
			for _, p := range gradients {
				parts := strings.Split(p.Name, ".")
				name := strings.Join(parts[:len(parts)-1], ".")
				if _, known := at[name]; !known {
					at[name] = len(list)
					list = append(list, nn.LayerNorm{Layer: name})
				}
				for _, g := range p.Values {
					list[at[name]].Norm = math.Hypot(list[at[name]].Norm, float64(g))
				}
			}
			return list
		}, func(n []float64) float64 {
			total := 0.0
			for i := 1; i < len(n); i++ {
				total += math.Log(n[i-1]) - math.Log(n[i])
			}
			return math.Exp(total / float64(len(n)-1))
		})
	})
}
