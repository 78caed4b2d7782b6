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

// noInstall is go-xla's variable that forbids installing plugins, whatever its value. In go-xla it
// only forbids automatic installation; since this package never installs anything by itself, it
// forbids [Install] here.
const noInstall = "GOMLX_NO_AUTO_INSTALL"

// Fetch downloads the plugin "xla:cpu" or "xla:cuda" into folder. It writes its progress to standard
// output, cannot be interrupted, and may leave folder incomplete, so run Fetch in a process of its own,
// as the fetch function of [Install].
//
// The CPU plugin for amd64 is one fixed build of XLA (Apache-2.0) from the Python package index, with a
// known SHA-256; the project's tests run on it. For arm64 it is go-xla's build on GitHub, without a
// checksum. The CUDA plugin is jax's; with NVIDIA's libraries it takes several gigabytes. Its files are
// checked against PyPI's SHA-256. Archives are kept in the user's cache.
func Fetch(name, folder string) error {
	kind := strings.TrimPrefix(name, xlaName+":")
	if err := xla.Fetch(kind, folder); err != nil {
		return fmt.Errorf("fetch %s: %w", name, err)
	}
	return nil
}

// Install installs the XLA plugin "xla:cpu" or "xla:cuda" for the user, in go-xla's folder below
// $HOME, and returns its path. It calls fetch to download the plugin into a temporary folder; fetch
// should run [Fetch] in a process of its own that ends with ctx. A plugin installed earlier is
// replaced only after the download is complete.
//
// Install returns an error if GOMLX_NO_AUTO_INSTALL is set.
func Install(ctx context.Context, name string, fetch func(ctx context.Context, name, folder string) error) (string, error) {
	return thisMachine().install(ctx, name, fetch)
}

func (m machine) install(ctx context.Context, name string, fetch func(ctx context.Context, name, folder string) error) (string, error) {
	kind, isXLA := strings.CutPrefix(name, xlaName+":")
	if !isXLA || !slices.Contains([]string{xlaCPU, cuda}, kind) {
		return "", fmt.Errorf("cannot install %q; want xla:cpu or xla:cuda", name)
	}
	if !m.linked {
		return "", xla.ErrNotLinked
	}
	if _, set := m.env(noInstall); set {
		return "", fmt.Errorf("%s is set, which forbids installing plugins; unset it to install %s", noInstall, name)
	}
	home, _ := m.env("HOME")
	if home == "" {
		return "", errors.New("HOME is not set; plugins are installed below it")
	}
	library := filepath.Join(home, ".local/lib")
	if err := os.MkdirAll(library, 0o755); err != nil {
		return "", fmt.Errorf("make the folder for plugins: %w", err)
	}
	removeAbandoned(library)
	// On the same file system as the destination, so that the files can be renamed into place.
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
	fetched := filepath.Join(stage, "go-xla")
	if err := fetch(ctx, name, fetched); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if advice := byHand(kind, filepath.Join(library, "go-xla")); advice != "" {
			err = fmt.Errorf("%w; %s", err, advice)
		}
		return "", err
	}
	plugin, err := findFetched(kind, fetched)
	if err != nil {
		return "", err
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err := syncFiles(fetched); err != nil {
		return "", fmt.Errorf("write %s to disk: %w", name, err)
	}
	if err := place(kind, stage, library); err != nil {
		return "", fmt.Errorf("install %s: %w", name, err)
	}
	return filepath.Join(library, "go-xla", plugin), nil
}

// Installations use temporary folders whose names begin with stagePrefix, beside the destination.
// Each has a file stageLock, which is locked while the installing process lives.
const (
	stagePrefix = ".go-xla-installing-"
	stageLock   = "lock"
)

// removeAbandoned removes from library the temporary folders of installations that were killed;
// they are hidden and may have gigabytes. Failing to remove one is not an error.
func removeAbandoned(library string) {
	stages, _ := filepath.Glob(filepath.Join(quoteGlob(library), stagePrefix+"*"))
	for _, stage := range stages {
		lock := flock.New(filepath.Join(stage, stageLock))
		if locked, err := lock.TryLock(); err != nil || !locked {
			continue // another process is using it
		}
		_ = os.RemoveAll(stage)
		lock.Unlock()
	}
}

// byHand says how to install the plugin without a network. It returns "" if the error of the download
// says so itself.
func byHand(kind, folder string) string {
	if kind == xlaCPU {
		return xla.CPUByHand(folder)
	}
	return "without a network, copy the site-packages folder of a Python installation with jax[cuda13] or jax[cuda12] to this machine and use the backend xla:/path/to/site-packages"
}

// findFetched returns the path of the fetched plugin of the given kind, relative to folder. It must
// be where place expects it.
func findFetched(kind, folder string) (string, error) {
	from := folder
	if kind == cuda {
		from = filepath.Join(folder, "nvidia")
	}
	for _, p := range inFolder(from) {
		if p.Kind != kind {
			continue
		}
		if err := xla.Examine(p.Path); err != nil {
			return "", fmt.Errorf("the downloaded file is not a plugin: %w; nothing was installed", err)
		}
		return filepath.Rel(folder, p.Path)
	}
	return "", errors.New("the download contains no plugin; nothing was installed")
}

// syncFiles writes the files below folder to disk, so that a power failure cannot truncate one that
// is already installed.
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

// place moves the files that go-xla's installer wrote from stage to library. For the CPU it moves the
// single files of go-xla; for CUDA the whole folder go-xla/nvidia, and the links to cuBLAS that the
// installer creates beside go-xla.
func place(kind, stage, library string) error {
	fetched, installed := filepath.Join(stage, "go-xla"), filepath.Join(library, "go-xla")
	if err := os.MkdirAll(installed, 0o755); err != nil {
		return err
	}
	if kind == cuda {
		// The installer's link is an absolute path in the temporary folder.
		ptxas := filepath.Join(fetched, "nvidia/bin/ptxas")
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
		old, kept := filepath.Join(installed, "nvidia"), filepath.Join(stage, "old")
		if err := os.Rename(old, kept); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := os.Rename(filepath.Join(fetched, "nvidia"), old); err != nil {
			_ = os.Rename(kept, old) // put the old one, if any, back before stage is removed
			return err
		}
		return moveFiles(stage, library)
	}
	return moveFiles(fetched, installed)
}

// moveFiles moves the files and links, but not the folders, from one folder to another, replacing
// those that exist. Links come last, since they point to the files.
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
