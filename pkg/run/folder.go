package run

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/residual-go/residual/pkg/checkpoint"
)

const checkpointDir = "checkpoints"

func checkpointPath(dir string, step int) string {
	return filepath.Join(dir, checkpointDir, fmt.Sprintf("step-%08d%s", step, checkpoint.Ext))
}

// Latest returns the newest checkpoint of the run in dir that is whole, and its path.
// Damaged ones are passed over, each with a word to note.
func Latest(dir string, note func(string)) (*checkpoint.State, string, error) {
	if _, err := ReadRecipe(dir); err != nil {
		return nil, "", err
	}
	state, path, err := newest(dir, note)
	if err == nil && state == nil {
		err = fmt.Errorf("the run in %s has no checkpoint yet; train it first", dir)
	}
	return state, path, err
}

// newest is Latest, but a run without checkpoints is no error. One whose checkpoints are
// all damaged is: starting over is for the user to decide.
func newest(dir string, note func(string)) (*checkpoint.State, string, error) {
	paths, err := checkpoints(dir)
	if err != nil {
		return nil, "", err
	}
	for _, path := range slices.Backward(paths) {
		state, err := checkpoint.Load(path)
		if err == nil {
			return state, path, nil
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
		if strings.HasPrefix(entry.Name(), "step-") && strings.HasSuffix(entry.Name(), checkpoint.Ext) {
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
