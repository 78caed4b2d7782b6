package block

import (
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/resnet"
)

func TestBoxes(t *testing.T) {
	basic := tiny(t)
	basic.Shortcut = resnet.ShortcutB
	padded := tiny(t)
	preActivated := basic
	preActivated.PreActivation = true
	bottleneck, err := resnet.ByName("resnet50")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		config      resnet.Config
		name, boxes string
		shortcut    figure.Link
	}{
		{basic, "layer1.0", "3×3, 4|norm|ReLU|3×3, 4|norm|ReLU", figure.Link{To: 4}},
		{basic, "layer2.0", "3×3, 8 stride 2|norm|ReLU|3×3, 8|norm|ReLU", figure.Link{To: 4, Projection: true, Label: "1×1, 8, norm"}},
		{padded, "layer2.0", "3×3, 8 stride 2|norm|ReLU|3×3, 8|norm|ReLU", figure.Link{To: 4, Projection: true}},
		{preActivated, "layer1.0", "norm|ReLU|3×3, 4|norm|ReLU|3×3, 4", figure.Link{To: 5}},
		{preActivated, "layer2.0", "norm|ReLU|3×3, 8 stride 2|norm|ReLU|3×3, 8", figure.Link{From: 2, To: 5, Projection: true, Label: "1×1, 8"}},
		{bottleneck, "layer1.1", "1×1, 64|norm|ReLU|3×3, 64|norm|ReLU|1×1, 256|norm|ReLU", figure.Link{To: 7}},
	} {
		summary, err := test.config.Summary(32, 32)
		if err != nil {
			t.Fatal(err)
		}
		boxes, shortcut := boxes(summary, test.name)
		var labels []string
		for _, box := range boxes {
			labels = append(labels, box.Label)
		}
		if got := strings.Join(labels, "|"); got != test.boxes {
			t.Errorf("%s of %s: boxes %s, want %s", test.name, test.config.Name, got, test.boxes)
		}
		if shortcut != test.shortcut {
			t.Errorf("%s of %s: shortcut %+v, want %+v", test.name, test.config.Name, shortcut, test.shortcut)
		}
	}
	if _, err := Diagram("a block", basic, "layer9.0"); err == nil || !strings.Contains(err.Error(), "layer9.0") {
		t.Errorf("an unknown block: error %v, want one that names the block", err)
	}
	if _, err := Diagram("a block", basic.PlainTwin(), "layer1.0"); err != nil {
		t.Error(err)
	}
}
