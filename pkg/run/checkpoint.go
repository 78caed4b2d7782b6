package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"github.com/residual-go/residual/pkg/optim"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/statedict"
)

// Checkpoint is the state of a run after a step. Its file is a safetensors file with the
// weights and running statistics under torchvision's names and in PyTorch's layouts, the
// momentum of weight w as optimizer.momentum.w, and the rest as metadata.
type Checkpoint struct {
	// Step is the number of steps done.
	Step   int           `json:"step"`
	Recipe recipe.Recipe `json:"recipe"`
	// Data and Images are the name and the number of the training images.
	Data   string `json:"data"`
	Images int    `json:"images"`
	// Height and Width are the images' size in pixels, and Classes the names behind the logits.
	Height  int      `json:"height"`
	Width   int      `json:"width"`
	Classes []string `json:"classes"`
	// Epoch is what was measured in the epoch that Step is in, if that is not written down yet.
	Epoch totals `json:"epoch"`
	// Weights has the network's variables, Momentum the optimiser's.
	Weights  map[string]statedict.Tensor `json:"-"`
	Momentum map[string]statedict.Tensor `json:"-"`
}

const (
	checkpointDir  = "checkpoints"
	checkpointExt  = ".safetensors"
	metadataKey    = "residual"
	momentumPrefix = "optimizer.momentum."
)

func checkpointPath(dir string, step int) string {
	return filepath.Join(dir, checkpointDir, fmt.Sprintf("step-%08d%s", step, checkpointExt))
}

func (s *session) checkpoint(done int) (*Checkpoint, error) {
	weights, err := statedict.FromScope(s.store.Scope(ModelPath))
	if err != nil {
		return nil, fmt.Errorf("checkpoint of step %d: %w", done, err)
	}
	momentum, err := statedict.FromScope(s.store.Scope(optim.Scope + ModelPath))
	if err != nil {
		return nil, fmt.Errorf("checkpoint of step %d: %w", done, err)
	}
	return &Checkpoint{Step: done, Recipe: s.recipe, Data: s.Training.Name, Images: s.Training.Len(),
		Height: s.Training.Height, Width: s.Training.Width, Classes: s.Training.Classes,
		Epoch: s.epoch.totals, Weights: weights, Momentum: momentum}, nil
}

// Save writes the checkpoint to path, whole or not at all.
func (c *Checkpoint) Save(path string) error {
	state, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	file := statedict.Dict{Tensors: map[string]statedict.Tensor{}, Metadata: map[string]string{metadataKey: string(state)}}
	for key, tensor := range c.Weights {
		file.Tensors[key] = tensor
	}
	for key, tensor := range c.Momentum {
		file.Tensors[momentumPrefix+key] = tensor
	}
	return file.Save(path)
}

// LoadCheckpoint reads and verifies a file that Save wrote.
func LoadCheckpoint(path string) (*Checkpoint, error) {
	file, err := statedict.Load(path)
	if err != nil {
		return nil, err
	}
	state, ok := file.Metadata[metadataKey]
	if !ok {
		return nil, fmt.Errorf("%s has weights but is no checkpoint of a run: it does not say which network they are for", path)
	}
	c := &Checkpoint{Weights: map[string]statedict.Tensor{}, Momentum: map[string]statedict.Tensor{}}
	if err := json.Unmarshal([]byte(state), c); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", path, err)
	}
	if err := c.Recipe.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(c.Classes) != c.Recipe.Model.Classes || c.Height < 1 || c.Width < 1 || c.Step < 0 {
		return nil, fmt.Errorf("%s is damaged: %d class names for %d classes, images of %d×%d pixels, step %d",
			path, len(c.Classes), c.Recipe.Model.Classes, c.Height, c.Width, c.Step)
	}
	for key, tensor := range file.Tensors {
		if weight, ok := strings.CutPrefix(key, momentumPrefix); ok {
			c.Momentum[weight] = tensor
		} else {
			c.Weights[key] = tensor
		}
	}
	return c, nil
}

// Restore gives the network's variables, made under ModelPath of the store if they are not
// there, the checkpoint's weights.
func (c *Checkpoint) Restore(store *model.Store) error {
	scope := store.Scope(ModelPath)
	if scope.NumVariables() == 0 {
		if err := c.Recipe.Model.Declare(scope); err != nil {
			return err
		}
	}
	return statedict.ToScope(scope, c.Weights)
}

// restore is Restore for a run to go on: with momentum and step.
func (c *Checkpoint) restore(store *model.Store) error {
	if err := c.Restore(store); err != nil {
		return err
	}
	statedict.Create(store.Scope(optim.Scope+ModelPath), c.Momentum)
	if err := optimizer.GetGlobalStepVar(store).SetValue(tensors.FromScalar(int64(c.Step))); err != nil {
		return fmt.Errorf("restore step %d: %w", c.Step, err)
	}
	return nil
}

// Latest returns the newest checkpoint of the run in dir that is whole, and its path.
// Damaged ones are passed over, each with a word to note.
func Latest(dir string, note func(string)) (*Checkpoint, string, error) {
	if _, err := ReadRecipe(dir); err != nil {
		return nil, "", err
	}
	checkpoint, path, err := newest(dir, note)
	if err == nil && checkpoint == nil {
		err = fmt.Errorf("the run in %s has no checkpoint yet; train it first", dir)
	}
	return checkpoint, path, err
}

// newest is Latest, but a run without checkpoints is no error. One whose checkpoints are
// all damaged is: starting over is for the user to decide.
func newest(dir string, note func(string)) (*Checkpoint, string, error) {
	paths, err := checkpoints(dir)
	if err != nil {
		return nil, "", err
	}
	for _, path := range slices.Backward(paths) {
		checkpoint, err := LoadCheckpoint(path)
		if err == nil {
			return checkpoint, path, nil
		}
		note(fmt.Sprintf("passing over a checkpoint: %v", err))
	}
	if len(paths) > 0 {
		return nil, "", fmt.Errorf("all %d checkpoints in %s are damaged; remove the folder's checkpoints to start over", len(paths), dir)
	}
	return nil, "", nil
}

// checkpoints returns the paths of the run's checkpoints, the oldest first.
func checkpoints(dir string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(dir, checkpointDir))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("look for checkpoints: %w", err)
	}
	var paths []string
	for _, entry := range entries { // sorted by name, and so by step
		if strings.HasPrefix(entry.Name(), "step-") && strings.HasSuffix(entry.Name(), checkpointExt) {
			paths = append(paths, filepath.Join(dir, checkpointDir, entry.Name()))
		}
	}
	return paths, nil
}

// prune removes all but the newest checkpoints, and what killed writes left behind.
func prune(dir string, keep int) error {
	paths, err := checkpoints(dir)
	if err != nil {
		return err
	}
	paths = paths[:max(0, len(paths)-keep)]
	abandoned, err := filepath.Glob(filepath.Join(dir, checkpointDir, ".step-*.tmp-*"))
	if err != nil {
		return err
	}
	for _, path := range append(paths, abandoned...) {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove an old checkpoint: %w", err)
		}
	}
	return nil
}
