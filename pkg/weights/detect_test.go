package weights

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/internal/filetest"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/statedict"
)

// declared returns tensors with the network's names and shapes, without data.
func declared(t testing.TB, c resnet.Config) map[string]statedict.Tensor {
	t.Helper()
	shapes, err := statedict.Shapes(c)
	if err != nil {
		t.Fatal(err)
	}
	return withShapes(shapes)
}

func withShapes(shapes map[string][]int) map[string]statedict.Tensor {
	tensors := map[string]statedict.Tensor{}
	for name, shape := range shapes {
		tensors[name] = statedict.Tensor{Shape: shape}
	}
	return tensors
}

func mustByName(t testing.TB, name string) resnet.Config {
	t.Helper()
	c, err := resnet.ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDetectNamedModels(t *testing.T) {
	for _, name := range resnet.Names() {
		want := mustByName(t, name)
		for _, classes := range []int{want.Classes, 7} {
			want.Classes = classes
			got, err := Detect(declared(t, want))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			usual := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "-pad-end"), "-pool"), "-v1")
			switch {
			case want.Plain:
				// A plain network has the same weights as one with parameter-free shortcuts.
				if got.Shortcut != resnet.ShortcutA || got.Plain {
					t.Errorf("%s is detected as %+v, want a network of option A", name, got)
				}
				got.Shortcut, got.Plain, got.Name = want.Shortcut, want.Plain, want.Name
			case usual != name:
				if got.Name != usual {
					t.Errorf("%s is detected as %s, want %s", name, got.Name, usual)
				}
				for _, variant := range got.Variants() {
					if variant.Name == name {
						got = variant
					}
				}
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s of %d classes is detected as %+v, want %+v", name, classes, got, want)
			}
		}
	}
}

// TestDetectIsTheInverseOfDeclare tries every combination of a Config's settings, in small networks.
func TestDetectIsTheInverseOfDeclare(t *testing.T) {
	type grouping struct{ groups, widthPerGroup int }
	n := 0
	for _, stem := range []resnet.Stem{resnet.ImageNetStem, resnet.CIFARStem} {
		for _, block := range []resnet.Block{resnet.Basic, resnet.Bottleneck} {
			for _, blocks := range [][]int{{1}, {2, 1}, {1, 3, 2}, {2, 2, 2, 2}} {
				for _, width := range []int{4, 5, 64} {
					for _, g := range []grouping{{}, {4, 64}, {3, 16}, {1, 128}} {
						if block == resnet.Basic && g != (grouping{}) {
							continue
						}
						for _, shortcut := range []resnet.Shortcut{resnet.ShortcutA, resnet.ShortcutB, resnet.ShortcutC} {
							for _, preActivation := range []bool{false, true} {
								want := resnet.Config{Stem: stem, Block: block, Blocks: blocks, Width: width,
									Groups: g.groups, WidthPerGroup: g.widthPerGroup,
									Shortcut: shortcut, PreActivation: preActivation, Classes: 3}
								if !shortcutMatters(want) {
									continue
								}
								n++
								tensors := declared(t, want)
								got, err := Detect(tensors)
								if err != nil {
									t.Fatalf("%+v: %v", want, err)
								}
								if got.Name == "" || strings.ContainsAny(got.Name, " /") {
									t.Fatalf("%+v is called %q", want, got.Name)
								}
								want.Name = got.Name
								if !reflect.DeepEqual(got, want) && !sameShapes(t, got, want) {
									t.Fatalf("%+v is detected as %+v", want, got)
								}
							}
						}
					}
				}
			}
		}
	}
	if n < 500 {
		t.Errorf("only %d networks were tried", n)
	}
}

// shortcutMatters reports whether the kind of shortcut makes a difference to the weights.
func shortcutMatters(c resnet.Config) bool {
	changes := len(c.Blocks) > 1 || c.Block == resnet.Bottleneck
	same := c.Block == resnet.Basic
	for _, blocks := range c.Blocks {
		same = same || blocks > 1
	}
	switch c.Shortcut {
	case resnet.ShortcutA:
		return changes
	case resnet.ShortcutC:
		return same
	}
	return true
}

// sameShapes reports whether got differs from want only in the width per group, with the same
// shapes: in a narrow network, several widths give the same.
func sameShapes(t *testing.T, got, want resnet.Config) bool {
	shapes, err := statedict.Shapes(want)
	if err != nil {
		t.Fatal(err)
	}
	want.WidthPerGroup = got.WidthPerGroup
	return want.Width < 64 && reflect.DeepEqual(got, want) && fits(got, withShapes(shapes)) == nil
}

func TestDetectNames(t *testing.T) {
	resnext := mustByName(t, "resnext101_32x8d")
	resnext.Groups, resnext.WidthPerGroup = 64, 4
	resnet26 := mustByName(t, "resnet50")
	resnet26.Blocks = []int{2, 2, 2, 2}
	deep, err := resnet.CIFAR(26, 16)
	if err != nil {
		t.Fatal(err)
	}
	preActivated := deep
	preActivated.PreActivation = true
	for want, c := range map[string]resnet.Config{
		"resnet101-bottleneck-3-4-23-3-w64-64x4d":         resnext,
		"resnet26-bottleneck-2-2-2-2-w64":                 resnet26,
		"resnet26":                                        deep,
		"resnet26-basic-4-4-4-w16-cifar-shortcutA-preact": preActivated,
	} {
		if got, err := Detect(declared(t, c)); err != nil || got.Name != want {
			t.Errorf("%+v is called %q, %v; want %q", c, got.Name, err, want)
		}
	}
}

func TestDetectSaysWhyNot(t *testing.T) {
	type shapes = map[string][]int
	// of returns the shapes of a ResNet-50 after a change.
	of := func(change func(shapes)) shapes {
		s, err := statedict.Shapes(mustByName(t, "resnet50"))
		if err != nil {
			t.Fatal(err)
		}
		change(s)
		return s
	}
	for name, test := range map[string]struct {
		shapes shapes
		want   []string
	}{
		"nothing":             {shapes{}, []string{"no weights"}},
		"a VGG":               {shapes{"features.0.weight": {64, 3, 3, 3}, "classifier.0.weight": {10, 10}}, []string{"VGG", "features.0.weight"}},
		"a transformer":       {shapes{"encoder.layer.0.attention.self.query.weight": {768, 768}}, []string{"a transformer"}},
		"a ViT":               {shapes{"patch_embed.proj.weight": {768, 3, 16, 16}}, []string{"a transformer", "patch_embed"}},
		"an MLP":              {shapes{"0.weight": {100, 784}, "0.bias": {100}}, []string{"no convolution among its 2 tensors"}},
		"resnetv2":            {shapes{"stem.conv.weight": {64, 3, 7, 7}, "stages.0.blocks.0.norm1.weight": {64}}, []string{"resnetv2"}},
		"transformers' names": {shapes{"resnet.embedder.embedder.convolution.weight": {64, 3, 7, 7}}, []string{"Hugging Face"}},
		"resnet50d": {of(func(s shapes) {
			delete(s, "conv1.weight")
			s["conv1.0.weight"] = []int{32, 3, 3, 3}
			s["conv1.3.weight"] = []int{32, 32, 3, 3}
		}), []string{"deep stem", "resnet50d", "conv1.3.weight"}},
		"a stem in a Sequential": {of(func(s shapes) {
			delete(s, "conv1.weight")
			s["conv1.0.weight"] = []int{64, 3, 3, 3}
		}), []string{"no conv1.weight"}},
		"3×3 shortcuts": {of(func(s shapes) { s["layer2.0.downsample.0.weight"] = []int{512, 256, 3, 3} }), []string{"3×3 convolutions", "layer2.0.downsample.0.weight"}},
		"an averaging shortcut": {of(func(s shapes) {
			remove(s, "layer1.0.downsample.")
			s["layer1.0.downsample.1.weight"] = []int{256, 64, 1, 1}
		}), []string{"shortcuts average", "layer1.0.downsample.1.weight"}},
		"seresnet50":      {of(func(s shapes) { s["layer1.0.se.fc1.weight"] = []int{16, 256, 1, 1} }), []string{"squeeze-and-excitation", "layer1.0.se"}},
		"ecaresnet50":     {of(func(s shapes) { s["layer1.0.se.conv.weight"] = []int{1, 1, 5} }), []string{"ECA"}},
		"resnetblur50":    {of(func(s shapes) { s["layer2.0.aa.filt"] = []int{128, 1, 3, 3} }), []string{"blurs"}},
		"res2net":         {of(func(s shapes) { s["layer1.0.convs.0.weight"] = []int{26, 26, 3, 3} }), []string{"Res2Net"}},
		"group norm":      {of(func(s shapes) { delete(s, "bn1.running_mean"); delete(s, "bn1.running_var") }), []string{"no running statistics for bn1"}},
		"biases":          {of(func(s shapes) { s["layer1.0.conv1.bias"] = []int{64} }), []string{"biases", "layer1.0.conv1.bias"}},
		"no head":         {of(func(s shapes) { delete(s, "fc.weight"); delete(s, "fc.bias") }), []string{"without a head"}},
		"no bias":         {of(func(s shapes) { delete(s, "fc.bias") }), []string{"resnet50", "missing fc.bias"}},
		"grey images":     {of(func(s shapes) { s["conv1.weight"] = []int{64, 1, 7, 7} }), []string{"1 channels"}},
		"a 5×5 stem":      {of(func(s shapes) { s["conv1.weight"] = []int{64, 3, 5, 5} }), []string{"5×5"}},
		"a flat stem":     {of(func(s shapes) { s["conv1.weight"] = []int{64} }), []string{"conv1"}},
		"no stem":         {of(func(s shapes) { delete(s, "conv1.weight") }), []string{"no conv1.weight"}},
		"an empty stem":   {of(func(s shapes) { s["conv1.weight"] = []int{0, 3, 7, 7} }), []string{"conv1.weight has shape"}},
		"a missing block": {of(func(s shapes) { remove(s, "layer2.1.") }), []string{"no layer2.1"}},
		"a missing stage": {of(func(s shapes) { remove(s, "layer2.") }), []string{"no layer2"}},
		"no blocks":       {of(func(s shapes) { remove(s, "layer") }), []string{"no blocks"}},
		"a missing norm":  {of(func(s shapes) { remove(s, "layer3.2.bn2.") }), []string{"resnet50", "missing layer3.2.bn2.bias", ", layer3.2.bn2.weight"}},
		"a missing shortcut": {of(func(s shapes) { remove(s, "layer3.0.downsample.") }),
			[]string{"resnet50", "missing layer3.0.downsample.0.weight"}},
		"a second head": {of(func(s shapes) { s["fc2.weight"] = []int{10, 1000} }), []string{"resnet50", "unexpected fc2.weight"}},
		"a wide stage": {of(func(s shapes) { s["layer4.0.conv1.weight"] = []int{600, 1024, 1, 1} }),
			[]string{"layer1.0.conv1"}},
		"odd groups":     {of(func(s shapes) { s["layer1.0.conv2.weight"] = []int{64, 7, 3, 3} }), []string{"groups of 7 channels, which do not divide its 64"}},
		"no norm at all": {of(func(s shapes) { remove(s, "bn1.") }), []string{"neither bn1", "nor norm"}},
		"a huge stage": {of(func(s shapes) {
			s["layer1.999999999999.conv1.weight"] = []int{64, 64, 1, 1}
		}), []string{"no layer1.3"}},
		"a stage past counting": {of(func(s shapes) {
			s["layer99999999999999999999.0.conv1.weight"] = []int{64, 64, 1, 1}
		}), []string{"unexpected layer99999999999999999999.0.conv1.weight"}},
	} {
		_, err := Detect(withShapes(test.shapes))
		filetest.CheckRefused(t, name, err, test.want...)
	}
}

// remove deletes the names that start with prefix.
func remove(shapes map[string][]int, prefix string) {
	for name := range shapes {
		if strings.HasPrefix(name, prefix) {
			delete(shapes, name)
		}
	}
}

func TestCanonical(t *testing.T) {
	want := declared(t, mustByName(t, "resnet18-cifar"))
	renamed := func(rename func(string) string) map[string]statedict.Tensor {
		tensors := map[string]statedict.Tensor{}
		for name, tensor := range want {
			tensors[rename(name)] = tensor
		}
		return tensors
	}
	prefixed := func(prefix string) map[string]statedict.Tensor {
		return renamed(func(name string) string { return prefix + name })
	}
	for name, test := range map[string]struct {
		tensors map[string]statedict.Tensor
		note    string
	}{
		"torchvision's": {want, ""},
		"module.":       {prefixed("module."), "prefix module. removed, 102 names"},
		"two prefixes":  {prefixed("_orig_mod.module."), "prefix _orig_mod.module. removed"},
		"three":         {prefixed("module.model.backbone."), "prefix module.model.backbone. removed"},
		"a backbone and a head": {renamed(func(name string) string {
			if strings.HasPrefix(name, "fc.") {
				return name
			}
			return "backbone." + name
		}), "prefix backbone. removed, 100 names"},
		"pytorch-cifar's": {renamed(func(name string) string {
			return "module." + strings.Replace(strings.Replace(name, "fc.", "linear.", 1), ".downsample.", ".shortcut.", 1)
		}), "linear renamed to fc, 2 names"},
	} {
		test.tensors["module.bn1.num_batches_tracked"] = statedict.Tensor{Shape: []int{}}
		got, notes, err := Canonical(test.tensors)
		delete(want, "module.bn1.num_batches_tracked")
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %d tensors, %v; want %d", name, len(got), err, len(want))
		}
		if !strings.Contains(fmt.Sprint(notes), test.note) || test.note == "" && len(notes) > 0 {
			t.Errorf("%s: the notes are %q, want %q", name, notes, test.note)
		}
	}
	_, _, err := Canonical(withShapes(map[string][]int{"module.fc.weight": {1}, "model.fc.weight": {1}}))
	filetest.CheckRefused(t, "two networks", err, "model.fc.weight and module.fc.weight are both fc.weight")
	_, _, err = Canonical(withShapes(map[string][]int{"linear.weight": {1}, "fc.weight": {1}}))
	filetest.CheckRefused(t, "two heads", err, "fc.weight and linear.weight are both fc.weight")
}
