package check

import (
	"fmt"
	"math"
	"slices"

	"github.com/residual-go/residual/lesson/exercises/nn"
)

// lesionCase is a network of blocks, with PyTorch's outputs.
type lesionCase struct {
	Blocks []lesionBlock `json:"blocks"`
	Inputs [][]float64   `json:"inputs"`
	Labels []int         `json:"labels"`
	// Outputs are those of the whole network and then of the network without each block:
	// [1 + blocks][inputs][outputs].
	Outputs [][][]float64 `json:"outputs"`
	Drops   []float64     `json:"drops"`
}

// lesionBlock has the weights of a block, [in][out]: two of the branch, with a ReLU between
// them, and one of the shortcut, unless it is x itself.
type lesionBlock struct {
	First    [][]float64 `json:"first"`
	Second   [][]float64 `json:"second"`
	Shortcut [][]float64 `json:"shortcut"`
}

// times returns x·w.
func times(x []float64, w [][]float64) []float64 {
	y := make([]float64, len(w[0]))
	for i, row := range w {
		for j := range row {
			y[j] += x[i] * row[j]
		}
	}
	return y
}

func rectified(x []float64) []float64 {
	y := make([]float64, len(x))
	for i := range x {
		y[i] = max(0, x[i])
	}
	return y
}

func (b lesionBlock) branch(x []float64) []float64 {
	return times(rectified(times(x, b.First)), b.Second)
}

func (b lesionBlock) shortcut(x []float64) []float64 {
	if b.Shortcut == nil {
		return x
	}
	return times(x, b.Shortcut)
}

func added(a, b []float64) []float64 {
	y := slices.Clone(a)
	for i := range b {
		y[i] += b[i]
	}
	return y
}

// blocks returns the network as answers get it.
func (c lesionCase) blocks() []nn.Residual {
	var list []nn.Residual
	for _, b := range c.Blocks {
		list = append(list, nn.Residual{Branch: b.branch, Shortcut: b.shortcut})
	}
	return list
}

// lesionCall is a call of Forward.
type lesionCall struct {
	lesionCase
	input, removed int
}

func (c lesionCall) String() string {
	return fmt.Sprintf("Forward(blocks, %s, %d)", numbers(c.Inputs[c.input]), c.removed)
}

// forward returns the output of the network if block computes the output of block i.
func (c lesionCall) forward(block func(i int, b lesionBlock, x []float64) []float64) []float64 {
	x := c.Inputs[c.input]
	for i, b := range c.Blocks {
		x = block(i, b, x)
	}
	return x
}

func whole(b lesionBlock, x []float64) []float64 { return rectified(added(b.shortcut(x), b.branch(x))) }

// lesionMistake returns a mistake in what is left of a removed block.
func lesionMistake(name, text string, left func(b lesionBlock, x []float64) []float64) mistake[lesionCall, []float64] {
	return mistake[lesionCall, []float64]{Hint{name, text}, func(c lesionCall) []float64 {
		return c.forward(func(i int, b lesionBlock, x []float64) []float64 {
			if i == c.removed {
				return left(b, x)
			}
			return whole(b, x)
		})
	}}
}

// otherLesionMistake returns a mistake in which branches are left out.
func otherLesionMistake(name, text string, out func(c lesionCall, i int) bool) mistake[lesionCall, []float64] {
	return mistake[lesionCall, []float64]{Hint{name, text}, func(c lesionCall) []float64 {
		return c.forward(func(i int, b lesionBlock, x []float64) []float64 {
			if out(c, i) {
				return rectified(b.shortcut(x))
			}
			return whole(b, x)
		})
	}}
}

// Lesion checks the exercise lesion.
func Lesion(t T, forward func(blocks []nn.Residual, x []float64, removed int) []float64, drops func(blocks []nn.Residual, inputs [][]float64, labels []int) []float64) {
	t.Helper()
	c := torch().Lesion[0]
	outputs := func(removed ...int) func() error {
		var calls []lesionCall
		for input := range c.Inputs {
			for _, r := range removed {
				calls = append(calls, lesionCall{c, input, r})
			}
		}
		return trial[lesionCall, []float64]{
			cases: calls,
			answer: func(c lesionCall) []float64 {
				x := slices.Clone(c.Inputs[c.input])
				y := forward(c.blocks(), x, c.removed)
				if !slices.Equal(x, c.Inputs[c.input]) {
					panic(&Failure{What: "the input after " + c.String(), Want: numbers(c.Inputs[c.input]), Got: numbers(x),
						Hint: Hint{"input-changed", "the shortcut may return x itself, so writing to its result changes x, which the branch and the caller still need. Write the sum to a new slice"}})
				}
				return y
			},
			want: func(c lesionCall) []float64 { return c.Outputs[1+c.removed][c.input] },
			same: nearAll,
			what: lesionCall.String,
			explain: func(c lesionCall, want, got []float64) *Failure {
				return &Failure{What: c.String(), Want: numbers(want) + " (PyTorch's)", Got: numbers(got)}
			},
			mistakes: lesionMistakes,
			outside:  Hint{"sizes-differ", "an index is outside a slice. A block may change the number of values: its result is as long as the result of its Shortcut, which may differ from the length of x, and the next block gets that result"},
		}.try
	}
	run(t, "lesion",
		step{"whole", 2, outputs(-1)},
		step{"without a block", 4, outputs(-1, 0, 1, 2, 3)},
		step{"drops", 4, func() error { return c.tryDrops(drops) }},
	)
}

var lesionMistakes = []mistake[lesionCall, []float64]{
	otherLesionMistake("nothing-removed", "the block is still there: leave its branch out", func(lesionCall, int) bool { return false }),
	otherLesionMistake("one-too-far", "another block is removed: the index counts from 0", func(c lesionCall, i int) bool { return i == c.removed-1 }),
	otherLesionMistake("one-too-far", "the block after it is removed: the index counts from 0", func(c lesionCall, i int) bool { return i == c.removed+1 && c.removed >= 0 }),
	otherLesionMistake("all-after-it-removed", "the removed block and all blocks after it are gone: only that one should be", func(c lesionCall, i int) bool { return i >= c.removed && c.removed >= 0 }),
	otherLesionMistake("all-before-it-removed", "the removed block and all blocks before it are gone: only that one should be", func(c lesionCall, i int) bool { return i <= c.removed }),
	lesionMistake("shortcut-removed", "the shortcut is removed and the branch kept, so nothing passes the block unchanged: leave out the branch instead",
		func(b lesionBlock, x []float64) []float64 { return rectified(b.branch(x)) }),
	lesionMistake("shortcut-skipped", "x is passed on unchanged. Even without its branch, a block may change the number of values: what is left of it is Shortcut(x)",
		func(_ lesionBlock, x []float64) []float64 { return x }),
	lesionMistake("last-relu-removed", "the ReLU after the addition is removed along with the branch; keep it, because Shortcut(x) may be negative",
		func(b lesionBlock, x []float64) []float64 { return b.shortcut(x) }),
	{Hint{"no-last-relu", "the ReLU after the addition is missing"}, func(c lesionCall) []float64 {
		return c.forward(func(i int, b lesionBlock, x []float64) []float64 {
			y := b.shortcut(x)
			if i != c.removed {
				y = added(y, b.branch(x))
			}
			return y
		})
	}},
	{Hint{"relu-before-addition", "the branch goes through a ReLU before it is added; the ReLU comes after the addition"}, func(c lesionCall) []float64 {
		return c.forward(func(i int, b lesionBlock, x []float64) []float64 {
			y := b.shortcut(x)
			if i != c.removed {
				y = added(y, rectified(b.branch(x)))
			}
			return y
		})
	}},
}

// accuracies returns the accuracies of the whole network and without each block.
func (c lesionCase) accuracies(removed func(i int) []int) (intact float64, without []float64) {
	accuracy := func(removed []int) float64 {
		return c.accuracyBy(removed, func(y []float64) int { return slices.Index(y, slices.Max(y)) })
	}
	for i := range c.Blocks {
		without = append(without, accuracy(removed(i)))
	}
	return accuracy(nil), without
}

// dropMistake returns a mistake in what is made of the accuracy without a block.
func dropMistake(name, text string, drop func(intact, without float64) float64) mistake[lesionCase, []float64] {
	return mistake[lesionCase, []float64]{Hint{name, text}, func(c lesionCase) []float64 {
		intact, without := c.accuracies(func(i int) []int { return []int{i} })
		for i := range without {
			without[i] = drop(intact, without[i])
		}
		return without
	}}
}

// accuracyBy returns the accuracy without some blocks if guess chooses the class.
func (c lesionCase) accuracyBy(removed []int, guess func(y []float64) int) float64 {
	right := 0
	for input, label := range c.Labels {
		y := lesionCall{c, input, -1}.forward(func(i int, b lesionBlock, x []float64) []float64 {
			if slices.Contains(removed, i) {
				return rectified(b.shortcut(x))
			}
			return whole(b, x)
		})
		if guess(y) == label {
			right++
		}
	}
	return float64(right) / float64(len(c.Labels))
}

func upTo(i int) []int {
	var list []int
	for j := range i + 1 {
		list = append(list, j)
	}
	return list
}

// threeClasses is a network of one block. Without it, the largest of the outputs for its first
// input is in the middle, and those for the second rise from class to class.
var threeClasses = lesionCase{
	Blocks: []lesionBlock{{First: [][]float64{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, Second: [][]float64{{0, 0, 0}, {0, 0, -1}, {0, 0, 0}}}},
	Inputs: [][]float64{{1, 5, 3}, {1, 2, 3}}, Labels: []int{1, 2}, Drops: []float64{-0.5},
}

// tryDrops compares the drops with PyTorch's, on all inputs and on some of them.
func (c lesionCase) tryDrops(answer func(blocks []nn.Residual, inputs [][]float64, labels []int) []float64) error {
	some := c
	some.Inputs, some.Labels = c.Inputs[3:10], c.Labels[3:10]
	intact, without := some.accuracies(func(i int) []int { return []int{i} })
	some.Drops = nil
	for _, a := range without {
		some.Drops = append(some.Drops, intact-a)
	}
	what := func(c lesionCase) string {
		return fmt.Sprintf("Drops(%d blocks, %d inputs, labels)", len(c.Blocks), len(c.Inputs))
	}
	return trial[lesionCase, []float64]{
		cases:  []lesionCase{c, some, threeClasses},
		answer: func(c lesionCase) []float64 { return answer(c.blocks(), cloneRows(c.Inputs), slices.Clone(c.Labels)) },
		want:   func(c lesionCase) []float64 { return c.Drops },
		same:   nearAll,
		what:   what,
		explain: func(c lesionCase, want, got []float64) *Failure {
			return &Failure{What: what(c), Want: numbers(want), Got: numbers(got)}
		},
		mistakes: []mistake[lesionCase, []float64]{
			dropMistake("sign-the-wrong-way-round", "the drop should be positive if the network gets worse: the accuracy of the whole network minus that without the block",
				func(intact, without float64) float64 { return without - intact }),
			dropMistake("accuracy-not-drop", "these are the accuracies without each block; subtract them from that of the whole network",
				func(_, without float64) float64 { return without }),
			dropMistake("sign-lost", "a drop may be negative: sometimes a network gets more right without a block",
				func(intact, without float64) float64 { return max(intact-without, without-intact) }),
			dropMistake("sign-lost", "a drop may be negative: sometimes a network gets more right without a block. Do not replace it by 0",
				func(intact, without float64) float64 { return max(0, intact-without) }),
			dropMistake("drop-as-a-share", "the drop is divided by the whole network's accuracy; return the difference",
				func(intact, without float64) float64 { return (intact - without) / intact }),
			dropMistake("compared-with-perfect", "the whole network is not perfect: subtract from its accuracy, not from 1",
				func(_, without float64) float64 { return 1 - without }),
			dropMistake("percent", "the drops are shares from 0 to 1, not percentages",
				func(intact, without float64) float64 { return 100 * (intact - without) }),
			{Hint{"counts-not-shares", "these are numbers of inputs: divide by how many there are"},
				func(c lesionCase) []float64 {
					intact, without := c.accuracies(func(i int) []int { return []int{i} })
					for i := range without {
						without[i] = (intact - without[i]) * float64(len(c.Labels))
					}
					return without
				}},
			{Hint{"compared-with-the-first", "each output is compared with the first, so the last one that is larger wins: compare with the largest so far"},
				func(c lesionCase) []float64 {
					accuracy := func(removed []int) float64 {
						return c.accuracyBy(removed, func(y []float64) int {
							guess := 0
							for class := range y {
								if y[class] > y[0] {
									guess = class
								}
							}
							return guess
						})
					}
					var drops []float64
					for i := range c.Blocks {
						drops = append(drops, accuracy(nil)-accuracy([]int{i}))
					}
					return drops
				}},
			dropMistake("divided-as-integers", "an int divided by a larger int is 0: convert both to float64 first",
				func(intact, without float64) float64 { return math.Trunc(intact) - math.Trunc(without) }),
			{Hint{"blocks-not-put-back", "the blocks that were removed before are still missing: remove one at a time"},
				func(c lesionCase) []float64 {
					intact, without := c.accuracies(upTo)
					for i := range without {
						without[i] = intact - without[i]
					}
					return without
				}},
		},
	}.try()
}
