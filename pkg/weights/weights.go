// Package weights opens the weights of residual networks, wherever they come from, and saves
// them.
//
// Opening takes four steps, which can also be taken one at a time:
//
//   - find the file: on this machine, at a URL, or by a name that torchvision or timm uses
//     ([hub.Fetch]);
//   - read its tensors: from safetensors or what torch.save writes ([ReadFile]);
//   - give them torchvision's names ([Canonical]);
//   - detect the architecture from names and shapes ([Detect]).
//
// [Open] takes all four and returns a [Model]: the network, its weights, and how to prepare
// an image for it. [Model.Restore] puts the weights into the variables of a GoMLX model, and
// [Model.Save] writes them to a file that PyTorch can load.
//
// # Where to find what
//
//	weights.go     Open, and the Model: restoring and saving
//	file.go        reading the tensors of a file, whatever its format
//	names.go       other programs' names of tensors
//	detect.go      the architecture, from names and shapes
//	describe.go    classes, normalisation and transform
//	assumed.go     what was assumed because the file does not say it
package weights

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/checkpoint"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/hub"
	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/printable"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/statedict"
)

// Model is a network with its weights and a description of what it was trained for.
type Model struct {
	Config resnet.Config
	// Tensors are the weights and running statistics, by torchvision's names and in PyTorch's
	// layouts: exactly those of Config.
	Tensors map[string]statedict.Tensor
	Description
	// Notes tell the user what had to be chosen, changed or assumed to open the weights, except
	// for Assumed.
	Notes []string
	// Assumed is what matters most of that: if it is wrong, the network gives wrong answers.
	Assumed Assumed
	// Head describes the head that the weights came with, if it is not a single linear layer.
	Head string
	// Others are the keys of the other sets of weights in the file.
	Others []string
}

// Description says what a network was trained for.
type Description struct {
	// Transform turns an image into the network's input, and Normalization normalises its pixels.
	Transform     picture.Transform     `json:"transform"`
	Normalization dataset.Normalization `json:"normalization"`
	// Classes are the names behind the logits.
	Classes []string `json:"classes"`
	// Recipe is the name of the recipe it was trained with, if known.
	Recipe string `json:"recipe,omitempty"`
	// Data is the name of the images it was trained on. Spec and Subset say how to get these
	// images again, if that is known: as in recipe.Recipe's Data and Subset.
	Data   string `json:"data,omitempty"`
	Spec   string `json:"spec,omitempty"`
	Subset string `json:"subset,omitempty"`
	// Accuracy is the fraction of images that were classified correctly, if measured. AccuracySplit
	// is the part of Data that the images are from; "" means the test images.
	Accuracy      *float64      `json:"accuracy,omitempty"`
	AccuracySplit dataset.Split `json:"accuracy_split,omitempty"`
	// Source is where the weights were read from.
	Source string `json:"-"`
}

// Options for Open.
type Options struct {
	// Architecture, if not "", is the network that the weights are for: a name that
	// [resnet.ByName] accepts. It overrides what the file says and what its tensors tell.
	Architecture string
	// Key says which of several sets of weights in the file is meant; see [ReadFileKey].
	Key string
	// NewHead accepts weights with any head (fc), or none, for a network that will get a new
	// one; see [File.WithNewHead].
	NewHead bool
	// Progress, if not nil, is told how much of a download has arrived.
	Progress func(done, total int64)
}

// Open returns the model that spec names: a file, a URL, or a name; see [hub.Fetch].
func Open(ctx context.Context, spec string, options Options) (*Model, error) {
	path, origin, err := hub.Fetch(ctx, spec, options.Progress)
	if err != nil {
		return nil, err
	}
	file, err := ReadFileKey(path, options.Key)
	if err != nil {
		return nil, err
	}
	if options.NewHead {
		file = file.WithNewHead()
	}
	m, err := file.Model(origin, options.Architecture)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// Model returns the model in the file. An architecture other than "" is a name that
// [resnet.ByName] accepts, which replaces what the file says and what its shapes tell. The model's
// Source is the origin's, or else the file's path.
func (f *File) Model(origin hub.Origin, architecture string) (m *Model, err error) {
	network := *f
	network.Tensors = maps.Clone(f.Tensors)
	maps.DeleteFunc(network.Tensors, func(name string, _ statedict.Tensor) bool { return checkpoint.IsOptimizer(name) })
	n, err := rename(&network)
	if err != nil {
		return nil, err
	}
	m = &Model{Head: n.head.describe(), Others: slices.Concat(f.Others, n.others), Notes: slices.Concat(f.Notes, n.notes)}
	if f.newHead {
		n.replaceHead()
	} else if m.Head != "" {
		return nil, &HeadError{m.Head}
	}
	for _, name := range slices.Sorted(maps.Keys(n.unreadable)) {
		return nil, fmt.Errorf("%s %s", n.nameInFile(name), n.unreadable[name])
	}
	m.Tensors = n.tensors
	described, err := m.fromMetadata(f.Metadata)
	if err != nil {
		return nil, err
	}
	for _, text := range []*string{&m.Config.Name, &m.Recipe, &m.Data, &m.Subset} {
		*text = printable.Replace(*text)
	}
	if err := m.settleArchitecture(architecture, origin, described); err != nil {
		return nil, n.explain(err)
	}
	if !described {
		more, err := m.describe(origin, f.Path)
		if err != nil {
			return nil, err
		}
		m.Notes = append(m.Notes, more...)
		if n.normalization != nil {
			m.Normalization, m.Assumed.Images = *n.normalization, false
		}
	}
	if architecture != "" {
		m.Assumed.Alternatives = nil
	}
	m.Source = cmp.Or(origin.Source, f.Path)
	return m, m.validate()
}

// settleArchitecture sets Config: to the architecture asked for, or what the file's
// description says, or what the tensors and their source tell. The tensors must be exactly that
// network's.
func (m *Model) settleArchitecture(architecture string, origin hub.Origin, described bool) (err error) {
	switch {
	case architecture != "":
		if m.Config, err = resnet.ByName(architecture); err != nil {
			return err
		}
		if fc := m.Tensors["fc.weight"].Shape; len(fc) == 2 {
			m.Config.Classes = fc[0]
		}
	case !described:
		if m.Config, err = Detect(m.Tensors); err != nil {
			return err
		}
		if !slices.Contains(resnet.Names(), origin.Architecture) { // the source may call another network by a name of ByName's
			return nil
		}
		for _, variant := range m.Config.Variants() {
			if variant.Name == origin.Architecture {
				m.Config = variant
				return nil
			}
		}
		return fmt.Errorf("these are weights of %s, not of %s as their name says", m.Config.Name, origin.Architecture)
	}
	if err := m.Config.Validate(); err != nil {
		return err
	}
	// Comparing builds the network: a description must not ask for 10⁹ blocks.
	left := len(m.Tensors)
	for _, blocks := range m.Config.Blocks {
		if blocks > left && architecture == "" {
			return fmt.Errorf("the file describes a network with blocks %s but has %d tensors", printable.Quote(fmt.Sprint(m.Config.Blocks)), len(m.Tensors))
		}
		if blocks > left {
			return fmt.Errorf("the file has %d tensors, too few for %s", len(m.Tensors), m.Config.Name)
		}
		left -= blocks
	}
	return fits(m.Config, m.Tensors)
}

// validate checks everything that a file can get wrong.
func (m *Model) validate() error {
	if err := m.Config.Validate(); err != nil {
		return err
	}
	if err := m.Transform.Validate(); err != nil {
		return err
	}
	if len(m.Classes) != m.Config.Classes {
		return fmt.Errorf("%d class names for %d classes", len(m.Classes), m.Config.Classes)
	}
	for _, name := range m.Classes {
		if !printable.Is(name) {
			return fmt.Errorf("the class name %s is not printable text", printable.Quote(name))
		}
	}
	if err := m.Normalization.Validate(); err != nil {
		return err
	}
	if a := m.Accuracy; a != nil && !(*a >= 0 && *a <= 1) {
		return fmt.Errorf("accuracy %g, want a fraction from 0 to 1", *a)
	}
	if !printable.Is(string(m.AccuracySplit)) {
		return fmt.Errorf("the accuracy is of %s, which is not printable text", printable.Quote(string(m.AccuracySplit)))
	}
	for _, name := range slices.Sorted(maps.Keys(m.Tensors)) {
		for _, x := range m.Tensors[name].Data {
			if !finite(x) {
				return fmt.Errorf("%s contains %g: the file is damaged or the training diverged", name, x)
			}
		}
	}
	return nil
}

func finite(x float32) bool { return x-x == 0 }

// Metadata keys of safetensors files.
const (
	modelKey        = "residual.model" // the architecture and the description, as JSON
	architectureKey = "architecture"   // the network's name alone, for people and other programs
)

// fromMetadata sets Config and Description from the metadata of this project's own files, and
// reports whether the file is one.
func (m *Model) fromMetadata(metadata map[string]string) (ok bool, err error) {
	if text, ok := metadata[modelKey]; ok {
		d := struct {
			described
			// Earlier versions wrote these instead of the normalization.
			Mean      *[3]float32 `json:"mean"`
			Deviation *[3]float32 `json:"deviation"`
		}{}
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			return false, fmt.Errorf("read the description: %w", err)
		}
		if d.Mean != nil && d.Deviation != nil {
			d.Normalization = dataset.Normalization{Mean: *d.Mean, Std: *d.Deviation}
		}
		m.Config, m.Description = d.Config, d.Description
		return true, nil
	}
	state, ok, err := checkpoint.Parse(metadata)
	if err != nil || !ok {
		return false, err
	}
	m.fromCheckpoint(state)
	return true, nil
}

// described is the JSON under modelKey.
type described struct {
	Config resnet.Config `json:"architecture"`
	Description
}

// fromCheckpoint sets Config and Description from the state of a run.
func (m *Model) fromCheckpoint(s *checkpoint.State) {
	r := s.Recipe
	m.Config = r.Model
	m.Description = Description{
		Transform:     picture.Transform{Resize: min(s.Height, s.Width), Height: s.Height, Width: s.Width},
		Normalization: r.Normalization, Classes: s.Classes,
		Recipe: r.Name, Data: s.Data, Spec: r.Data, Subset: r.Subset,
	}
	if r.Transform != nil {
		m.Transform = *r.Transform
	}
}

// Save writes the model to path as safetensors with torchvision's names, completely or not at
// all. Everything else becomes metadata, except Source and a Spec that is a path. PyTorch
// loads the file with strict=True, which does not need num_batches_tracked.
func (m *Model) Save(path string) error {
	return m.save(path, (*statedict.Dict).Save)
}

// SaveFloat16 is like [Model.Save] but writes the weights in float16, in a file of half the size; see
// [safetensors.WriteFloat16].
func (m *Model) SaveFloat16(path string) error {
	return m.save(path, (*statedict.Dict).SaveFloat16)
}

func (m *Model) save(path string, write func(*statedict.Dict, string) error) error {
	if err := m.validate(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	description := m.Description
	if filepath.IsAbs(description.Spec) {
		description.Spec, description.Subset = "", "" // a folder on this machine means nothing elsewhere, and is private
	}
	text, err := json.Marshal(described{m.Config, description})
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	metadata := map[string]string{modelKey: string(text), architectureKey: m.Config.Name}
	return write(&statedict.Dict{Tensors: m.Tensors, Metadata: metadata}, path)
}

// Restore sets the network's variables under path of the store to the model's weights. It
// creates the variables if there are none.
//
// The forward pass must use the same path, as in m.Config.Forward(store.Scope(path), images): at
// another path, it creates variables of its own, with random values.
func (m *Model) Restore(store *model.Store, path string) error {
	scope := store.Scope(path)
	if scope.NumVariables() == 0 {
		if err := m.Config.Declare(scope); err != nil {
			return err
		}
	}
	return statedict.ToScope(scope, m.Tensors)
}
