package check

import (
	"math"
	"slices"
	"testing"

	stub "github.com/residual-go/residual/lesson/exercises/lesion"
	solution "github.com/residual-go/residual/lesson/exercises/lesion/solution"
	"github.com/residual-go/residual/lesson/exercises/nn"
)

func TestLesion(t *testing.T) {
	forward := func(f func(blocks []nn.Residual, x []float64, removed int) []float64) func(T) {
		return func(t T) { Lesion(t, f, solution.Drops) }
	}
	drops := func(f func(blocks []nn.Residual, inputs [][]float64, labels []int) []float64) func(T) {
		return func(t T) { Lesion(t, solution.Forward, f) }
	}
	// each is an answer that computes block by block.
	each := func(block func(i, removed int, b nn.Residual, x []float64) []float64) func(T) {
		return forward(func(blocks []nn.Residual, x []float64, removed int) []float64 {
			for i, b := range blocks {
				x = block(i, removed, b, x)
			}
			return x
		})
	}
	full := func(b nn.Residual, x []float64) []float64 { return rectified(added(b.Shortcut(x), b.Branch(x))) }
	// out leaves the branch out if the condition holds.
	out := func(condition func(i, removed int) bool) func(T) {
		return each(func(i, removed int, b nn.Residual, x []float64) []float64 {
			if condition(i, removed) {
				return rectified(b.Shortcut(x))
			}
			return full(b, x)
		})
	}
	// left is an answer with something else left of the removed block.
	left := func(f func(b nn.Residual, x []float64) []float64) func(T) {
		return each(func(i, removed int, b nn.Residual, x []float64) []float64 {
			if i == removed {
				return f(b, x)
			}
			return full(b, x)
		})
	}
	accuracy := func(blocks []nn.Residual, inputs [][]float64, labels []int, removed int) float64 {
		right := 0.0
		for i, x := range inputs {
			y := solution.Forward(blocks, x, removed)
			if slices.Index(y, slices.Max(y)) == labels[i] {
				right++
			}
		}
		return right / float64(len(inputs))
	}
	// compared makes drops of accuracies.
	compared := func(drop func(intact, without float64, n int) float64) func(T) {
		return drops(func(blocks []nn.Residual, inputs [][]float64, labels []int) []float64 {
			list := make([]float64, len(blocks))
			for i := range list {
				list[i] = drop(accuracy(blocks, inputs, labels, -1), accuracy(blocks, inputs, labels, i), len(inputs))
			}
			return list
		})
	}
	test(t, "lesion",
		func(t T) { Lesion(t, solution.Forward, solution.Drops) }, func(t T) { Lesion(t, stub.Forward, stub.Drops) },
		wrong{"nothing-removed", out(func(int, int) bool { return false })},
		wrong{"one-too-far", out(func(i, removed int) bool { return removed >= 0 && i == removed+1 })},
		wrong{"one-too-far", out(func(i, removed int) bool { return i == removed-1 })},
		wrong{"all-after-it-removed", out(func(i, removed int) bool { return removed >= 0 && i >= removed })},
		wrong{"all-before-it-removed", out(func(i, removed int) bool { return i <= removed })},
		wrong{"shortcut-removed", left(func(b nn.Residual, x []float64) []float64 { return rectified(b.Branch(x)) })},
		wrong{"shortcut-skipped", forward(func(blocks []nn.Residual, x []float64, removed int) []float64 {
			for i, b := range blocks {
				if i == removed {
					continue
				}
				x = full(b, x)
			}
			return x
		})},
		wrong{"last-relu-removed", left(func(b nn.Residual, x []float64) []float64 { return b.Shortcut(x) })},
		wrong{"no-last-relu", each(func(i, removed int, b nn.Residual, x []float64) []float64 {
			if i == removed {
				return b.Shortcut(x)
			}
			return added(b.Shortcut(x), b.Branch(x))
		})},
		wrong{"relu-before-addition", each(func(i, removed int, b nn.Residual, x []float64) []float64 {
			if i == removed {
				return b.Shortcut(x)
			}
			return added(b.Shortcut(x), rectified(b.Branch(x)))
		})},
		wrong{"sizes-differ", each(func(i, removed int, b nn.Residual, x []float64) []float64 {
			y := make([]float64, len(x))
			if i != removed {
				copy(y, b.Branch(x))
			}
			for j, value := range b.Shortcut(x) {
				y[j] += value
			}
			return rectified(y)
		})},
		wrong{"input-changed", each(func(i, removed int, b nn.Residual, x []float64) []float64 {
			y, branch := b.Shortcut(x), b.Branch(x)
			for j := range y {
				if i != removed {
					y[j] += branch[j]
				}
				y[j] = max(0, y[j])
			}
			return y
		})},
		wrong{"sign-the-wrong-way-round", compared(func(intact, without float64, _ int) float64 { return without - intact })},
		wrong{"accuracy-not-drop", compared(func(_, without float64, _ int) float64 { return without })},
		wrong{"sign-lost", compared(func(intact, without float64, _ int) float64 { return math.Abs(intact - without) })},
		wrong{"sign-lost", compared(func(intact, without float64, _ int) float64 { return max(intact-without, 0) })},
		wrong{"drop-as-a-share", compared(func(intact, without float64, _ int) float64 { return 1 - without/intact })},
		wrong{"compared-with-perfect", compared(func(_, without float64, _ int) float64 { return 1 - without })},
		wrong{"percent", compared(func(intact, without float64, _ int) float64 { return 100*intact - 100*without })},
		wrong{"counts-not-shares", compared(func(intact, without float64, n int) float64 { return (intact - without) * float64(n) })},
		wrong{"divided-as-integers", compared(func(intact, without float64, n int) float64 {
			return float64(int(intact*float64(n))/n - int(without*float64(n))/n)
		})},
		wrong{"compared-with-the-first", drops(func(blocks []nn.Residual, inputs [][]float64, labels []int) (list []float64) {
			accuracy := func(removed int) float64 {
				right := 0
				for i, x := range inputs {
					guess, y := 0, solution.Forward(blocks, x, removed)
					for class := 1; class < len(y); class++ {
						if y[class] > y[0] {
							guess = class
						}
					}
					if guess == labels[i] {
						right++
					}
				}
				return float64(right) / float64(len(inputs))
			}
			for i := range blocks {
				list = append(list, accuracy(-1)-accuracy(i))
			}
			return list
		})},
		wrong{"blocks-not-put-back", drops(func(blocks []nn.Residual, inputs [][]float64, labels []int) (list []float64) {
			blocks = slices.Clone(blocks)
			before := accuracy(blocks, inputs, labels, -1)
			for i := range blocks {
				shortcut := blocks[i].Shortcut
				blocks[i].Branch = func(x []float64) []float64 { return make([]float64, len(shortcut(x))) }
				list = append(list, before-accuracy(blocks, inputs, labels, -1))
			}
			return list
		})},
	)
	alsoRight(t, func(t T) {
		Lesion(t, func(blocks []nn.Residual, x []float64, removed int) []float64 {
			// Removed by a branch of zeros, and by recursion.
			if len(blocks) == 0 {
				return x
			}
			first := blocks[0]
			y := make([]float64, len(first.Shortcut(x)))
			if removed != 0 {
				copy(y, first.Branch(x))
			}
			for i, value := range first.Shortcut(x) {
				y[i] = math.Max(y[i]+value, 0)
			}
			return solution.Forward(blocks[1:], y, removed-1)
		}, func(blocks []nn.Residual, inputs [][]float64, labels []int) []float64 {
			counts := make([]int, len(blocks)+1)
			for i, x := range inputs {
				for removed := range counts {
					y := solution.Forward(blocks, x, removed-1)
					if slices.Index(y, slices.Max(y)) == labels[i] {
						counts[removed]++
					}
				}
			}
			drops := []float64{}
			for _, count := range counts[1:] {
				drops = append(drops, float64(counts[0]-count)/float64(len(inputs)))
			}
			return drops
		})
	})
}
