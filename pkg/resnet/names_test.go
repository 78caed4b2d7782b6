package resnet

import (
	"reflect"
	"strings"
	"testing"
)

// Every combination of settings has a name of its own, by which it is found.
func TestNamesFindEveryVariant(t *testing.T) {
	seen := map[string]Config{}
	for _, stem := range []Stem{ImageNetStem, CIFARStem, CIFARPoolStem} {
		for _, block := range []Block{Basic, Bottleneck} {
			for _, blocks := range [][]int{{1}, {3, 3, 3}, {2, 2, 2, 2}, {3, 4, 6, 3}} {
				for _, shortcut := range []Shortcut{ShortcutA, ShortcutB, ShortcutC, ShortcutPadEnd, -1} {
					for i := range 16 {
						want := Config{Stem: stem, Block: block, Blocks: blocks, Width: []int{16, 64}[i%2],
							Shortcut: shortcut, PreActivation: i&2 > 0, StrideFirst: i&4 > 0, Classes: 10}
						if want.Plain = shortcut < 0; want.Plain {
							want.Shortcut = ShortcutB
						}
						if i&8 > 0 {
							want.Groups, want.WidthPerGroup = 4, 32
						}
						if want.Validate() != nil {
							continue
						}
						name := NameOf(want)
						if other, ok := seen[name]; ok {
							t.Fatalf("%+v and %+v are both called %s", other, want, name)
						}
						seen[name] = want
						got, err := ByName(name)
						if err != nil {
							t.Fatalf("%+v: %v", want, err)
						}
						if got.Name != name || !same(got, want) {
							t.Fatalf("%s is %+v, want %+v", name, got, want)
						}
					}
				}
			}
		}
	}
	if len(seen) < 400 {
		t.Errorf("only %d networks were tried", len(seen))
	}
}

func TestNamesOfVariants(t *testing.T) {
	for name, want := range map[string]func(*Config){
		"resnet20-pad-end":                 func(c *Config) { c.Shortcut = ShortcutPadEnd },
		"resnet110-pad-end":                func(c *Config) { c.Shortcut = ShortcutPadEnd },
		"resnet20-pool":                    func(c *Config) { c.Stem = CIFARPoolStem },
		"resnet20-pad-end-pool":            func(c *Config) { c.Stem, c.Shortcut = CIFARPoolStem, ShortcutPadEnd },
		"plain20-pool":                     func(c *Config) { c.Stem = CIFARPoolStem },
		"resnet18-cifar-pool":              func(c *Config) { c.Stem, c.Classes = CIFARPoolStem, 10 },
		"plain18-cifar-pool":               func(c *Config) { c.Stem, c.Classes = CIFARPoolStem, 10 },
		"resnet50-v1":                      func(c *Config) { c.StrideFirst = true },
		"resnext50_32x4d-v1":               func(c *Config) { c.StrideFirst = true },
		"resnet50-cifar":                   func(c *Config) { c.Stem, c.Classes = CIFARStem, 10 },
		"resnet50-cifar-pool-v1":           func(c *Config) { c.Stem, c.StrideFirst, c.Classes = CIFARPoolStem, true, 10 },
		"resnet20-w4":                      func(c *Config) { c.Width = 4 },
		"resnet20-w4-pad-end":              func(c *Config) { c.Width, c.Shortcut = 4, ShortcutPadEnd },
		"resnet56-shortcutC":               func(c *Config) { c.Shortcut = ShortcutC },
		"resnet18-basic-2-2-2-2-w32-cifar": func(c *Config) { c.Stem, c.Width, c.Classes = CIFARStem, 32, 10 },
	} {
		config, err := ByName(name)
		if err != nil {
			t.Error(err)
			continue
		}
		base, _, _ := strings.Cut(name, "-")
		wanted := named(t, base)
		want(&wanted)
		config.Name = base
		if !reflect.DeepEqual(config, wanted) {
			t.Errorf("%s is %+v, want %+v", name, config, wanted)
		}
	}
	for _, name := range []string{"resnet26", "plain1202", "plain26-w8"} {
		if config, err := ByName(name); err != nil || config.Name != name {
			t.Errorf("%s is %+v, %v", name, config, err)
		}
	}
}

func TestByNameRefuses(t *testing.T) {
	for _, name := range []string{"", "-", "resnet", "resnet21", "plain19", "resnet18-v1", "resnet18-pool", "resnet20-", "-pad-end",
		"plain20-pad-end", "resnet20-4x32d", "resnet50-4x0x4d", "resnet20-w0", "resnet99998", "resnet20-bottleneck", "resnet51-bottleneck-3-4-6-3",
		"resnet2-basic-99999999999", "resnet50-pad", "resnet50-V1", "resnet50.a1_in1k"} {
		config, err := ByName(name)
		if err == nil {
			t.Errorf("%q is %+v, want an error", name, config)
		} else {
			checkError(t, name, err, "unknown model")
		}
	}
}

func FuzzByName(f *testing.F) {
	for _, name := range Names() {
		f.Add(name)
	}
	f.Add("resnet26-bottleneck-2-2-2-2-w64-4x32d-cifar-shortcutC-preact-pool-v1")
	f.Fuzz(func(t *testing.T, name string) {
		config, err := ByName(name)
		if err != nil {
			return
		}
		again, err := ByName(config.Name)
		if err != nil || config.Validate() != nil || !same(config, again) {
			t.Errorf("%q is %+v, and that name %+v, %v", name, config, again, err)
		}
	})
}
