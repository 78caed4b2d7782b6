package architecture

import (
	"testing"

	"github.com/residual-go/residual/pkg/resnet"
)

// The expected cost was computed by PyTorch, for the network of the paper's table: see
// tests/reference/googlenet.py.
func TestGoogLeNetCost(t *testing.T) {
	if got, want := GoogLeNetCost(), (Cost{Parameters: 6998552, MultiplyAdds: 1582671872}); got != want {
		t.Errorf("GoogLeNet costs %+v, want %+v", got, want)
	}
}

func TestModulesFitTogether(t *testing.T) {
	modules := InceptionModules()
	for i, m := range modules[1:] {
		if before := modules[i]; before.Out() != m.In {
			t.Errorf("module %s has %d output channels, but module %s has %d input channels", before.Name, before.Out(), m.Name, m.In)
		}
	}
	if out := modules[len(modules)-1].Out(); out != 1024 {
		t.Errorf("the last module has %d output channels, want 1024", out)
	}
}

// A block of a drawing has the shapes and the branches of the model.
func TestBlockModule(t *testing.T) {
	s := summary(t, "resnet18")
	for name, want := range map[string]struct {
		input, output    string
		branch, shortcut int
	}{
		"layer1.0": {"56×56×64", "56×56×64", 2, 0},
		"layer1.1": {"56×56×64", "56×56×64", 2, 0},
		"layer2.0": {"56×56×64", "28×28×128", 2, 1},
	} {
		m, err := blockModule(s, name)
		if err != nil {
			t.Fatal(err)
		}
		if m.Input != want.input || m.Output != want.output || len(m.Branches[0]) != want.branch || len(m.Branches[1]) != want.shortcut {
			t.Errorf("%s is drawn as %+v, want %+v", name, m, want)
		}
	}
	config, err := resnet.ByName("resnet18")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := InceptionModules()[0].Beside(config, "layer1.0", "layer2.0"); err != nil {
		t.Error(err)
	}
	if _, err := InceptionModules()[0].Beside(config, "layer9.0"); err == nil {
		t.Error("a block that the network does not have is drawn without an error")
	}
}
