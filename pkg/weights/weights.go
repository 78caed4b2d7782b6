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
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/checkpoint"
	"github.com/residual-go/residual/pkg/dataset"
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
	// Transform makes a picture the network's input, and Normalization normalises its pixels.
	Transform     picture.Transform     `json:"transform"`
	Normalization dataset.Normalization `json:"normalization"`
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
	// Source is where the weights were read from.
	Source string `json:"-"`
}

// Options for Open.
type Options struct {
	// Architecture is a name that resnet.ByName knows, for weights that do not say and whose
	// names and shapes leave it open; "" detects it.
	Architecture string
	// NewHead takes weights without a head, fc, as well, for a network that is to get a head of
	// its own: with one of a single class in its place, of zeros.
	NewHead bool
	// Progress is shown how much of a download is there; it may be nil.
	Progress func(done, total int64)
}

// Open returns the model that spec names: a file, a URL, or a name; see [Fetch].
func Open(ctx context.Context, spec string, options Options) (*Model, error) {
	path, origin, err := Fetch(ctx, spec, FetchOptions{Progress: options.Progress})
	if err != nil {
		return nil, err
	}
	file, err := ReadFile(path)
	if err != nil {
		return nil, err
	}
	if options.NewHead {
		file = file.withHead()
	}
	m, _, err := file.Model(origin, options.Architecture)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// withHead returns the file with a head of one class, of zeros, if it has none.
func (f *File) withHead() *File {
	canonical, _, err := Canonical(f.Tensors)
	if err != nil {
		return f // Model says why
	}
	channels := 0 // the blocks of the last stage give the most
	for name, tensor := range canonical {
		if isHead(name) {
			return f
		}
		if strings.HasPrefix(name, "layer") && len(tensor.Shape) == 4 {
			channels = max(channels, tensor.Shape[0])
		}
	}
	if channels == 0 {
		return f
	}
	whole := *f
	whole.Tensors = maps.Clone(f.Tensors)
	// Under one of its own prefixes or under none, fc is fc.
	whole.Tensors[resnet.HeadName+".weight"] = statedict.Tensor{Shape: []int{1, channels}, Data: make([]float32, channels)}
	whole.Tensors[resnet.HeadName+".bias"] = statedict.Tensor{Shape: []int{1}, Data: make([]float32, 1)}
	return &whole
}

// Model makes a model of what was read from a file, with notes for people on what had to be
// assumed. An architecture that is not "" takes the place of what the file says and of what
// its shapes tell, which it must fit. Source is the origin's, or else the file's path.
func (f *File) Model(origin Origin, architecture string) (m *Model, notes []string, err error) {
	named := maps.Clone(f.Tensors)
	maps.DeleteFunc(named, func(name string, _ statedict.Tensor) bool { return checkpoint.IsOptimizer(name) })
	m = &Model{}
	if m.Tensors, notes, err = Canonical(named); err != nil {
		return nil, nil, err
	}
	described, err := m.fromMetadata(f.Metadata)
	if err != nil {
		return nil, nil, err
	}
	for _, text := range []*string{&m.Config.Name, &m.Recipe, &m.Data, &m.Subset} {
		*text = printable(*text)
	}
	if err := m.settleArchitecture(architecture, described); err != nil {
		return nil, nil, err
	}
	if want, err := resnet.ByName(origin.Architecture); err == nil && !same(want, m.Config) && architecture == "" {
		return nil, nil, fmt.Errorf("these are weights of %s, not of the %s that they are called", m.Config.Name, origin.Architecture)
	}
	if !described {
		more, err := m.describe(origin, f.Path)
		if err != nil {
			return nil, nil, err
		}
		notes = append(notes, more...)
	}
	m.Source = cmp.Or(origin.Source, f.Path)
	return m, notes, m.validate()
}

// settleArchitecture sees to it that Config is the one the tensors fit.
func (m *Model) settleArchitecture(architecture string, described bool) (err error) {
	if architecture == "" && !described {
		m.Config, err = Detect(m.Tensors)
		return err
	}
	shapes := make(map[string][]int, len(m.Tensors))
	for name, tensor := range m.Tensors {
		shapes[name] = tensor.Shape
	}
	if architecture != "" {
		if m.Config, err = resnet.ByName(architecture); err != nil {
			return err
		}
		if fc := shapes["fc.weight"]; len(fc) == 2 {
			m.Config.Classes = fc[0]
		}
	}
	if err := m.Config.Validate(); err != nil {
		return err
	}
	if architecture == "" {
		// To compare, the network is built: a description must not ask for 10⁹ blocks.
		left := len(shapes)
		for _, blocks := range m.Config.Blocks {
			if blocks > left {
				return fmt.Errorf("the file says that it is of a network with blocks %s, and has %d tensors", oneLine(fmt.Sprint(m.Config.Blocks)), len(shapes))
			}
			left -= blocks
		}
	}
	return fits(m.Config, shapes)
}

// validate checks what files can say wrongly.
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
		if !isText(name) {
			return fmt.Errorf("the class name %s is no text to print", oneLine(name))
		}
	}
	if err := m.Normalization.Validate(); err != nil {
		return err
	}
	if a := m.Accuracy; a != nil && !(*a >= 0 && *a <= 1) {
		return fmt.Errorf("an accuracy of %g, want a share from 0 to 1", *a)
	}
	for _, name := range slices.Sorted(maps.Keys(m.Tensors)) {
		for _, x := range m.Tensors[name].Data {
			if !finite(x) {
				return fmt.Errorf("%s has numbers that are none (%g): the file is damaged or the training diverged", name, x)
			}
		}
	}
	return nil
}

func finite(x float32) bool { return x-x == 0 }

// isText reports whether text can go to terminals and figures: no control sequences.
func isText(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

// printable returns a text out of a file with a replacement character for each that cannot
// go to terminals and figures. It is for what is shown alone: a run in a folder of an odd
// name is to stay of use.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// Metadata keys of safetensors files.
const (
	modelKey        = "residual.model" // a description with the architecture, as JSON
	architectureKey = "architecture"   // the network's name alone, for people and other programs
)

// fromMetadata takes Config and Description from what this project's own files say, and
// reports whether it is one.
func (m *Model) fromMetadata(metadata map[string]string) (ok bool, err error) {
	if text, ok := metadata[modelKey]; ok {
		d := struct {
			described
			// Earlier versions wrote these in place of normalization.
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
	state, found, err := checkpoint.Parse(metadata)
	if found && err == nil {
		m.fromCheckpoint(state)
	}
	return found, err
}

// described is the JSON under modelKey.
type described struct {
	Config resnet.Config `json:"architecture"`
	Description
}

// fromCheckpoint describes the model of a run.
func (m *Model) fromCheckpoint(c *checkpoint.State) {
	m.Config = c.Recipe.Model
	m.Description = Description{
		Transform:     picture.Transform{Resize: min(c.Height, c.Width), Height: c.Height, Width: c.Width},
		Normalization: c.Recipe.Normalization, Classes: c.Classes,
		Recipe: c.Recipe.Name, Data: c.Data, Spec: c.Recipe.Data, Subset: c.Recipe.Subset,
	}
	if c.Recipe.Transform != nil {
		m.Transform = *c.Recipe.Transform
	}
}

// Save writes the model to path as safetensors with torchvision's names, whole or not at
// all, with everything else as metadata but Source, and a Spec that is a path. PyTorch loads
// it with strict=True: it does without num_batches_tracked in a state_dict.
func (m *Model) Save(path string) error {
	if err := m.validate(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	description := m.Description
	if filepath.IsAbs(description.Spec) {
		description.Spec, description.Subset = "", "" // a folder here is nothing to others, and none of their business
	}
	text, err := json.Marshal(described{m.Config, description})
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	metadata := map[string]string{modelKey: string(text), architectureKey: m.Config.Name}
	return (&statedict.Dict{Tensors: m.Tensors, Metadata: metadata}).Save(path)
}

// Restore gives the network's variables, made under path of the store if they are not
// there, the model's weights.
func (m *Model) Restore(store *model.Store, path string) error {
	scope := store.Scope(path)
	if scope.NumVariables() == 0 {
		if err := m.Config.Declare(scope); err != nil {
			return err
		}
	}
	return statedict.ToScope(scope, m.Tensors)
}
