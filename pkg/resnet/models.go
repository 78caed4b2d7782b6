package resnet

import (
	"fmt"
	"strings"
)

// imageNet returns a network with the ImageNet stem, 64 planes in the first stage, and 1000
// classes.
func imageNet(name string, block Block, blocks ...int) Config {
	return Config{Name: name, Stem: ImageNetStem, Block: block, Blocks: blocks, Width: 64, Classes: 1000}
}

// grouped returns imageNet with groups and a width per group.
func grouped(name string, groups, widthPerGroup int, blocks ...int) Config {
	config := imageNet(name, Bottleneck, blocks...)
	config.Groups, config.WidthPerGroup = groups, widthPerGroup
	return config
}

// onCIFAR returns config with the CIFAR stem and 10 classes.
func onCIFAR(name string, config Config) Config {
	config.Name, config.Stem, config.Classes = name, CIFARStem, 10
	return config
}

// pooled returns config with a max pool in its CIFAR stem.
func pooled(config Config) Config {
	config.Name, config.Stem = config.Name+poolSuffix, CIFARPoolStem
	return config
}

// strideFirst returns config with the stride of its bottlenecks in their first convolution.
func strideFirst(config Config) Config {
	config.Name, config.StrideFirst = config.Name+strideFirstSuffix, true
	return config
}

// plain returns the plain twin of config.
func plain(name string, config Config) Config {
	config.Name, config.Plain = name, true
	return config
}

// models returns the named models, in the order in which lists show them.
func models() []Config {
	resnet18 := imageNet("resnet18", Basic, 2, 2, 2, 2)
	resnet34 := imageNet("resnet34", Basic, 3, 4, 6, 3)
	list := []Config{
		resnet18,
		resnet34,
		imageNet("resnet50", Bottleneck, 3, 4, 6, 3),
		imageNet("resnet101", Bottleneck, 3, 4, 23, 3),
		imageNet("resnet152", Bottleneck, 3, 8, 36, 3),
		grouped("resnext50_32x4d", 32, 4, 3, 4, 6, 3),
		grouped("resnext101_32x8d", 32, 8, 3, 4, 23, 3),
		grouped("wide_resnet50_2", 1, 128, 3, 4, 6, 3),
		grouped("wide_resnet101_2", 1, 128, 3, 4, 23, 3),
		strideFirst(imageNet("resnet50", Bottleneck, 3, 4, 6, 3)),
		strideFirst(imageNet("resnet101", Bottleneck, 3, 4, 23, 3)),
		strideFirst(imageNet("resnet152", Bottleneck, 3, 8, 36, 3)),
		onCIFAR("resnet18-cifar", resnet18),
		pooled(onCIFAR("resnet18-cifar", resnet18)),
		plain("plain18", resnet18),
		plain("plain34", resnet34),
		plain("plain18-cifar", onCIFAR("", resnet18)),
	}
	for _, depth := range []int{20, 32, 44, 56, 110} {
		residual := cifar(depth, 16)
		padEnd := residual
		padEnd.Name, padEnd.Shortcut = residual.Name+padEndSuffix, ShortcutPadEnd
		list = append(list, residual, plain(fmt.Sprintf("plain%d", depth), residual), padEnd)
	}
	return list
}

// ByName returns a well-known model: one of torchvision's, with 1000 classes and [ShortcutB]; one
// of the paper's CIFAR networks (see [CIFAR]) of width 16, or ResNet-18 with the CIFAR stem, all
// with 10 classes; or the plain twin of one of these. A suffix selects a variant with the same
// weights:
//
//   - resnet20-pad-end has [ShortcutPadEnd];
//   - resnet18-cifar-pool has [CIFARPoolStem];
//   - resnet50-v1 has StrideFirst.
//
// ByName also takes the other names that [NameOf] gives, such as resnet26, resnet50-cifar or
// resnet26-bottleneck-2-2-2-2-w64. The error for an unknown name lists those in [Names].
func ByName(name string) (Config, error) {
	for _, config := range models() {
		if config.Name == name {
			return config, nil
		}
	}
	if config, ok := parseName(name); ok {
		err := config.Validate()
		if err == nil {
			return config, nil
		}
		return Config{}, fmt.Errorf("unknown model %q: %w", name, err)
	}
	return Config{}, fmt.Errorf("unknown model %q; the models are %s", name, strings.Join(Names(), ", "))
}

// Names returns the names of the well-known models. ByName also accepts others.
func Names() []string {
	var names []string
	for _, config := range models() {
		names = append(names, config.Name)
	}
	return names
}

// CIFAR returns the network of He et al. 2015, section 4.2: three stages of n basic blocks,
// [ShortcutA] and 10 classes. depth has to be 6n+2, and width is 16 in the paper. The name is
// resnet followed by the depth, and by the width if that is not 16, as in resnet20-w4.
func CIFAR(depth, width int) (Config, error) {
	if depth < 8 || (depth-2)%6 != 0 {
		return Config{}, fmt.Errorf("depth %d is not 6n+2; choose 8, 14, 20, 26, 32, 38, 44, 50, 56, …", depth)
	}
	if width < 1 {
		return Config{}, fmt.Errorf("width %d, want at least 1", width)
	}
	return cifar(depth, width), nil
}

func cifar(depth, width int) Config {
	name := fmt.Sprintf("resnet%d", depth)
	if width != 16 {
		name += fmt.Sprintf("-w%d", width)
	}
	n := (depth - 2) / 6
	return Config{Name: name, Stem: CIFARStem, Block: Basic, Blocks: []int{n, n, n}, Width: width, Shortcut: ShortcutA, Classes: 10}
}

// PlainTwin returns the network without its shortcuts. In its name, plain replaces resnet.
func (c Config) PlainTwin() Config {
	c.ZeroInitResidual = false
	return plain(strings.Replace(c.Name, "resnet", "plain", 1), c)
}

// Layers returns the number of layers with weights from the input to the logits, without the
// projections of shortcuts: the 50 of ResNet-50.
func (c Config) Layers() int {
	layers := 2 // the stem's convolution and the head
	for _, blocks := range c.Blocks {
		layers += blocks * len(c.Branch(c.Width, 1))
	}
	return layers
}
