package run

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gofrs/flock"

	"github.com/residual-go/residual/pkg/atomicfile"
	"github.com/residual-go/residual/pkg/checkpoint"
	"github.com/residual-go/residual/pkg/recipe"
)

// The files of a run; metrics.go has the metrics.
const (
	recipeFile    = "recipe.json"
	checkpointDir = "checkpoints"
	lockFile      = ".lock"
)

// maxRecipe is the largest size of recipe.json in bytes. A recipe has about a thousand.
const maxRecipe = 1 << 20

// Exists reports whether dir holds a run.
func Exists(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, recipeFile))
	return err == nil
}

// ReadRecipe returns the recipe of the run in dir.
func ReadRecipe(dir string) (recipe.Recipe, error) {
	path := filepath.Join(dir, recipeFile)
	var r recipe.Recipe
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return r, fmt.Errorf("%s is not a run folder: it has no %s", dir, recipeFile)
	}
	if err != nil {
		return r, fmt.Errorf("read the recipe: %w", err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxRecipe+1))
	if err != nil {
		return r, fmt.Errorf("read the recipe: %w", err)
	}
	if len(content) > maxRecipe {
		return r, fmt.Errorf("%s is not a recipe: it has more than %d bytes", path, maxRecipe)
	}
	if err := json.Unmarshal(content, &r); err != nil {
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			line := 1 + bytes.Count(content[:min(int(syntax.Offset), len(content))], []byte("\n"))
			return r, fmt.Errorf("%s, line %d: %w", path, line, err)
		}
		return r, fmt.Errorf("%s: %w", path, err)
	}
	if err := r.Validate(); err != nil {
		return r, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

func writeRecipe(dir string, r recipe.Recipe) error {
	content, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write the recipe: %w", err)
	}
	return atomicfile.WriteBytes(filepath.Join(dir, recipeFile), append(content, '\n'))
}

// vacant returns an error if dir has the remains of a run whose recipe is missing. A checkpoint
// of step 0 is not an error: a run leaves one if it is killed before it has begun, and nothing
// is lost.
func vacant(dir string) error {
	remains := ""
	if _, err := os.Stat(filepath.Join(dir, metricsFile)); err == nil {
		remains = metricsFile
	}
	paths, err := checkpoints(dir)
	if err != nil {
		return err
	}
	if len(paths) > 0 && paths[len(paths)-1] != checkpointPath(dir, 0) {
		remains = checkpointDir
	}
	if remains != "" {
		return fmt.Errorf("%s has the %s of a run without its recipe; choose another folder", dir, remains)
	}
	return nil
}

// lock keeps a second process from training in dir at the same time.
func lock(dir string) (unlock func(), err error) {
	file := flock.New(filepath.Join(dir, lockFile), flock.SetPermissions(0o644))
	locked, err := file.TryLock()
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		// The file system has no locks: train without one.
	case err != nil:
		return nil, fmt.Errorf("lock the run's folder: %w", err)
	case !locked:
		return nil, fmt.Errorf("another process is training the run in %s; wait for it or choose another folder", dir)
	}
	return func() { file.Unlock() }, nil
}

func checkpointPath(dir string, step int) string {
	return filepath.Join(dir, checkpointDir, fmt.Sprintf("step-%08d%s", step, checkpoint.Ext))
}

func makeCheckpointDir(dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, checkpointDir), 0o755); err != nil {
		return fmt.Errorf("create the folder for checkpoints: %w", err)
	}
	return nil
}

// checkpoints returns the paths of the run's checkpoints, oldest first.
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

// Latest returns the newest undamaged checkpoint of the run in dir, and its path. It skips
// damaged ones and passes note a sentence about each.
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

// newest does what Latest does, but returns nil and no error for a run without checkpoints. If
// there are some and all are damaged, that is an error: the user decides whether to start over.
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
		if _, later := errors.AsType[*recipe.UnknownKeyError](err); later {
			return nil, "", err // of a later version, and not damaged
		}
		note(fmt.Sprintf("skipping a checkpoint: %v", err))
	}
	if len(paths) > 0 {
		return nil, "", fmt.Errorf("all %d checkpoints in %s are damaged; remove its %s folder to start over", len(paths), dir, checkpointDir)
	}
	return nil, "", nil
}

// prune removes all checkpoints but the newest.
func prune(dir string, keep int) error {
	paths, err := checkpoints(dir)
	if err != nil {
		return err
	}
	for _, path := range paths[:max(0, len(paths)-keep)] {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove an old checkpoint: %w", err)
		}
	}
	return nil
}

// sweep removes the temporary files that processes left in dir when they were killed. The folder has
// to be locked. So the run's own files are nobody's; of others, which may be figures or an export that
// is being written now, atomicfile.Prepare finds out.
func sweep(dir string) error {
	for _, pattern := range []string{
		"." + recipeFile + ".tmp-*", "." + backendFile + ".tmp-*", "." + metricsFile + ".tmp-*",
		filepath.Join(checkpointDir, ".step-*.tmp-*"),
	} {
		// Not in one pattern with dir, which may have special characters.
		abandoned, err := fs.Glob(os.DirFS(dir), filepath.ToSlash(pattern))
		if err != nil {
			return err
		}
		for _, name := range abandoned {
			if err := os.Remove(filepath.Join(dir, filepath.FromSlash(name))); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("remove the temporary file of a process that was killed: %w", err)
			}
		}
	}
	return atomicfile.Prepare(dir)
}
