// Package checkpoint is the file format of a run's checkpoints.
//
// A checkpoint is a safetensors file. It has the weights and running statistics under
// torchvision's names and in PyTorch's layouts, the momentum of weight w as
// optimizer.momentum.w, and everything else as JSON in one metadata entry. So any program that
// reads a torchvision state_dict from safetensors can read the weights of a checkpoint.
//
// [Load] and [State.Save] read and write whole files; [Parse] and [IsOptimizer] serve readers of
// safetensors files that may or may not be checkpoints. Which checkpoints a run keeps, and
// where, is the business of package run.
package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/optim"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/statedict"
)

// Ext is the extension of checkpoint files.
const Ext = ".safetensors"

const (
	metadataKey     = "residual" // its metadata entry has the state as JSON
	optimizerPrefix = "optimizer."
	momentumPrefix  = optimizerPrefix + "momentum."
)

// State is the state of a run after a step: all that is needed to continue it, or to use its
// network.
type State struct {
	// Step is the number of steps taken.
	Step   int           `json:"step"`
	Recipe recipe.Recipe `json:"recipe"`
	// Data and Images are the name and the number of the training images.
	Data   string `json:"data"`
	Images int    `json:"images"`
	// Height and Width are the size of the images in pixels.
	Height int `json:"height"`
	Width  int `json:"width"`
	// Classes are the names of the classes, in the order of the logits.
	Classes []string `json:"classes"`
	// Fingerprints are those of the images. Checkpoints of older versions have none.
	Fingerprints *dataset.Fingerprints `json:"fingerprints,omitempty"`
	// Epoch sums up the steps of the current epoch whose metrics have not been written yet.
	Epoch Totals `json:"epoch"`
	// Weights has the network's weights and running statistics, Momentum the optimiser's state.
	Weights  map[string]statedict.Tensor `json:"-"`
	Momentum map[string]statedict.Tensor `json:"-"`
}

// Totals sums up the metrics of some steps. A checkpoint written in the middle of an epoch has
// those of the epoch so far, so that a resumed run reports the whole epoch.
type Totals struct {
	Steps        int     `json:"steps"`
	Images       int     `json:"images"`
	Loss         float64 `json:"loss"`          // sum over images
	Accuracy     float64 `json:"accuracy"`      // sum over images: the number classified correctly
	GradientNorm float64 `json:"gradient_norm"` // sum over steps
	// Seconds is the time the steps took. In checkpoints of older versions it is 0.
	Seconds float64 `json:"seconds,omitempty"`
}

// Save writes the checkpoint to path. If it fails, a file that was there before stays as it was.
func (s *State) Save(path string) error {
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	file := statedict.Dict{Tensors: map[string]statedict.Tensor{}, Metadata: map[string]string{metadataKey: string(text)}}
	for name, tensor := range s.Weights {
		file.Tensors[name] = tensor
	}
	for name, tensor := range s.Momentum {
		file.Tensors[momentumPrefix+name] = tensor
	}
	return file.Save(path)
}

// Load reads a checkpoint that [State.Save] wrote. It checks the file's checksum and the state's
// consistency; errors name the file.
func Load(path string) (*State, error) {
	file, err := statedict.Load(path)
	if err != nil {
		return nil, err
	}
	s, found, err := Parse(file.Metadata)
	if _, later := errors.AsType[*recipe.UnknownKeyError](err); later {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", path, err)
	}
	if !found {
		return nil, fmt.Errorf("%s is not a checkpoint: it has weights, but no recipe", path)
	}
	if err := s.Recipe.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(s.Classes) != s.Recipe.Model.Classes || s.Height < 1 || s.Width < 1 || s.Step < 0 {
		return nil, fmt.Errorf("%s is damaged: %d class names for %d classes, images of %d×%d pixels, step %d",
			path, len(s.Classes), s.Recipe.Model.Classes, s.Height, s.Width, s.Step)
	}
	s.Weights, s.Momentum = map[string]statedict.Tensor{}, map[string]statedict.Tensor{}
	for name, tensor := range file.Tensors {
		if weight, ok := strings.CutPrefix(name, momentumPrefix); ok {
			s.Momentum[weight] = tensor
		} else {
			s.Weights[name] = tensor
		}
	}
	return s, nil
}

// Parse returns the state that the metadata of a safetensors file describes, without tensors.
// found is false if the file is not a checkpoint. The state is not validated.
func Parse(metadata map[string]string) (s *State, found bool, err error) {
	text, found := metadata[metadataKey]
	if !found {
		return nil, false, nil
	}
	s = &State{}
	if err := json.Unmarshal([]byte(text), s); err != nil {
		return nil, true, fmt.Errorf("read the checkpoint's state: %w", err)
	}
	return s, true, nil
}

// IsOptimizer reports whether the tensor of the given name is part of the optimiser's state, and
// not of the network's.
func IsOptimizer(name string) bool { return strings.HasPrefix(name, optimizerPrefix) }

// Capture reads the weights of the network at path in the store, and its momentum if it has
// been trained with [optim.SGD].
func (s *State) Capture(store *model.Store, path string) (err error) {
	if s.Weights, err = statedict.FromScope(store.Scope(path)); err != nil {
		return err
	}
	s.Momentum, err = statedict.FromScope(store.Scope(optim.Scope + path))
	return err
}

// Restore copies the checkpoint's weights into the variables of the network that is at path in the
// store. It declares the variables first if there are none.
func (s *State) Restore(store *model.Store, path string) error {
	scope := store.Scope(path)
	if scope.NumVariables() == 0 {
		if err := s.Recipe.Model.Declare(scope); err != nil {
			return err
		}
	}
	return statedict.ToScope(scope, s.Weights)
}

// RestoreTraining restores the network's weights as [State.Restore] does, and the momentum and
// the global step, so that training can continue. The store must be new.
func (s *State) RestoreTraining(store *model.Store, path string) error {
	if err := s.Restore(store, path); err != nil {
		return err
	}
	statedict.Create(store.Scope(optim.Scope+path), s.Momentum)
	if err := optimizer.GetGlobalStepVar(store).SetValue(tensors.FromScalar(int64(s.Step))); err != nil {
		return fmt.Errorf("restore step %d: %w", s.Step, err)
	}
	return nil
}
