package backend

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gofrs/flock"

	"github.com/residual-go/residual/pkg/backend/internal/xla"
)

// noInstall is go-xla's variable that forbids to install plugins, whatever its value. go-xla
// means: unasked. Here nothing is installed unasked, so that it can only mean the rest.
const noInstall = "GOMLX_NO_AUTO_INSTALL"

// Fetch has go-xla's installer download the plugin "xla:cpu" or "xla:cuda" into folder. It
// writes its progress to standard output, cannot be interrupted and may leave folder half-written:
// run it in a process of its own, for [Install].
//
// The CPU's plugin, of go-xla's own builds on GitHub, comes with no checksum. That of CUDA is
// jax's, and with NVIDIA's libraries some gigabytes; what comes has the SHA-256 that PyPI gives,
// and is kept in the user's cache.
func Fetch(name, folder string) error {
	kind := strings.TrimPrefix(name, xlaName+":")
	if err := xla.Fetch(kind, folder); err != nil {
		return fmt.Errorf("fetch %s: %w", name, err)
	}
	return nil
}

// Install installs the XLA plugin "xla:cpu" or "xla:cuda" for the user, where go-xla looks for it,
// and returns its path. The function fetch puts it into a folder that is removed afterwards
// ([Fetch] in a process of its own, that ends with ctx). What was installed before stays until all
// has come.
//
// With GOMLX_NO_AUTO_INSTALL set it is an error.
func Install(ctx context.Context, name string, fetch func(ctx context.Context, name, folder string) error) (string, error) {
	return thisMachine().install(ctx, name, fetch)
}

func (m machine) install(ctx context.Context, name string, fetch func(ctx context.Context, name, folder string) error) (string, error) {
	kind, isXLA := strings.CutPrefix(name, xlaName+":")
	if !isXLA || !slices.Contains([]string{xlaCPU, cuda}, kind) {
		return "", fmt.Errorf("cannot install %q; there are xla:cpu and xla:cuda", name)
	}
	if !m.linked {
		return "", xla.ErrNotLinked
	}
	if _, set := m.env(noInstall); set {
		return "", fmt.Errorf("%s is set, which forbids to install plugins; unset it to install %s", noInstall, name)
	}
	home, _ := m.env("HOME")
	if home == "" {
		return "", errors.New("HOME is not set, and plugins are installed below it; set it")
	}
	library := filepath.Join(home, ".local/lib")
	if err := os.MkdirAll(library, 0o755); err != nil {
		return "", fmt.Errorf("make the folder for plugins: %w", err)
	}
	removeAbandoned(library)
	// Beside its place, so that renaming is enough.
	top, err := os.MkdirTemp(library, stagePrefix)
	if err != nil {
		return "", fmt.Errorf("make a folder to install from: %w", err)
	}
	defer os.RemoveAll(top)
	lock := flock.New(filepath.Join(top, stageLock))
	if _, err := lock.TryLock(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return "", fmt.Errorf("lock the folder to install from: %w", err)
	}
	defer lock.Unlock()
	stage := filepath.Join(top, "lib")
	if err := os.Mkdir(stage, 0o755); err != nil {
		return "", fmt.Errorf("make a folder to install from: %w", err)
	}
	come := filepath.Join(stage, "go-xla")
	if err := fetch(ctx, name, come); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("%w; %s", err, byHand(kind, filepath.Join(library, "go-xla")))
	}
	plugin, err := placed(kind, come)
	if err != nil {
		return "", err
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err := syncFiles(come); err != nil {
		return "", fmt.Errorf("write %s to the disk: %w", name, err)
	}
	if err := place(kind, stage, library); err != nil {
		return "", fmt.Errorf("install %s: %w", name, err)
	}
	return filepath.Join(library, "go-xla", plugin), nil
}

// The folders that plugins are installed from, beside the place they go to, begin with
// stagePrefix, and have the file stageLock, which is locked as long as its process lives.
const (
	stagePrefix = ".go-xla-installing-"
	stageLock   = "lock"
)

// removeAbandoned removes from library what installations that were killed have left: it may
// be gigabytes, in a hidden folder. What cannot be removed is no reason not to install.
func removeAbandoned(library string) {
	stages, _ := filepath.Glob(filepath.Join(quoteGlob(library), stagePrefix+"*"))
	for _, stage := range stages {
		lock := flock.New(filepath.Join(stage, stageLock))
		if locked, err := lock.TryLock(); err != nil || !locked {
			continue // another process is installing from it
		}
		_ = os.RemoveAll(stage)
		lock.Unlock()
	}
}

// byHand says what to do where the network does not bring a plugin.
func byHand(kind, folder string) string {
	if kind == xlaCPU {
		return fmt.Sprintf("without network, unpack the archive for this system from https://github.com/gomlx/pjrt-cpu-binaries/releases/tag/%s into %s", xla.CPUVersion, folder)
	}
	return "without network, bring the folder site-packages of a Python with jax[cuda13] or jax[cuda12], and use --backend xla:/path/to/site-packages"
}

// placed returns the path, below folder, of the plugin of that kind which has come. It has to be
// where place takes it from.
func placed(kind, folder string) (string, error) {
	from := folder
	if kind == cuda {
		from = filepath.Join(folder, "nvidia")
	}
	for _, p := range inFolder(from) {
		if p.Kind != kind {
			continue
		}
		if err := xla.Examine(p.Path); err != nil {
			return "", fmt.Errorf("what came is no plugin (%w); nothing is installed", err)
		}
		return filepath.Rel(folder, p.Path)
	}
	return "", errors.New("what came has no plugin in it; nothing is installed")
}

// syncFiles has the files below folder written to the disk, so that none is cut short by a power
// cut once it is in its place.
func syncFiles(folder string) error {
	return filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(file.Sync(), file.Close())
	})
}

// place moves what go-xla's installer made in stage to library: files of the plugin for the CPU
// into its folder go-xla, the folder go-xla/nvidia as a whole, and the links to cuBLAS that the
// installer makes beside go-xla.
func place(kind, stage, library string) error {
	come, there := filepath.Join(stage, "go-xla"), filepath.Join(library, "go-xla")
	if err := os.MkdirAll(there, 0o755); err != nil {
		return err
	}
	if kind == cuda {
		// The installer's link is absolute, into the folder that is to go.
		ptxas := filepath.Join(come, "nvidia/bin/ptxas")
		if target, err := os.Readlink(ptxas); err == nil && filepath.IsAbs(target) {
			relative, err := filepath.Rel(filepath.Dir(ptxas), target)
			if err != nil {
				return err
			}
			if err := os.Remove(ptxas); err != nil {
				return err
			}
			if err := os.Symlink(relative, ptxas); err != nil {
				return err
			}
		}
		old, kept := filepath.Join(there, "nvidia"), filepath.Join(stage, "old")
		if err := os.Rename(old, kept); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := os.Rename(filepath.Join(come, "nvidia"), old); err != nil {
			_ = os.Rename(kept, old) // stage is about to be removed; there may have been none
			return err
		}
		return moveFiles(stage, library)
	}
	return moveFiles(come, there)
}

// moveFiles moves the files and links, not the folders, from one folder to another, over those
// that are there; links last, since they point to files.
func moveFiles(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	slices.SortStableFunc(entries, func(a, b os.DirEntry) int { return int(a.Type()&os.ModeSymlink) - int(b.Type()&os.ModeSymlink) })
	for _, entry := range entries {
		if entry.IsDir() {
			continue
		}
		if err := os.Rename(filepath.Join(from, entry.Name()), filepath.Join(to, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}
