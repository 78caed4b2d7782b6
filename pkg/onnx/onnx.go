// Package onnx writes networks as ONNX models, for ONNX Runtime and the many other programs
// that read them: on phones, in browsers, in C++ and C#, on accelerators.
//
// It writes operator set 17 and version 8 of the intermediate representation
// (https://github.com/onnx/onnx/blob/v1.12.0/docs/IR.md), which ONNX Runtime reads since its
// release 1.12. A model has
//
//   - the input "images", float32 [batch, 3, height, width]: RGB, each channel of a pixel
//     scaled to 0 … 1, minus its mean, divided by its standard deviation; see
//     dataset.Normalization. The batch has any size. Height and width are those of the
//     model's transform, or any if it has none;
//   - the output "logits", float32 [batch, classes];
//   - nodes and values with the names that resnet.Tap uses (conv1, layer1.0.bn1, …), and
//     weights with those of torchvision's state dict (conv1.weight, …);
//   - everything else that is known, as metadata; see [Write].
//
// It is written by hand because the Go libraries for ONNX read models, and code generated from
// onnx.proto would hold all the weights a second time. The encoding uses protowire.
//
// onnx.go is the entry point. network.go turns a network into nodes: it follows the forward pass of
// package resnet layer by layer, because ONNX has nodes for layers, channels first, and a GoMLX
// graph only the operations they are made of, channels last. fold.go folds batch normalisations,
// graph.go defines the graph, and proto.go encodes it.
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
	// Fold multiplies each batch normalisation into the convolution before it, which then has a
	// bias, if nothing else uses the convolution's output. The network computes the same, up to
	// rounding, with fewer nodes, but can no longer be trained.
	Fold bool
}

// Write writes m to w as an ONNX model. It is an error if the weights are not exactly the
// network's, in PyTorch's layouts, or if the model has 2 GiB or more, the limit of Protocol
// Buffers.
//
// The metadata has architecture (the resnet.Config), classes, mean, std and transform as
// JSON, and recipe, data and accuracy (from 0 to 1) as text. Unknown facts are left out.
//
// The weights go from m to w in small pieces. Only folding copies them, those that it changes.
func Write(w io.Writer, m *weights.Model, options Options) error {
	if err := checkWeights(m.Config, m.Tensors); err != nil {
		return fmt.Errorf("write an ONNX model: %w", err)
	}
	g := build(m.Config, m.Tensors)
	g.input = valueInfo{"images", []any{"batch", channels, "height", "width"},
		"RGB images: each channel of a pixel scaled to 0 … 1, minus its mean, divided by its standard deviation"}
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
	if m.AccuracySplit != "" {
		all = append(all, property{"accuracy_split", string(m.AccuracySplit)})
	}
	return all, nil
}
