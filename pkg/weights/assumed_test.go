package weights

import (
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/hub"
	"github.com/residual-go/residual/pkg/resnet"
)

// What nothing tells is assumed and said, with the alternatives.
func TestAssumedNetworks(t *testing.T) {
	for name, want := range map[string][]string{
		"resnet20":            {"assuming resnet20", "plain20 (no shortcuts)", "resnet20-pad-end (shortcuts with all zeros behind the channels)", "resnet20-pool (a max pool in the stem)"},
		"plain56":             {"assuming resnet56", "plain56 (no shortcuts)", "resnet56-pad-end"},
		"resnet18":            nil,
		"resnet34":            nil,
		"resnet50":            {"assuming resnet50", "resnet50-v1 (the stride in the first 1×1 convolution of bottlenecks)"},
		"resnet18-cifar-pool": {"assuming resnet18-cifar", "those of resnet18-cifar-pool (a max pool in the stem); "},
	} {
		file := &File{Path: "w.pth", Tensors: declared(t, mustByName(t, name))}
		m, err := file.Model(hub.Origin{}, "")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		note := m.AssumedNetwork()
		for _, part := range want {
			if !strings.Contains(note, part) {
				t.Errorf("%s: the note is %q, want it to contain %q", name, note, part)
			}
		}
		if want == nil && note != "" || strings.Contains(note, "\n") {
			t.Errorf("%s: the note is %q", name, note)
		}
		// Each alternative can be asked for, and nothing is assumed then.
		for _, alternative := range append(m.Assumed.Alternatives, m.Config) {
			asked, err := file.Model(hub.Origin{}, alternative.Name)
			if err != nil || asked.Config.Name != alternative.Name || asked.AssumedNetwork() != "" {
				t.Errorf("%s as %s: %v, %v", name, alternative.Name, asked, err)
			}
		}
		if !strings.Contains(m.AssumedImages(), "normalised as imagenet (mean [0.485 0.456 0.406], std [0.229 0.224 0.225])") {
			t.Errorf("%s: the note about images is %q", name, m.AssumedImages())
		}
	}
}

// A source that names the network and the normalisation leaves nothing to assume.
func TestSourcesTell(t *testing.T) {
	half := dataset.HalfNormalization()
	for _, name := range []string{"plain20", "resnet20", "resnet20-pad-end", "resnet50-v1", "resnet18-cifar-pool"} {
		c := mustByName(t, name)
		m, err := (&File{Path: "w.pt", Tensors: declared(t, c)}).Model(hub.Origin{Architecture: name, Normalization: &half}, "")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if m.Config.Name != name || m.Config.Plain != c.Plain || m.Config.Shortcut != c.Shortcut || m.Config.Stem != c.Stem ||
			m.Normalization != half || m.AssumedImages() != "" || m.AssumedNetwork() != "" {
			t.Errorf("%s: %+v, %v, %+v", name, m.Config, m.Normalization, m.Assumed)
		}
	}
	// timm's ResNet-26 is a different network from the one of this name in package resnet.
	c := mustByName(t, "resnet50")
	c.Blocks = []int{2, 2, 2, 2}
	m, err := (&File{Path: "w.pt", Tensors: declared(t, c)}).Model(hub.Origin{Architecture: "resnet26"}, "")
	if err != nil || m.Config.Name != "resnet26-bottleneck-2-2-2-2-w64" || m.AssumedNetwork() != "" {
		t.Errorf("timm's resnet26: %+v, %v", m, err)
	}
}

// Our own files say everything.
func TestOurFilesTell(t *testing.T) {
	for _, name := range []string{"plain20", "resnet20-pad-end", "resnet20-pool"} {
		m := trained(t)
		m.Config = mustByName(t, name)
		m.Config.Classes = 3
		m.Tensors = valued(t, m.Config, 0.5)
		path := t.TempDir() + "/m.safetensors"
		if err := m.Save(path); err != nil {
			t.Fatal(err)
		}
		got, err := Open(t.Context(), path, Options{})
		if err != nil || resnet.NameOf(got.Config) != name || got.Normalization != m.Normalization || got.AssumedImages() != "" || got.AssumedNetwork() != "" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}
