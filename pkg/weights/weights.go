// Package weights brings weights of residual networks in from the places where people keep
// them, and out again.
//
// The way in has four steps, each of which can be taken alone:
//
//   - a source gives a file: one on this machine, a URL, or a name as torchvision and timm
//     have them ([Fetch]);
//   - a format gives tensors: safetensors, or one of PyTorch's pickled formats, read without
//     running anything that a pickle asks for ([ReadFile]);
//   - names: prefixes go, and what other programs call a layer becomes torchvision's name for
//     it ([Canonical]);
//   - an architecture, told by names and shapes alone ([Detect]).
//
// [Open] takes all four and returns a [Model]: the network, its weights, and what is needed
// to show it a photograph. [Load] puts weights into the variables of a GoMLX model and
// reports what became of each. [Model.Save] is the way out.
package weights

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/statedict"
)

// Model is a network with its weights, and what is needed to use it on photographs.
type Model struct {
	Config resnet.Config
	// Tensors are the weights and running statistics, by torchvision's names and in PyTorch's
	// layouts: all those of Config, and no others.
	Tensors map[string]statedict.Tensor
	// Description is the rest.
	Description
}

// Description says what a network was made for.
type Description struct {
	// Transform makes a picture the network's input, and Mean and Deviation normalise its
	// pixels; see dataset.Normalize.
	Transform picture.Transform `json:"transform"`
	Mean      [3]float32        `json:"mean"`
	Deviation [3]float32        `json:"deviation"`
	// Classes are the names behind the logits.
	Classes []string `json:"classes"`
	// Recipe is the name of the recipe it was trained by, if that is known.
	Recipe string `json:"recipe,omitempty"`
	// Data is the name of what it was trained on; Spec and Subset give these images again
	// where they can be had: the lesson command's --data and --subset.
	Data   string `json:"data,omitempty"`
	Spec   string `json:"spec,omitempty"`
	Subset string `json:"subset,omitempty"`
	// Accuracy is the share of test images that were right, if it was measured.
	Accuracy *float64 `json:"accuracy,omitempty"`
	// Source is where the weights come from.
	Source string `json:"source,omitempty"`
}

// Options for Open.
type Options struct {
	// Architecture is a name that resnet.ByName knows, for weights that do not say and whose
	// names and shapes leave it open; "" detects it.
	Architecture string
	// Progress is shown how much of a download is there; it may be nil.
	Progress func(done, total int64)
}

// metadata keys of safetensors files: a Description with the architecture, and what
// pkg/run writes into its checkpoints.
const (
	modelKey      = "residual.model"
	checkpointKey = "residual"
	optimizer     = "optimizer."
)

// Open returns the model that spec names: a file, a URL, or a name.
func Open(ctx context.Context, spec string, options Options) (*Model, error) {
	d, err := statedict.Load(spec)
	if err != nil {
		return nil, err
	}
	m := &Model{Tensors: map[string]statedict.Tensor{}}
	for name, tensor := range d.Tensors {
		if !strings.HasPrefix(name, optimizer) {
			m.Tensors[name] = tensor
		}
	}
	if text, ok := d.Metadata[checkpointKey]; ok {
		err = m.fromCheckpoint(text)
	} else {
		err = m.fromMetadata(d.Metadata[modelKey])
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", spec, err)
	}
	m.Source = spec
	return m, nil
}

// fromCheckpoint takes what there is to know from the state of a run, see run.Checkpoint.
func (m *Model) fromCheckpoint(text string) error {
	var c struct {
		Recipe struct {
			Name         string
			Model        resnet.Config
			Data, Subset string
			Mean         [3]float32
			Deviation    [3]float32
		}
		Data          string
		Height, Width int
		Classes       []string
	}
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return fmt.Errorf("read the checkpoint's state: %w", err)
	}
	m.Config = c.Recipe.Model
	m.Description = Description{
		Transform: picture.Transform{Resize: min(c.Height, c.Width), Height: c.Height, Width: c.Width},
		Mean:      c.Recipe.Mean, Deviation: c.Recipe.Deviation, Classes: c.Classes,
		Recipe: c.Recipe.Name, Data: c.Data, Spec: c.Recipe.Data, Subset: c.Recipe.Subset,
	}
	return m.Config.Validate()
}

// described is the JSON under modelKey.
type described struct {
	Config resnet.Config `json:"architecture"`
	Description
}

func (m *Model) fromMetadata(text string) error {
	var d described
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return fmt.Errorf("read the description: %w", err)
	}
	m.Config, m.Description = d.Config, d.Description
	return m.Config.Validate()
}

// Save writes the model to path as safetensors with torchvision's names, whole or not at
// all, with everything else as metadata.
func (m *Model) Save(path string) error {
	text, err := json.Marshal(described{m.Config, m.Description})
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return (&statedict.Dict{Tensors: m.Tensors, Metadata: map[string]string{modelKey: string(text)}}).Save(path)
}

// Restore gives the network's variables, made under path of the store, the model's weights.
func (m *Model) Restore(store *model.Store, path string) error {
	scope := store.Scope(path)
	if err := m.Config.Declare(scope); err != nil {
		return err
	}
	return statedict.ToScope(scope, m.Tensors)
}
