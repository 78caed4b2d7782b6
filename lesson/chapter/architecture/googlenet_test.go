package architecture

import "testing"

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
