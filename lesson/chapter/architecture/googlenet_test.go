package architecture

import "testing"

// The numbers are PyTorch's, for the network of the paper's table: tests/reference/googlenet.py.
func TestTotalIsThatOfPyTorch(t *testing.T) {
	if got, want := GoogLeNetCost(), (Cost{Parameters: 6998552, MultiplyAdds: 1582671872}); got != want {
		t.Errorf("GoogLeNet takes %+v, want %+v", got, want)
	}
}

func TestModulesFitTogether(t *testing.T) {
	modules := InceptionModules()
	for i, m := range modules[1:] {
		if before := modules[i]; before.Out() != m.In {
			t.Errorf("%d channels leave module %s and %d enter %s", before.Out(), before.Name, m.In, m.Name)
		}
	}
	if out := modules[len(modules)-1].Out(); out != 1024 {
		t.Errorf("%d channels leave the last module, want 1024", out)
	}
}
