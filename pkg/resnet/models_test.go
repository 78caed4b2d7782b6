package resnet

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/ml/model"
)

func TestEveryNamedModelBuilds(t *testing.T) {
	for _, name := range Names() {
		config := named(t, name)
		if config.Name != name {
			t.Errorf("the model %s calls itself %s", name, config.Name)
		}
		height, width, classes := 32, 32, 10
		if config.Stem == ImageNetStem {
			height, width, classes = 64, 96, 1000
		}
		summary, err := config.Summary(height, width)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		last := summary.Layers[len(summary.Layers)-1]
		if last.Name != "fc" || !slices.Equal(last.Output, []int{classes}) || summary.Model != name || !slices.Equal(summary.Input, []int{height, width, 3}) {
			t.Errorf("%s for %v ends with %s of shape %v, want fc of %d classes", summary.Model, summary.Input, last.Name, last.Output, classes)
		}
		// The summary counts the trained variables.
		store := model.NewStore()
		if err := config.Declare(store.RootScope()); err != nil {
			t.Fatal(err)
		}
		trained := 0
		for variable := range store.IterVariables() {
			if variable.Trainable {
				trained += variable.Shape().Size()
			}
		}
		if int64(trained) != summary.Parameters {
			t.Errorf("%s: %d trained values and %d in the summary", name, trained, summary.Parameters)
		}
	}
}

func TestNamesAreUniqueAndListedOnError(t *testing.T) {
	names := Names()
	if unique := slices.Compact(slices.Sorted(slices.Values(names))); len(unique) != len(names) {
		t.Errorf("names repeat in %v", names)
	}
	for _, name := range []string{"resnet18", "resnet50", "resnet20", "plain20", "resnet110", "plain110", "resnet18-cifar", "plain34",
		"resnet50-v1", "resnet18-cifar-pool", "resnet20-pad-end", "resnet110-pad-end"} {
		if !slices.Contains(names, name) {
			t.Errorf("no %s among %v", name, names)
		}
	}
	_, err := ByName("resnet19")
	checkError(t, "resnet19", err, `unknown model "resnet19"; the models are `+strings.Join(names, ", "))
}

func TestNamedModelsAreIndependent(t *testing.T) {
	changed := named(t, "resnet18")
	changed.Blocks[0] = 9
	for _, name := range []string{"resnet18", "plain18", "resnet18-cifar"} {
		if config := named(t, name); config.Blocks[0] != 2 {
			t.Errorf("a change to resnet18 changed %s", name)
		}
	}
}

func TestCIFARDepths(t *testing.T) {
	for depth, blocks := range map[int]int{8: 1, 14: 2, 20: 3, 32: 5, 44: 7, 56: 9, 110: 18, 1202: 200} {
		config, err := CIFAR(depth, 16)
		if err != nil {
			t.Errorf("depth %d: %v", depth, err)
			continue
		}
		if want := []int{blocks, blocks, blocks}; !slices.Equal(config.Blocks, want) || config.Name != fmt.Sprint("resnet", depth) ||
			config.Block != Basic || config.Stem != CIFARStem || config.Shortcut != ShortcutA || config.Width != 16 || config.Classes != 10 {
			t.Errorf("depth %d is %+v, want blocks %v", depth, config, want)
		}
	}
	for _, depth := range []int{-4, 0, 2, 7, 9, 18, 21} {
		_, err := CIFAR(depth, 16)
		checkError(t, fmt.Sprint("depth ", depth), err, fmt.Sprintf("depth %d is not 6n+2", depth))
	}
	_, err := CIFAR(20, 0)
	checkError(t, "width 0", err, "width 0")
	if config, err := CIFAR(20, 4); err != nil || config.Name != "resnet20-w4" || config.Width != 4 {
		t.Errorf("width 4 is %+v, %v", config, err)
	}
}

// A plain twin has the layers of its model, with the same shapes, but no projections.
func TestPlainTwinHasTheSameLayersWithoutProjections(t *testing.T) {
	configs := tiny()
	for _, name := range []string{"resnet18", "resnet50", "resnet20"} {
		configs[name] = named(t, name)
	}
	for name, config := range configs {
		config.ZeroInitResidual = !config.Plain
		twin := config.PlainTwin()
		if want := strings.Replace(config.Name, "resnet", "plain", 1); twin.Name != want || !twin.Plain {
			t.Errorf("%s: the twin is %+v, want a plain network named %s", name, twin, want)
		}
		a, err := config.Summary(32, 32)
		if err != nil {
			t.Fatal(err)
		}
		b, err := twin.Summary(32, 32)
		if err != nil {
			t.Fatal(err)
		}
		a.Layers = slices.DeleteFunc(a.Layers, func(layer Layer) bool { return strings.Contains(layer.Name, "downsample") })
		if got, want := fmt.Sprint(b.Layers), fmt.Sprint(a.Layers); got != want {
			t.Errorf("%s: the twin's layers are %s, want %s", name, got, want)
		}
	}
	if twin := named(t, "resnet20").PlainTwin(); fmt.Sprint(twin) != fmt.Sprint(named(t, "plain20")) {
		t.Errorf("resnet20's twin is %+v, want plain20", twin)
	}
}

func TestValidateRefuses(t *testing.T) {
	for want, change := range map[string]func(c *Config){
		"no stages":                  func(c *Config) { c.Blocks = nil },
		"17 stages":                  func(c *Config) { c.Blocks = slices.Repeat([]int{1}, 17) },
		"stage 1 has 9999999 blocks": func(c *Config) { c.Blocks = []int{9999999} },
		"stage 2 has 9 blocks, want at most 1000": func(c *Config) { c.Blocks = []int{992, 9} },
		"width 99999999":                func(c *Config) { c.Width = 99999999 },
		"e+11 weights":                  func(c *Config) { c.Width = 8192 },
		"for 900000000 classes":         func(c *Config) { c.Classes = 900000000 },
		"width 0":                       func(c *Config) { c.Width = 0 },
		"width -1":                      func(c *Config) { c.Width = -1 },
		"0 classes":                     func(c *Config) { c.Classes = 0 },
		"unknown stem 3":                func(c *Config) { c.Stem = 3 },
		"unknown block -1":              func(c *Config) { c.Block = -1 },
		"unknown shortcut 4":            func(c *Config) { c.Shortcut = 4 },
		"unknown shortcut -1":           func(c *Config) { c.Shortcut = -1 },
		"-2 groups of width 64":         func(c *Config) { c.Groups = -2 },
		"1 groups of width -64":         func(c *Config) { c.WidthPerGroup = -64 },
		"no channels for the first bot": func(c *Config) { c.Width, c.WidthPerGroup = 4, 8 },
		"stage 2 has 0 blocks":          func(c *Config) { c.Blocks = []int{1, 0} },
		"a plain network cannot have Z": func(c *Config) { c.Plain, c.ZeroInitResidual = true, true },
		"only bottlenecks have groups":  func(c *Config) { c.Block, c.Groups = Basic, 2 },
		"only bottlenecks have Stride":  func(c *Config) { c.Block, c.StrideFirst = Basic, true },
		"only bottlenecks have group":   func(c *Config) { c.Block, c.WidthPerGroup = Basic, 128 },
	} {
		config := named(t, "resnet50")
		change(&config)
		checkError(t, want, config.Validate(), want)
		_, err := config.Summary(32, 32)
		checkError(t, "summary: "+want, err, want)
		checkError(t, "declare: "+want, config.Declare(model.NewStore().RootScope()), want)
	}
}

// The first number in a network's name is its number of layers.
func TestLayers(t *testing.T) {
	for _, name := range Names() {
		want, err := strconv.Atoi(regexp.MustCompile(`[0-9]+`).FindString(name))
		if err != nil {
			t.Fatalf("%s has no number of layers in its name", name)
		}
		if got := named(t, name).Layers(); got != want {
			t.Errorf("%s has %d layers, want %d", name, got, want)
		}
	}
}
