package resnet

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Suffixes of names, for what the shapes of the weights do not tell; see [ByName].
const (
	padEndSuffix      = "-pad-end"
	poolSuffix        = "-pool"
	strideFirstSuffix = "-v1"
)

// NameOf returns the name by which [ByName] finds the network, apart from its number of classes,
// its ZeroInitResidual and, if it is plain, its kind of shortcut.
func NameOf(c Config) string {
	suffix := ""
	padEnd := c.Shortcut == ShortcutPadEnd && !c.Plain
	if padEnd {
		c.Shortcut = ShortcutA
		suffix += padEndSuffix
	}
	if c.Stem == CIFARPoolStem {
		c.Stem = CIFARStem
		suffix += poolSuffix
	}
	if c.StrideFirst {
		c.StrideFirst = false
		suffix += strideFirstSuffix
	}
	if name, ok := shortName(c); ok {
		return name + suffix
	}
	if c.Stem == CIFARStem {
		onImageNet := c
		onImageNet.Stem = ImageNetStem
		if name, ok := shortName(onImageNet); ok {
			return name + "-cifar" + suffix
		}
	}
	if padEnd {
		c.Shortcut = ShortcutB // the suffix replaces it
	}
	return longName(c) + suffix
}

// shortName returns the name in models, or the one that CIFAR gives.
func shortName(c Config) (name string, ok bool) {
	for _, model := range models() {
		if same(model, c) {
			return model.Name, true
		}
	}
	if len(c.Blocks) == 0 {
		return "", false
	}
	model, err := CIFAR(6*c.Blocks[0]+2, c.Width)
	if err != nil {
		return "", false
	}
	if c.Plain {
		model = model.PlainTwin()
	}
	return model.Name, same(model, c)
}

// longName says everything that distinguishes c from the named models.
func longName(c Config) string {
	family, perBlock := "resnet", 2
	if c.Plain {
		family = "plain"
	}
	if c.Block == Bottleneck {
		perBlock = 3
	}
	depth, blocks := 2, ""
	for _, n := range c.Blocks {
		depth += perBlock * n
		blocks += fmt.Sprintf("-%d", n)
	}
	name := fmt.Sprintf("%s%d-%s%s-w%d", family, depth, c.Block, blocks, c.Width)
	if c.Groups > 0 || c.WidthPerGroup > 0 {
		groups, widthPerGroup := c.grouping()
		name += fmt.Sprintf("-%dx%dd", groups, widthPerGroup)
	}
	if c.Stem == CIFARStem {
		name += "-cifar"
	}
	if !c.Plain && (c.Shortcut == ShortcutA || c.Shortcut == ShortcutC) {
		name += "-shortcut" + c.Shortcut.String()
	}
	if c.PreActivation {
		name += "-preact"
	}
	return name
}

// same reports whether NameOf makes no difference between two networks.
func same(a, b Config) bool {
	a.Name, a.Classes, a.ZeroInitResidual = b.Name, b.Classes, b.ZeroInitResidual
	if a.Plain && b.Plain {
		a.Shortcut = b.Shortcut
	}
	return reflect.DeepEqual(a, b)
}

var (
	depthName = regexp.MustCompile(`^(resnet|plain)([0-9]{1,4})$`)
	number    = regexp.MustCompile(`^[0-9]{1,4}$`)
	width     = regexp.MustCompile(`^w([0-9]{1,4})$`)
	groups    = regexp.MustCompile(`^([0-9]{1,4})x([0-9]{1,4})d$`)
)

// parseName returns the network with a name like those that NameOf returns. The network may not be
// valid. Numbers have at most four digits.
func parseName(name string) (c Config, ok bool) {
	words := strings.Split(strings.ReplaceAll(name, padEndSuffix, "-padend"), "-")
	base, words := words[0], words[1:]
	plain := strings.HasPrefix(base, "plain")
	if len(words) > 0 && (words[0] == Basic.String() || words[0] == Bottleneck.String()) {
		c = imageNet("", Basic)
		if words[0] == Bottleneck.String() {
			c.Block = Bottleneck
		}
		for words = words[1:]; len(words) > 0 && number.MatchString(words[0]); words = words[1:] {
			c.Blocks = append(c.Blocks, atoi(words[0]))
		}
		c.Plain = plain
		if base, _, _ := strings.Cut(longName(c), "-"); !strings.HasPrefix(name, base+"-") {
			return c, false // another depth than that of the blocks
		}
	} else if c, ok = parseBase(base); !ok {
		return c, false
	}
	for _, word := range words {
		switch parts := groups.FindStringSubmatch(word); {
		case word == "padend" && !plain:
			c.Shortcut = ShortcutPadEnd
		case word == "shortcutA" && !plain:
			c.Shortcut = ShortcutA
		case word == "shortcutC" && !plain:
			c.Shortcut = ShortcutC
		case word == "cifar":
			c = onCIFAR("", c)
		case word == "pool" && c.Stem == CIFARStem:
			c.Stem = CIFARPoolStem
		case word == "v1":
			c.StrideFirst = true
		case word == "preact":
			c.PreActivation = true
		case width.MatchString(word):
			c.Width = atoi(word[1:])
		case parts != nil:
			c.Groups, c.WidthPerGroup = atoi(parts[1]), atoi(parts[2])
		default:
			return c, false
		}
	}
	c.Name = NameOf(c)
	return c, true
}

// parseBase returns the network of a name without suffixes: one of models, or a network of
// CIFAR's of any depth.
func parseBase(name string) (c Config, ok bool) {
	if i := slices.IndexFunc(models(), func(c Config) bool { return c.Name == name }); i >= 0 {
		return models()[i], true
	}
	parts := depthName.FindStringSubmatch(name)
	if parts == nil {
		return c, false
	}
	c, err := CIFAR(atoi(parts[2]), 16)
	if parts[1] == "plain" {
		c = c.PlainTwin()
	}
	return c, err == nil
}

// atoi returns the number that up to four digits are.
func atoi(digits string) int {
	n, _ := strconv.Atoi(digits)
	return n
}
