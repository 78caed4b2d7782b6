package weights

import (
	"fmt"
	"strings"

	"github.com/residual-go/residual/pkg/resnet"
)

// Assumed says what nothing told about a model's weights, so that the usual was assumed.
type Assumed struct {
	// Images is set if Transform and Normalization were assumed.
	Images bool
	// Alternatives are the other networks that have weights of these names and shapes, if Config
	// was assumed.
	Alternatives []resnet.Config
}

// AssumedImages says for the user how images are prepared if that was assumed, and otherwise "".
func (m *Model) AssumedImages() string {
	if !m.Assumed.Images {
		return ""
	}
	return fmt.Sprintf("the file does not say how images are prepared; assuming %d×%d pixels, normalised as %s (mean %v, std %v)",
		m.Transform.Height, m.Transform.Width, m.Normalization, m.Normalization.Mean, m.Normalization.Std)
}

// AssumedNetwork says for the user which network was assumed and which others have the same
// weights, and "" if there was nothing to assume. Of the others it names those that differ in one
// setting.
func (m *Model) AssumedNetwork() string {
	var others []string
	for _, other := range m.Assumed.Alternatives {
		if what := difference(m.Config, other); what != "" {
			others = append(others, fmt.Sprintf("%s (%s)", other.Name, what))
		}
	}
	if len(others) == 0 {
		return ""
	}
	return fmt.Sprintf("names and shapes do not tell these weights from those of %s; assuming %s",
		strings.Join(others, ", "), m.Config.Name)
}

// difference says in what a variant differs from c, if that is one setting.
func difference(c, variant resnet.Config) string {
	var all []string
	add := func(differs bool, what string) {
		if differs {
			all = append(all, what)
		}
	}
	residual := !c.Plain && !variant.Plain
	add(!c.Plain && variant.Plain, "no shortcuts")
	add(c.Plain && !variant.Plain, "shortcuts without parameters")
	add(residual && variant.Shortcut != c.Shortcut && variant.Shortcut == resnet.ShortcutPadEnd, "shortcuts with all zeros behind the channels")
	add(residual && variant.Shortcut != c.Shortcut && variant.Shortcut == resnet.ShortcutA, "shortcuts with half of the zeros before the channels")
	add(variant.Stem != c.Stem && variant.Stem == resnet.CIFARPoolStem, "a max pool in the stem")
	add(variant.Stem != c.Stem && variant.Stem == resnet.CIFARStem, "no max pool in the stem")
	add(!c.StrideFirst && variant.StrideFirst, "the stride in the first 1×1 convolution of bottlenecks")
	add(c.StrideFirst && !variant.StrideFirst, "the stride in the 3×3 convolution of bottlenecks")
	if len(all) != 1 {
		return ""
	}
	return all[0]
}
