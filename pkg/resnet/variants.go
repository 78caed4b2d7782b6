package resnet

import "slices"

// Variants returns the networks whose weights have the same names and shapes as c's: c itself,
// then those that differ in one setting, then the others. Weights alone do not tell these networks
// apart. They differ in
//
//   - shortcuts without parameters: [ShortcutA], [ShortcutPadEnd], or none (Plain);
//   - the max pool behind a 3×3 stem: [CIFARStem] or [CIFARPoolStem];
//   - the convolution of a bottleneck that has the stride (StrideFirst).
//
// All have the names that [NameOf] gives, but c keeps its own.
func (c Config) Variants() []Config {
	type branch struct {
		plain    bool
		shortcut Shortcut
	}
	branches := []branch{{c.Plain, c.Shortcut}}
	switch changes := len(c.Blocks) > 1 || c.Block == Bottleneck; {
	case !c.Plain && (c.Shortcut == ShortcutC || c.Shortcut == ShortcutB && changes): // it projects
	case changes:
		branches = []branch{{true, ShortcutA}, {false, ShortcutA}, {false, ShortcutPadEnd}}
	case c.Plain:
		branches = append(branches, branch{false, ShortcutB})
	default:
		branches = append(branches, branch{true, c.Shortcut})
	}
	stems := []Stem{c.Stem}
	if c.Stem != ImageNetStem {
		stems = []Stem{CIFARStem, CIFARPoolStem}
	}
	strides := []bool{false}
	if c.Block == Bottleneck && len(c.Blocks) > 1 {
		strides = []bool{false, true}
	}

	var list []Config
	for _, stem := range stems {
		for _, strideFirst := range strides {
			for _, branch := range branches {
				v := c
				v.Plain, v.Shortcut, v.Stem, v.StrideFirst = branch.plain, branch.shortcut, stem, strideFirst
				v.ZeroInitResidual = c.ZeroInitResidual && !v.Plain
				if v.Name = NameOf(v); same(v, c) {
					v = c
				}
				list = append(list, v)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b Config) int { return c.differences(a) - c.differences(b) })
	return list
}

// differences counts the settings in which a variant differs from c.
func (c Config) differences(v Config) int {
	n := 0
	for _, differs := range []bool{
		c.Plain != v.Plain || !c.Plain && c.Shortcut != v.Shortcut,
		c.Stem != v.Stem,
		c.StrideFirst != v.StrideFirst,
	} {
		if differs {
			n++
		}
	}
	return n
}
