// Package recorded keeps the results of a run in a folder that is small enough for a repository:
//
//	recipe.json           the recipe; its Data is the name of the images
//	metrics.jsonl         the metrics, one line per epoch
//	weights.safetensors   the newest weights, in float16 (may be left out)
//
// [Write] makes such a folder from that of a run. Code that reads recipes and metrics, such as package
// plots, reads it like any run. It has no checkpoint, so the run cannot be resumed from it.
package recorded

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/residual-go/residual/pkg/atomicfile"
	"github.com/residual-go/residual/pkg/run"
	"github.com/residual-go/residual/pkg/weights"
)

// The files of a recorded run.
const (
	recipeFile  = "recipe.json"
	metricsFile = "metrics.jsonl"
	weightsFile = "weights.safetensors"
)

// Options for [Write].
type Options struct {
	// WithoutWeights leaves the weights out.
	WithoutWeights bool
	// Note, if not nil, is called with a message about each damaged checkpoint.
	Note func(string)
}

// Write records the run in the folder from, finished or not, in the folder to, replacing any earlier
// recording there. The run must have a checkpoint.
func Write(ctx context.Context, from, to string, o Options) error {
	note := o.Note
	if note == nil {
		note = func(string) {}
	}
	state, path, err := run.Latest(from, note)
	if err != nil {
		return err
	}
	lines, err := run.ReadMetrics(from)
	if err != nil {
		return err
	}
	r := state.Recipe
	r.Data = state.Data // not a folder on this machine
	recipe, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("record %s: %w", from, err)
	}
	var metrics bytes.Buffer
	var accuracy *float64
	encoder := json.NewEncoder(&metrics)
	for _, line := range lines {
		if line.Kind != run.EpochLine {
			continue
		}
		if err := encoder.Encode(line); err != nil {
			return fmt.Errorf("record %s: %w", from, err)
		}
		if line.Step == state.Step {
			accuracy = line.TestTop1
		}
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return fmt.Errorf("create the folder of the recorded run: %w", err)
	}
	kept := filepath.Join(to, weightsFile)
	if o.WithoutWeights {
		if err := os.Remove(kept); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("record %s: %w", from, err)
		}
	} else {
		m, err := weights.Open(ctx, path, weights.Options{})
		if err != nil {
			return err
		}
		m.Accuracy = accuracy
		if err := m.SaveFloat16(kept); err != nil {
			return err
		}
	}
	if err := atomicfile.WriteBytes(filepath.Join(to, metricsFile), metrics.Bytes()); err != nil {
		return err
	}
	return atomicfile.WriteBytes(filepath.Join(to, recipeFile), append(recipe, '\n'))
}

// Is reports whether dir holds a recorded run, rather than one that can be resumed.
func Is(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, metricsFile))
	_, checkpoints := os.Stat(filepath.Join(dir, "checkpoints"))
	return run.Exists(dir) && err == nil && errors.Is(checkpoints, fs.ErrNotExist)
}

// Weights returns the path of the weights of the recorded run in dir. If they were left out, the error
// wraps [fs.ErrNotExist]. A recipe that cannot be read or is not valid is an error too, as for a run.
func Weights(dir string) (string, error) {
	if _, err := run.ReadRecipe(dir); err != nil {
		return "", err
	}
	path := filepath.Join(dir, weightsFile)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("the recorded run in %s has no weights: %w", dir, err)
	}
	return path, nil
}

// Runs returns the folders of the recorded runs in root and in the folders below it, sorted.
func Runs(root string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && Is(path) {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for recorded runs: %w", err)
	}
	return found, nil
}
