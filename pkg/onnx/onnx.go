// Package onnx writes networks as ONNX models, for ONNX Runtime and the many other programs
// that read them: phones, browsers, C++, C#, accelerators.
//
// A model is written for operator set 17 and version 8 of the intermediate representation
// (https://github.com/onnx/onnx/blob/v1.12.0/docs/IR.md), of which ONNX Runtime reads both
// from its release 1.12 on. It has
//
//   - the input "images", float32 [batch, 3, height, width]: RGB, each channel of a pixel
//     scaled to 0 … 1, less its mean, divided by its standard deviation, see dataset.Normalization. The
//     batch is of any size; height and width are those of the model's transform, or any, if
//     it has none;
//   - the output "logits", float32 [batch, classes];
//   - nodes and values with the names that resnet.Tap tells (conv1, layer1.0.bn1, …) and
//     weights with those of torchvision's state dict (conv1.weight, …);
//   - what else is known, as metadata: see [Write].
//
// onnx.go has the way in, network.go the network as nodes, fold.go the folding of batch
// normalisations, graph.go what a graph is, and proto.go its encoding.
package onnx

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/weights"
)

// Options for Write.
type Options struct {
	// Fold multiplies each batch normalisation that follows a convolution, and nothing else
	// does, into that convolution, which then has a bias. The network computes the same, up to
	// rounding, with fewer nodes; it can no longer be trained as it was.
	Fold bool
}

// Write writes m to w as an ONNX model. Weights that are not all those of the network, in
// PyTorch's layouts, are an error, and so is a model of 2 GiB or more, which no Protocol
// Buffers message can hold.
//
// The model's metadata are architecture (the resnet.Config), classes, mean, std and
// transform as JSON, and recipe, data and accuracy (from 0 to 1) as text; what is not known
// is left out.
//
// The weights go from m to w in small pieces; only folding holds a copy of those it changes.
func Write(w io.Writer, m *weights.Model, options Options) error {
	g, err := build(m.Config, m.Tensors)
	if err != nil {
		return fmt.Errorf("write an ONNX model: %w", err)
	}
	g.input = valueInfo{"images", []any{"batch", channels, "height", "width"},
		"RGB images: each channel of a pixel scaled to 0 … 1, less its mean, divided by its standard deviation"}
	if t := m.Transform; t.Height > 0 && t.Width > 0 {
		g.input.dims[2], g.input.dims[3] = t.Height, t.Width
	}
	g.output = valueInfo{"logits", []any{"batch", m.Config.Classes}, ""}
	if options.Fold {
		g.fold()
	}
	properties, err := metadata(m)
	if err != nil {
		return fmt.Errorf("write an ONNX model: %w", err)
	}
	if err := g.write(w, properties); err != nil {
		return fmt.Errorf("write an ONNX model: %w", err)
	}
	return nil
}

// property is an entry of a model's metadata.
type property struct{ key, value string }

func metadata(m *weights.Model) ([]property, error) {
	var all []property
	for _, entry := range []struct {
		key   string
		value any
		known bool
	}{
		{"architecture", m.Config, true},
		{"classes", m.Classes, len(m.Classes) > 0},
		{"mean", m.Normalization.Mean, m.Normalization != dataset.Normalization{}},
		{"std", m.Normalization.Std, m.Normalization != dataset.Normalization{}},
		{"transform", m.Transform, m.Transform.Height > 0},
	} {
		if !entry.known {
			continue
		}
		text, err := json.Marshal(entry.value)
		if err != nil {
			return nil, fmt.Errorf("metadata %s: %w", entry.key, err)
		}
		all = append(all, property{entry.key, string(text)})
	}
	for _, entry := range []property{{"recipe", m.Recipe}, {"data", m.Data}} {
		if entry.value != "" {
			all = append(all, entry)
		}
	}
	if m.Accuracy != nil {
		all = append(all, property{"accuracy", strconv.FormatFloat(*m.Accuracy, 'g', -1, 64)})
	}
	return all, nil
}
