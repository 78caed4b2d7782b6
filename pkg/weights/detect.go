package weights

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/statedict"
)

// Detect returns the architecture that tensors are the weights of. It uses their canonical
// names and their shapes only. Names and shapes must be exactly the network's; an
// error says what differs and why.
//
// The Name is the one by which resnet.ByName finds the network.
//
// Several networks can have the same weights: see [resnet.Config.Variants]. Of these, Detect
// returns the one with shortcuts (resnet.ShortcutA), without a max pool behind a 3×3 stem, and
// with the stride in the 3×3 convolution of bottlenecks. [File.Model] can be asked for another.
// Settings that make no difference, such as the kind of shortcut in a network where no block
// needs one, have their zero values.
func Detect(tensors map[string]statedict.Tensor) (resnet.Config, error) {
	shapes := make(map[string][]int, len(tensors))
	for name, tensor := range tensors {
		shapes[name] = tensor.Shape
	}
	if reason := variant(shapes); reason != "" {
		return resnet.Config{}, errors.New(reason)
	}
	c, err := infer(shapes)
	if err != nil {
		return resnet.Config{}, err
	}
	c.Name = resnet.NameOf(c)
	if err := fits(c, tensors); err != nil {
		return resnet.Config{}, err
	}
	return c, nil
}

// fits returns an error unless the tensors are exactly those of the network.
func fits(c resnet.Config, tensors map[string]statedict.Tensor) error {
	want, err := statedict.Shapes(c)
	if err != nil {
		return err
	}
	return statedict.Compare(want, tensors).Err(cmp.Or(c.Name, "the network"))
}

// variant says why the shapes are not those of one of package resnet's networks, if they
// have the marks of a known network of another kind. Most of these would even load in part.
func variant(shapes map[string][]int) string {
	marks := []struct{ mark, what string }{
		{"conv1.3.weight", "it has a deep stem, three 3×3 convolutions instead of one of 7×7, like timm's resnet50d"},
		{".se.", "its blocks use channel attention (squeeze-and-excitation or ECA)"},
		{".aa.", "it blurs before it downsamples, like timm's resnetblur50"},
		{".conv2.paths.", "its blocks select between convolutions (SKNet)"},
		{".conv2.attn.", "its blocks select between convolutions (SKNet)"},
		{".conv2.radix", "its blocks use split attention (ResNeSt)"},
		{".conv2.fc1.", "its blocks use split attention (ResNeSt)"},
		{".convs.", "its blocks split their channels into scales (Res2Net)"},
		{"stages.0.blocks.0.", "its layers are called stages and blocks, as in timm's resnetv2 and ConvNeXt, which are other networks"},
		{"embedder.", "it has the names of Hugging Face's transformers library; get the same weights from torchvision or timm"},
		{"features.0.weight", "its layers are called features, as in VGG, AlexNet, DenseNet and MobileNet"},
		{"patch_embed", "it is a transformer"},
		{"attention", "it is a transformer"},
		{"attn", "it is a transformer"},
	}
	names := slices.Sorted(maps.Keys(shapes))
	for _, m := range marks {
		for _, name := range names {
			if strings.Contains("."+name, m.mark) {
				return fmt.Sprintf("this architecture is not supported: %s (%s)", m.what, name)
			}
		}
	}
	convolutions := 0
	for _, name := range names {
		shape := shapes[name]
		if len(shape) == 4 {
			convolutions++
		}
		switch {
		case strings.HasSuffix(name, ".downsample.0.weight") && len(shape) == 4 && shape[2] == 3:
			return fmt.Sprintf("this architecture is not supported: its shortcuts have 3×3 convolutions where ResNet's have 1×1 ones (%s)", name)
		case strings.HasSuffix(name, ".downsample.1.weight") && len(shape) == 4:
			return fmt.Sprintf("this architecture is not supported: its shortcuts average before they project, like timm's resnet50d (%s is a convolution)", name)
		case strings.HasSuffix(name, ".bias") && len(shapes[strings.TrimSuffix(name, "bias")+"weight"]) == 4:
			return fmt.Sprintf("this architecture is not supported: its convolutions have biases (%s)", name)
		}
		if norm, ok := strings.CutSuffix(name, ".weight"); ok && len(shape) == 1 && shapes[norm+".running_mean"] == nil {
			return fmt.Sprintf("no running statistics for %s: it is not a batch norm, or the file has parameters only", norm)
		}
	}
	if len(names) == 0 {
		return "the file has no weights"
	}
	if convolutions == 0 {
		return fmt.Sprintf("this architecture is not supported: there is no convolution among its %d tensors (%s, …)", len(names), names[0])
	}
	return ""
}

// infer derives a configuration, without a name, from some of the shapes. Whether all of
// them are that configuration's is for fits to check.
func infer(shapes map[string][]int) (c resnet.Config, err error) {
	stem, err := kernel(shapes, "conv1")
	if err != nil {
		return c, err
	}
	switch {
	case stem[1] != 3:
		return c, fmt.Errorf("conv1 expects images of %d channels, want the 3 of RGB", stem[1])
	case stem[2] == 7 && stem[3] == 7:
		c.Stem = resnet.ImageNetStem
	case stem[2] == 3 && stem[3] == 3:
		c.Stem = resnet.CIFARStem
	default:
		return c, fmt.Errorf("conv1 is %d×%d, want 7×7 (ImageNet) or 3×3 (CIFAR)", stem[2], stem[3])
	}
	c.Width = stem[0]
	if c.Blocks, err = stages(shapes); err != nil {
		return c, err
	}
	switch fc := shapes["fc.weight"]; {
	case fc == nil:
		return c, errors.New("no fc.weight: these are weights without a head, so the number of classes is unknown")
	case len(fc) != 2:
		return c, fmt.Errorf("fc.weight has shape %v, want [classes, channels]", fc)
	default:
		c.Classes = fc[0]
	}
	if shapes["layer1.0.conv3.weight"] != nil {
		c.Block = resnet.Bottleneck
		if err := inferGroups(&c, shapes); err != nil {
			return c, err
		}
	}
	if shapes["bn1.weight"] == nil {
		if shapes["norm.weight"] == nil {
			return c, errors.New("neither bn1 after conv1, which networks with a batch norm after each convolution have, nor norm before fc, which those with pre-activation have")
		}
		c.PreActivation = true
	}
	c.Shortcut = inferShortcut(c, shapes)
	return c, c.Validate()
}

// kernel returns the shape [out, in/groups, height, width] of a convolution's weight.
func kernel(shapes map[string][]int, layer string) ([]int, error) {
	shape := shapes[layer+".weight"]
	switch {
	case shape == nil:
		return nil, fmt.Errorf("no %s.weight", layer)
	case len(shape) != 4 || slices.Min(shape) < 1:
		return nil, fmt.Errorf("%s.weight has shape %v, want a convolution's: [out, in, height, width]", layer, shape)
	}
	return shape, nil
}

// stages returns how many blocks each stage has: layer1.0, layer1.1, …, layer2.0, ….
func stages(shapes map[string][]int) ([]int, error) {
	found := map[int]map[int]bool{}
	for name := range shapes {
		parts := strings.Split(name, ".")
		digits, ok := strings.CutPrefix(parts[0], "layer")
		if !ok || len(parts) < 3 {
			continue
		}
		stage, err1 := strconv.Atoi(digits)
		block, err2 := strconv.Atoi(parts[1])
		if err1 != nil || err2 != nil || stage < 1 || block < 0 {
			continue
		}
		if found[stage] == nil {
			found[stage] = map[int]bool{}
		}
		found[stage][block] = true
	}
	if len(found) == 0 {
		return nil, errors.New("no blocks layer1.0, layer1.1, …")
	}
	var blocks []int
	for stage := 1; stage <= len(found); stage++ {
		if found[stage] == nil {
			return nil, fmt.Errorf("no layer%d, though there are %d stages", stage, len(found))
		}
		for block := range len(found[stage]) {
			if !found[stage][block] {
				return nil, fmt.Errorf("no layer%d.%d, though there are %d blocks in that stage", stage, block, len(found[stage]))
			}
		}
		blocks = append(blocks, len(found[stage]))
	}
	return blocks, nil
}

// inferGroups fills in the groups of bottlenecks and the width per group. In a network of
// fewer than 64 planes, several widths per group can give the same shapes: it chooses 64 if
// that is one of them, or else the smallest.
func inferGroups(c *resnet.Config, shapes map[string][]int) error {
	first, err := kernel(shapes, "layer1.0.conv1")
	if err != nil {
		return err
	}
	second, err := kernel(shapes, "layer1.0.conv2")
	if err != nil {
		return err
	}
	width, per := first[0], second[1]
	if width%per != 0 {
		return fmt.Errorf("layer1.0.conv2 has groups of %d channels, which do not divide its %d", per, width)
	}
	groups := width / per
	// The groups of a stage have planes·widthPerGroup/64 channels, rounded down.
	gives := func(widthPerGroup int) bool {
		planes := c.Width
		for stage := range c.Blocks {
			shape := shapes[fmt.Sprintf("layer%d.0.conv1.weight", stage+1)]
			if len(shape) != 4 || shape[0] != planes*widthPerGroup/64*groups {
				return false
			}
			planes *= 2
		}
		return true
	}
	if groups == 1 && gives(64) {
		return nil
	}
	candidates := []int{64}
	for candidate := 64 * per / c.Width; candidate*c.Width <= 64*(per+1); candidate++ {
		candidates = append(candidates, candidate)
	}
	for _, candidate := range candidates {
		if candidate > 0 && gives(candidate) {
			c.Groups, c.WidthPerGroup = groups, candidate
			return nil
		}
	}
	return fmt.Errorf("layer1.0.conv1 has %d channels in %d groups, and the later stages do not have two, four, … times as many", width, groups)
}

// inferShortcut detects the kind of shortcut from the blocks that have a projection.
func inferShortcut(c resnet.Config, shapes map[string][]int) resnet.Shortcut {
	out := c.Width
	if c.Block == resnet.Bottleneck {
		out *= 4
	}
	// The blocks that change the shape, those of them that project, and the others that project.
	changing, changed, identity := 0, 0, 0
	for stage, blocks := range c.Blocks {
		for block := range blocks {
			projects := shapes[fmt.Sprintf("layer%d.%d.downsample.0.weight", stage+1, block)] != nil
			changes := block == 0 && (stage > 0 || out != c.Width)
			switch {
			case changes && projects:
				changing++
				changed++
			case changes:
				changing++
			case projects:
				identity++
			}
		}
	}
	switch {
	case identity > 0:
		return resnet.ShortcutC
	case changing > 0 && changed == 0:
		return resnet.ShortcutA
	}
	return resnet.ShortcutB
}
