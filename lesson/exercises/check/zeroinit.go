package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// zeroCase is a network and the weights that PyTorch's torchvision sets to 0 in it.
type zeroCase struct {
	Network string   `json:"network"`
	Names   []string `json:"names"`
	Zeroed  []string `json:"zeroed"`
}

// state returns the tensors of a new network, with values that depend only on the names and
// are not 0.
func (c zeroCase) state() map[string][]float32 {
	state := map[string][]float32{}
	for _, name := range c.Names {
		for _, x := range hashed(name, 3) {
			state[name] = append(state[name], float32(2+x))
		}
	}
	return state
}

// zeros returns the names of the tensors that the answer sets to 0. Any other change is a failure.
func (c zeroCase) zeros(answer func(state map[string][]float32)) []string {
	before, state := c.state(), c.state()
	answer(state)
	what := "after ZeroInit of a new " + c.Network + ", "
	if missing := without(c.Names, slices.Collect(maps.Keys(state))); len(missing) > 0 {
		panic(&Failure{What: what + "the names", Want: "all that were there before", Got: fmt.Sprintf("no %s", few(missing)),
			Hint: Hint{"tensors-deleted", "set the values to 0 and keep the tensor: a network without it cannot be loaded"}})
	}
	if more := without(slices.Collect(maps.Keys(state)), c.Names); len(more) > 0 {
		panic(&Failure{What: what + "the names", Want: "those that were there before", Got: "also " + few(more),
			Hint: Hint{"tensors-added", "assigning to a name that is not in the map adds it: check first whether it is there"}})
	}
	var zeroed []string
	for _, name := range c.Names {
		if slices.Equal(state[name], before[name]) {
			continue
		}
		if !slices.Equal(state[name], make([]float32, len(before[name]))) {
			panic(&Failure{What: what + name, Want: fmt.Sprintf("%v or zeros", before[name]), Got: fmt.Sprint(state[name]),
				Hint: Hint{"not-all-zero", "a weight has a value for each channel: set all of them to 0, and keep their number"}})
		}
		zeroed = append(zeroed, name)
	}
	return zeroed
}

// without returns the elements of a that are not in b, sorted.
func without(a, b []string) []string {
	var list []string
	for _, x := range a {
		if !slices.Contains(b, x) {
			list = append(list, x)
		}
	}
	slices.Sort(list)
	return list
}

// few formats the first names of a list.
func few(names []string) string {
	const most = 4
	if len(names) == 0 {
		return "nothing"
	}
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// chosen returns the names for which is returns true; norm is the number of the norm in its
// block, as in bn2, or 0, and last that of the block's last norm.
func (c zeroCase) chosen(is func(name string, norm, last int) bool) []string {
	var list []string
	for _, name := range c.Names {
		norm, last := 0, 2
		if _, digit, found := strings.Cut(name, ".bn"); found && strings.HasPrefix(name, "layer") {
			norm = int(digit[0] - '0')
		}
		if block := strings.Join(strings.Split(name+"..", ".")[:2], "."); slices.Contains(c.Names, block+".bn3.weight") {
			last = 3
		}
		if is(name, norm, last) {
			list = append(list, name)
		}
	}
	return list
}

// zeroMistake returns a mistake in the choice of what is set to 0.
func zeroMistake(name, text string, is func(name string, norm, last int) bool) mistake[zeroCase, []string] {
	return mistake[zeroCase, []string]{Hint{name, text}, func(c zeroCase) []string { return c.chosen(is) }}
}

func isWeightName(name string) bool { return strings.HasSuffix(name, ".weight") }

// ZeroInit checks the exercise zeroinit.
func ZeroInit(t T, answer func(state map[string][]float32)) {
	t.Helper()
	cases := torch().ZeroInit
	zeroes := func(c zeroCase) func() error {
		return trial[zeroCase, []string]{
			// Of both networks, so that the mistakes can be told apart.
			cases:  append([]zeroCase{c}, cases...),
			answer: func(c zeroCase) []string { return c.zeros(answer) },
			want:   func(c zeroCase) []string { return c.Zeroed },
			same:   slices.Equal[[]string],
			what:   func(c zeroCase) string { return "ZeroInit of a new " + c.Network },
			explain: func(c zeroCase, want, got []string) *Failure {
				failure := &Failure{What: "what ZeroInit of a new " + c.Network + " sets to 0", Want: few(want) + " (PyTorch's)", Got: few(got)}
				missing, more := without(want, got), without(got, want)
				if len(missing) > 0 {
					failure.Got += "; it leaves " + few(missing)
				}
				if len(more) > 0 {
					failure.Got += "; it should leave " + few(more)
				}
				return failure
			},
			mistakes: zeroMistakes,
		}.try
	}
	run(t, "zeroinit",
		step{"basic blocks", 5, zeroes(cases[0])},
		step{"bottlenecks", 5, zeroes(cases[1])},
	)
}

var zeroMistakes = []mistake[zeroCase, []string]{
	zeroMistake("nothing-set", "nothing has changed. Assigning to a loop variable does not reach the map: set the elements of the slice, or assign to state[name]",
		func(string, int, int) bool { return false }),
	zeroMistake("first-norm", "the first norm of each block is set to 0. Then the second convolution gets a constant, whatever the input is, but the branch is not 0; and the first convolution gets no gradient",
		func(name string, norm, _ int) bool { return norm == 1 && isWeightName(name) }),
	zeroMistake("second-norm-of-a-bottleneck", "the branch of a bottleneck has three norms, and the last one is bn3",
		func(name string, norm, _ int) bool { return norm == 2 && isWeightName(name) }),
	zeroMistake("all-norms-of-the-branch", "all norms of the branch are set to 0. The last one is enough, and with more than one the branch is dead: the gradient of each γ goes through the others, which are 0",
		func(name string, norm, _ int) bool { return norm > 0 && isWeightName(name) }),
	zeroMistake("shortcut-too", "the norm of the shortcut is set to 0 as well. Then nothing passes through the block at all",
		func(name string, norm, last int) bool {
			return isWeightName(name) && (norm == last || strings.Contains(name, "downsample.1"))
		}),
	zeroMistake("stem-too", "the norm of the stem is set to 0 as well. It is not in a residual block and has no shortcut around it: the network would output a constant",
		func(name string, norm, last int) bool {
			return isWeightName(name) && (norm == last || name == "bn1.weight")
		}),
	zeroMistake("every-norm", "every norm of the network is set to 0: its signal ends at the first",
		func(name string, norm, _ int) bool {
			return isWeightName(name) && (norm > 0 || name == "bn1.weight" || strings.Contains(name, "downsample.1"))
		}),
	zeroMistake("bias-too", "the bias (β) is set to 0 as well. In a new network it is 0 anyway; leave it as it is",
		func(name string, norm, last int) bool {
			return norm == last && (isWeightName(name) || strings.HasSuffix(name, ".bias"))
		}),
	zeroMistake("bias-not-weight", "the bias (β) is set to 0; the weight (γ) is what scales the branch",
		func(name string, norm, last int) bool { return norm == last && strings.HasSuffix(name, ".bias") }),
	zeroMistake("statistics-too", "the running statistics are set to 0 as well: only the weight (γ) should be",
		func(name string, norm, last int) bool { return norm == last }),
	zeroMistake("convolution-not-norm", "the last convolution of each block is set to 0. The norm after it then divides by a variance of 0, which makes the gradients huge. Set the norm's γ to 0",
		func(name string, norm, last int) bool {
			return strings.HasPrefix(name, "layer") && strings.Contains(name, fmt.Sprintf(".conv%d.weight", last))
		}),
	zeroMistake("first-block-only", "only the first block of each stage is changed; all blocks should be",
		func(name string, norm, last int) bool {
			return norm == last && isWeightName(name) && strings.Contains(name, ".0.")
		}),
	zeroMistake("first-block-left-out", "the first block of each stage is unchanged. Its shortcut has a projection, but its branch can start at 0 too",
		func(name string, norm, last int) bool {
			return norm == last && isWeightName(name) && !strings.Contains(name, ".0.")
		}),
	zeroMistake("both-last-norms", "in a bottleneck, bn2 and bn3 are set to 0; only the last one should be. With both, the branch is dead: the gradient of each γ goes through the other, which is 0",
		func(name string, norm, _ int) bool { return norm >= 2 && isWeightName(name) }),
}
