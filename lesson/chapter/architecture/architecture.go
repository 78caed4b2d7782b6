// Package architecture is the code of notebook 4, ResNet-18, and on to 152: the layers and
// the cost of each stage of a network, its diagram, and GoogLeNet's cost for comparison.
// Stages and diagrams are read from a [resnet.Summary], so they work for every network that
// package resnet can build.
package architecture

import (
	"fmt"
	"strings"

	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/resnet"
)

// Stage is a part of a network: the stem, one of layer1, layer2, …, or the head.
type Stage struct {
	Name string
	// Convolutions counts the convolutions on the main path, Shortcuts the convolutions in
	// shortcuts, and Linear the linear layers.
	Convolutions, Shortcuts, Linear int
	// Output is the shape of the stage's output for one image.
	Output                   []int
	Parameters, MultiplyAdds int64
}

// Stages adds up a summary's layers by stage and returns the stages in order.
func Stages(summary *resnet.Summary) []Stage {
	var stages []Stage
	for _, layer := range summary.Layers {
		name := stageOf(layer.Name)
		if len(stages) == 0 || stages[len(stages)-1].Name != name {
			stages = append(stages, Stage{Name: name})
		}
		stage := &stages[len(stages)-1]
		stage.Output = layer.Output
		stage.Parameters += layer.Parameters
		stage.MultiplyAdds += layer.MultiplyAdds
		switch {
		case isShortcut(layer) && isConvolution(layer):
			stage.Shortcuts++
		case isConvolution(layer):
			stage.Convolutions++
		case layer.Kind == "linear":
			stage.Linear++
		}
	}
	return stages
}

// stageOf returns the name of the stage of the layer with the given name.
func stageOf(name string) string {
	switch stage, _, _ := strings.Cut(name, "."); {
	case strings.HasPrefix(stage, "layer"):
		return stage
	case stage == "avgpool" || stage == "fc" || stage == "norm":
		return "head"
	default:
		return "stem"
	}
}

// blockOf returns the block of the layer with the given name, such as layer1.0, or "" for a
// layer outside the blocks.
func blockOf(name string) string {
	parts := strings.SplitN(name, ".", 3)
	if len(parts) < 3 || !strings.HasPrefix(name, "layer") {
		return ""
	}
	return parts[0] + "." + parts[1]
}

func isConvolution(layer resnet.Layer) bool { return strings.HasPrefix(layer.Kind, "conv") }

func isShortcut(layer resnet.Layer) bool { return strings.Contains(layer.Name, ".downsample") }

// Diagram draws the network for images of the given height and width: the layers on the main
// path that have weights or change the shape, and the shortcuts past them.
func Diagram(config resnet.Config, height, width int) (*figure.Figure, error) {
	summary, err := config.Summary(height, width)
	if err != nil {
		return nil, err
	}
	layers, links := chain(summary)
	if config.Plain {
		links = nil
	}
	return figure.Diagram(fmt.Sprintf("%s, for images of %d×%d pixels", config.Name, height, width), layers, links)
}

// chain returns the boxes and the shortcuts of a network's diagram.
func chain(summary *resnet.Summary) ([]figure.DiagramLayer, []figure.Link) {
	var layers []figure.DiagramLayer
	var links []figure.Link
	block := "" // the block of the last link
	for _, layer := range summary.Layers {
		if isShortcut(layer) {
			links[len(links)-1].Projection = true
			continue
		}
		label := layer.Kind
		switch {
		case isConvolution(layer):
			label = fmt.Sprintf("%s, %d", strings.TrimPrefix(layer.Kind, "conv "), channels(layer))
		case layer.Kind == "linear":
			label = fmt.Sprintf("linear, %d", channels(layer))
		case layer.Kind == "block":
			// Show one size for the whole block: those inside a bottleneck are distracting.
			for i := links[len(links)-1].From; i < len(layers); i++ {
				layers[i].Size = size(layer.Output)
			}
			continue
		case layer.Kind == "max pool", layer.Kind == "average pool":
		default:
			continue
		}
		group := stageOf(layer.Name)
		if !strings.HasPrefix(group, "layer") {
			group = ""
		}
		layers = append(layers, figure.DiagramLayer{Kind: kind(layer), Label: label, Size: size(layer.Output), Group: group})
		if of := blockOf(layer.Name); of != "" {
			if of != block {
				links = append(links, figure.Link{From: len(layers) - 1})
				block = of
			}
			links[len(links)-1].To = len(layers) - 1
		}
	}
	return layers, links
}

func channels(layer resnet.Layer) int { return layer.Output[len(layer.Output)-1] }

// kind returns the layer's entry in the legend.
func kind(layer resnet.Layer) string {
	if isConvolution(layer) {
		return strings.Replace(layer.Kind, "conv", "convolution", 1)
	}
	return layer.Kind
}

func size(output []int) string {
	parts := make([]string, len(output))
	for i, n := range output {
		parts[i] = fmt.Sprint(n)
	}
	return strings.Join(parts, "×")
}
