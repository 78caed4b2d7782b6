package weights

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/statedict"
)

// Detect returns the architecture that tensors are the weights of, told by their canonical
// names and their shapes alone. Every tensor must have its place in it and every place its
// tensor; an error says what does not fit and why.
//
// Its Name is that of resnet.ByName, or of resnet.CIFAR, if the network is theirs but for the
// number of classes; other names spell the network out.
//
// Weights do not tell a network with shortcuts that have no parameters (resnet.ShortcutA)
// from its plain twin, which has none: Detect takes them for the former, and
// Options.Architecture of Open can say otherwise. What makes no difference to the network,
// as a kind of shortcut where there is nothing for it to do, is what the zero Config has.
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
	c.Name = nameOf(c)
	if err := fits(c, shapes); err != nil {
		return resnet.Config{}, err
	}
	return c, nil
}

// variant says why shapes are no network of package resnet's, if they have the marks of one
// that is known and is something else; most of them would even load in part.
func variant(shapes map[string][]int) string {
	marks := []struct{ mark, what string }{
		{"conv1.0.weight", "it has a deep stem, three 3×3 convolutions for the 7×7 one, as timm's resnet50d and its kin"},
		{".se.", "its blocks weigh their channels (squeeze-and-excitation or ECA)"},
		{".aa.", "it blurs before it takes every second pixel, as timm's resnetblur50"},
		{".conv2.paths.", "its convolutions have paths to select from (SKNet)"},
		{".conv2.attn.", "its convolutions have paths to select from (SKNet)"},
		{".conv2.radix", "its convolutions split attention (ResNeSt)"},
		{".conv2.fc1.", "its convolutions split attention (ResNeSt)"},
		{".convs.", "its blocks split their channels into scales (Res2Net)"},
		{"stages.0.blocks.0.", "it is built of stages and blocks, as timm's resnetv2 and ConvNeXt, which are other networks"},
		{"embedder.", "it has the names of Hugging Face's transformers; take the same weights from torchvision or timm"},
		{"features.0.weight", "it is a sequence of features, as VGG, AlexNet, DenseNet and MobileNet"},
		{"patch_embed", "it is a transformer"},
		{"attention", "it is a transformer"},
		{"attn", "it is a transformer"},
	}
	names := slices.Sorted(maps.Keys(shapes))
	for _, m := range marks {
		for _, name := range names {
			if strings.Contains("."+name, m.mark) {
				return fmt.Sprintf("no network that this package builds: %s (%s)", m.what, name)
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
		case strings.HasSuffix(name, ".downsample.1.weight") && len(shape) == 4:
			return fmt.Sprintf("no network that this package builds: its shortcuts average before they project, as timm's resnet50d (%s is a convolution)", name)
		case strings.HasSuffix(name, ".bias") && len(shapes[strings.TrimSuffix(name, "bias")+"weight"]) == 4:
			return fmt.Sprintf("no network that this package builds: its convolutions have biases (%s)", name)
		}
		if norm, ok := strings.CutSuffix(name, ".weight"); ok && len(shape) == 1 && shapes[norm+".running_mean"] == nil {
			return fmt.Sprintf("no running statistics for %s: its norms are no batch norms, or the file is of parameters alone", norm)
		}
	}
	if len(names) == 0 {
		return "there are no weights in it"
	}
	if convolutions == 0 {
		return fmt.Sprintf("no network that this package builds: there is no convolution among its %d tensors (%s, …)", len(names), names[0])
	}
	return ""
}

// infer reads a configuration off the shapes, without a name. That they are those of the
// configuration is for fits to say.
func infer(shapes map[string][]int) (c resnet.Config, err error) {
	stem, err := kernel(shapes, "conv1")
	if err != nil {
		return c, err
	}
	switch {
	case stem[1] != 3:
		return c, fmt.Errorf("conv1 takes images of %d channels, want the 3 of RGB", stem[1])
	case stem[2] == 7 && stem[3] == 7:
		c.Stem = resnet.ImageNetStem
	case stem[2] == 3 && stem[3] == 3:
		c.Stem = resnet.CIFARStem
	default:
		return c, fmt.Errorf("conv1 is %d×%d, want the 7×7 of ImageNet's networks or the 3×3 of CIFAR's", stem[2], stem[3])
	}
	c.Width = stem[0]
	if c.Blocks, err = stages(shapes); err != nil {
		return c, err
	}
	switch fc := shapes["fc.weight"]; {
	case fc == nil:
		return c, errors.New("no fc.weight: these are weights without a head, which say nothing about classes")
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
			return c, errors.New("no bn1 behind conv1, as networks have it with batch norm behind each convolution, and no norm before fc, as those with it in front")
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
		return nil, fmt.Errorf("%s.weight has shape %v, want that of a convolution, [out, in, height, width]", layer, shape)
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
		return nil, errors.New("there are no blocks layer1.0, layer1.1, … in it")
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

// inferGroups fills in the groups, and the width per group, of bottlenecks. More than one
// width can give the same shapes in a network of less than 64 planes: 64 is taken then, or
// the least.
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
		return fmt.Errorf("layer1.0.conv2 has groups of %d of %d channels, which do not come out even", per, width)
	}
	groups := width / per
	// A stage of so many planes has groups of planes·widthPerGroup/64 channels, rounded down.
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
	return fmt.Errorf("layer1.0.conv1 has %d channels in %d groups, and the stages behind it others than two, four, … times as many", width, groups)
}

// inferShortcut tells the kinds of shortcut apart by the blocks that have a projection.
func inferShortcut(c resnet.Config, shapes map[string][]int) resnet.Shortcut {
	out := c.Width
	if c.Block == resnet.Bottleneck {
		out *= 4
	}
	changing, changed, identity := 0, 0, 0 // blocks whose shape changes; with a projection; others with one
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

// nameOf returns what the network is called: as resnet.ByName and resnet.CIFAR have it, or,
// of others, its depth and all that tells it from them.
func nameOf(c resnet.Config) string {
	for _, name := range resnet.Names() {
		if named, err := resnet.ByName(name); err == nil && same(named, c) {
			return name
		}
	}
	perBlock, block := 2, "basic"
	if c.Block == resnet.Bottleneck {
		perBlock, block = 3, "bottleneck"
	}
	depth := 2
	name := "-" + block
	for _, blocks := range c.Blocks {
		depth += perBlock * blocks
		name += fmt.Sprintf("-%d", blocks)
	}
	if named, err := resnet.CIFAR(depth, c.Width); err == nil && same(named, c) {
		return named.Name
	}
	name = fmt.Sprintf("resnet%d%s-w%d", depth, name, c.Width)
	if c.Groups > 0 {
		name += fmt.Sprintf("-%dx%dd", c.Groups, c.WidthPerGroup)
	}
	if c.Stem == resnet.CIFARStem {
		name += "-cifar"
	}
	switch c.Shortcut {
	case resnet.ShortcutA:
		name += "-shortcutA"
	case resnet.ShortcutC:
		name += "-shortcutC"
	}
	if c.PreActivation {
		name += "-preact"
	}
	return name
}

// same reports whether two networks are the same but for their names and their classes.
func same(a, b resnet.Config) bool {
	a.Name, a.Classes = b.Name, b.Classes
	return reflect.DeepEqual(a, b)
}

// fits returns an error that says what is missing, what is misshaped and what is left over,
// unless the shapes are exactly those of the configuration.
func fits(c resnet.Config, shapes map[string][]int) error {
	want, err := shapesOf(c)
	if err != nil {
		return err
	}
	var problems []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		switch got, ok := shapes[name]; {
		case !ok:
			problems = append(problems, "no "+name)
		case !slices.Equal(got, want[name]):
			problems = append(problems, fmt.Sprintf("%s has shape %v, want %v", name, got, want[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		if want[name] == nil {
			problems = append(problems, "no place for "+name)
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("not the weights of %s: %s", c.Name, few(problems))
	}
	return nil
}

// shapesOf returns the shape, in PyTorch's layout, of every weight of the network by its name.
func shapesOf(c resnet.Config) (map[string][]int, error) {
	scope := model.NewStore().RootScope()
	if err := c.Declare(scope); err != nil {
		return nil, err
	}
	shapes := map[string][]int{}
	for variable := range scope.IterVariables() {
		key, _ := resnet.StateDictKey(scope, variable)
		shapes[key] = statedict.Shape(variable)
	}
	return shapes, nil
}
