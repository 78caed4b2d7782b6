package architecture

import (
	"slices"
	"testing"

	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/resnet"
)

func summary(t *testing.T, name string) *resnet.Summary {
	t.Helper()
	config, err := resnet.ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	summary, err := config.Summary(224, 224)
	if err != nil {
		t.Fatal(err)
	}
	return summary
}

// TestNamesCountTheLayers: the number in a network's name counts the convolutions on the main
// path and the linear layer (He et al. 2015, table 1).
func TestNamesCountTheLayers(t *testing.T) {
	for name, want := range map[string]struct{ depth, shortcuts int }{
		"resnet18": {18, 3}, "resnet34": {34, 3}, "resnet50": {50, 4}, "resnet101": {101, 4}, "resnet152": {152, 4},
	} {
		s := summary(t, name)
		var depth, shortcuts int
		var parameters, multiplyAdds int64
		for _, stage := range Stages(s) {
			depth += stage.Convolutions + stage.Linear
			shortcuts += stage.Shortcuts
			parameters += stage.Parameters
			multiplyAdds += stage.MultiplyAdds
		}
		if depth != want.depth || shortcuts != want.shortcuts {
			t.Errorf("%s: %d layers and %d shortcut convolutions, want %d and %d", name, depth, shortcuts, want.depth, want.shortcuts)
		}
		if parameters != s.Parameters || multiplyAdds != s.MultiplyAdds {
			t.Errorf("%s: the stages add up to %d parameters and %d multiply-adds, want %d and %d", name, parameters, multiplyAdds, s.Parameters, s.MultiplyAdds)
		}
	}
}

func TestStagesOfResNet18(t *testing.T) {
	var names []string
	var outputs []int
	for _, stage := range Stages(summary(t, "resnet18")) {
		names, outputs = append(names, stage.Name), append(outputs, stage.Output[len(stage.Output)-1])
	}
	if !slices.Equal(names, []string{"stem", "layer1", "layer2", "layer3", "layer4", "head"}) || !slices.Equal(outputs, []int{64, 64, 128, 256, 512, 1000}) {
		t.Errorf("stages %v with channels %v", names, outputs)
	}
}

func TestChainOfResNet18(t *testing.T) {
	layers, links := chain(summary(t, "resnet18"))
	if len(layers) != 20 { // 17 convolutions, two pools and a linear layer
		t.Errorf("%d boxes, want 20", len(layers))
	}
	want := []figure.Link{{From: 2, To: 3}, {From: 4, To: 5}, {From: 6, To: 7, Projection: true}, {From: 8, To: 9},
		{From: 10, To: 11, Projection: true}, {From: 12, To: 13}, {From: 14, To: 15, Projection: true}, {From: 16, To: 17}}
	if !slices.Equal(links, want) {
		t.Errorf("links %v, want %v", links, want)
	}
	first, last := layers[0], layers[len(layers)-1]
	if first.Label != "7×7, 64" || first.Size != "112×112×64" || last.Label != "linear, 1000" {
		t.Errorf("the first box is %+v and the last %+v", first, last)
	}
}

func TestPlainNetworksHaveNoLinks(t *testing.T) {
	config, err := resnet.ByName("resnet18")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []resnet.Config{config, config.PlainTwin()} {
		if _, err := Diagram(c, 224, 224); err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
	}
}
