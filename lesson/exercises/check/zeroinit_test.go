package check

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	stub "github.com/residual-go/residual/lesson/exercises/zeroinit"
	solution "github.com/residual-go/residual/lesson/exercises/zeroinit/solution"
)

func TestZeroInit(t *testing.T) {
	try := func(answer func(state map[string][]float32)) func(T) { return func(t T) { ZeroInit(t, answer) } }
	// matching sets to 0 what matches the expression.
	matching := func(expression string) func(T) {
		pattern := regexp.MustCompile(expression)
		return try(func(state map[string][]float32) {
			for name := range state {
				if pattern.MatchString(name) {
					clear(state[name])
				}
			}
		})
	}
	// after changes what the right answer leaves.
	after := func(change func(state map[string][]float32)) func(T) {
		return try(func(state map[string][]float32) {
			solution.ZeroInit(state)
			change(state)
		})
	}
	test(t, "zeroinit", try(solution.ZeroInit), try(stub.ZeroInit),
		wrong{"nothing-set", try(func(state map[string][]float32) {
			for name, values := range state {
				if strings.HasSuffix(name, ".bn2.weight") {
					for _, x := range values {
						x = 0
						_ = x
					}
				}
			}
		})},
		wrong{"first-norm", matching(`^layer.*\.bn1\.weight`)},
		wrong{"second-norm-of-a-bottleneck", matching(`\.bn2\.weight`)},
		wrong{"all-norms-of-the-branch", matching(`\.bn\d\.weight`)},
		wrong{"shortcut-too", after(func(state map[string][]float32) {
			for name := range state {
				if strings.HasSuffix(name, "downsample.1.weight") {
					clear(state[name])
				}
			}
		})},
		wrong{"stem-too", after(func(state map[string][]float32) { clear(state["bn1.weight"]) })},
		wrong{"every-norm", matching(`(bn\d|downsample\.1)\.weight`)},
		wrong{"bias-too", after(func(state map[string][]float32) {
			for name := range state {
				if weight := strings.TrimSuffix(name, "bias") + "weight"; strings.HasSuffix(name, "bias") && len(state[weight]) > 0 && state[weight][0] == 0 {
					clear(state[name])
				}
			}
		})},
		wrong{"bias-not-weight", try(func(state map[string][]float32) {
			copied := maps.Clone(state)
			for name := range copied {
				copied[name] = slices.Clone(copied[name])
			}
			solution.ZeroInit(copied)
			for name := range copied {
				if copied[name][0] == 0 {
					clear(state[strings.TrimSuffix(name, "weight")+"bias"])
				}
			}
		})},
		wrong{"statistics-too", after(func(state map[string][]float32) {
			for name := range state {
				norm := name[:strings.LastIndex(name, ".")]
				if values := state[norm+".weight"]; values[0] == 0 {
					clear(state[name])
				}
			}
		})},
		wrong{"convolution-not-norm", try(func(state map[string][]float32) {
			for name := range state {
				norm := strings.Replace(name, "conv", "bn", 1)
				last := "bn2"
				if parts := strings.Split(name, "."); len(parts) > 1 && state[parts[0]+"."+parts[1]+".bn3.weight"] != nil {
					last = "bn3"
				}
				if norm != name && strings.HasPrefix(name, "layer") && strings.Contains(norm, "."+last+".weight") {
					clear(state[name])
				}
			}
		})},
		wrong{"first-block-only", try(onlyBlocks(`^layer\d\.0\.`))},
		wrong{"first-block-left-out", try(onlyBlocks(`^layer\d\.[1-9]`))},
		wrong{"both-last-norms", matching(`\.bn[23]\.weight`)},
		wrong{"tensors-deleted", try(func(state map[string][]float32) {
			for name := range state {
				if strings.HasSuffix(name, ".bn2.weight") {
					delete(state, name)
				}
			}
		})},
		wrong{"tensors-added", after(func(state map[string][]float32) {
			for name := range state {
				if block, found := strings.CutSuffix(name, ".bn2.weight"); found {
					state[block+".bn3.weight"] = []float32{0, 0, 0}
				}
			}
		})},
		wrong{"not-all-zero", try(func(state map[string][]float32) {
			for name, values := range state {
				if strings.HasSuffix(name, ".bn2.weight") {
					values[0] = 0
				}
			}
		})},
	)
	alsoRight(t, try(func(state map[string][]float32) {
		// New slices, and the last norm found by counting.
		last := map[string]string{}
		for _, name := range slices.Sorted(maps.Keys(state)) {
			parts := strings.Split(name, ".")
			if len(parts) == 4 && strings.HasPrefix(parts[2], "bn") && parts[3] == "weight" {
				last[parts[0]+"."+parts[1]] = name
			}
		}
		for _, name := range last {
			state[name] = make([]float32, len(state[name]))
		}
	}))
}

// onlyBlocks is the right answer for the blocks whose names match the expression.
func onlyBlocks(expression string) func(state map[string][]float32) {
	pattern := regexp.MustCompile(expression)
	return func(state map[string][]float32) {
		some := maps.Clone(state)
		maps.DeleteFunc(some, func(name string, _ []float32) bool { return !pattern.MatchString(name) })
		solution.ZeroInit(some)
	}
}
