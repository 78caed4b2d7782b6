package block

import (
	"fmt"
	"slices"
	"strings"

	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/resnet"
)

// Diagram draws the named block of a network, such as "layer1.0". The layers, their sizes and the
// shortcut are those of the network's summary for images of 224×224 pixels, if it has the stem for
// them, and of 32×32 otherwise.
func Diagram(title string, config resnet.Config, name string) (*figure.Figure, error) {
	side := compareSide
	if config.Stem == resnet.ImageNetStem {
		side = 224
	}
	summary, err := config.Summary(side, side)
	if err != nil {
		return nil, err
	}
	boxes, shortcut := boxes(summary, name)
	if len(boxes) == 0 {
		return nil, fmt.Errorf("%s has no block %q", config.Name, name)
	}
	var links []figure.Link
	if !config.Plain {
		links = append(links, shortcut)
	}
	return figure.Diagram(title, boxes, links, figure.Caption(fmt.Sprintf(
		"%s of %s. Below the boxes: height × width × channels, for images of %[3]d×%[3]d pixels.",
		name, config.Name, side)))
}

// boxes returns the layers of a block's branch and what follows the addition, and the shortcut.
func boxes(summary *resnet.Summary, name string) (boxes []figure.DiagramLayer, shortcut figure.Link) {
	firstConvolution := -1
	var projection []string
	height := 0 // of the map that the next layer gets
	for _, layer := range summary.Layers {
		inside, ok := strings.CutPrefix(layer.Name, name+".")
		switch {
		case !ok && len(boxes) > 0:
			continue // after the block
		case !ok:
			height = layer.Output[0]
			continue
		case inside == "downsample":
			shortcut.Projection = true
			continue
		case strings.HasPrefix(inside, "downsample."):
			projection = append(projection, label(layer))
			continue
		}
		box := figure.DiagramLayer{Kind: layer.Kind, Label: label(layer), Size: size(layer.Output)}
		if strings.HasPrefix(layer.Kind, "conv") {
			box.Kind = "convolution"
			if firstConvolution < 0 {
				firstConvolution = len(boxes)
			}
			if stride := height / layer.Output[0]; stride > 1 {
				box.Label += fmt.Sprintf(" stride %d", stride)
			}
		}
		if layer.Kind != "ReLU" {
			shortcut.To = len(boxes)
		}
		box.Color = 1 + slices.Index([]string{"convolution", "batch norm", "ReLU"}, box.Kind)
		boxes = append(boxes, box)
		height = layer.Output[0]
	}
	if shortcut.Projection {
		// In a pre-activation block, what is projected has gone through the first norm and ReLU.
		shortcut.From = firstConvolution
		shortcut.Label = strings.Join(projection, ", ")
	}
	return boxes, shortcut
}

// label returns the text in a layer's box.
func label(layer resnet.Layer) string {
	if kernel, ok := strings.CutPrefix(layer.Kind, "conv "); ok {
		return fmt.Sprintf("%s, %d", kernel, layer.Output[len(layer.Output)-1])
	}
	return strings.TrimPrefix(layer.Kind, "batch ")
}

// size returns a shape in the form 16×16×32.
func size(shape []int) string {
	parts := make([]string, len(shape))
	for i, n := range shape {
		parts[i] = fmt.Sprint(n)
	}
	return strings.Join(parts, "×")
}
