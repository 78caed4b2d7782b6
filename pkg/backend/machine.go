package backend

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/residual-go/residual/pkg/backend/internal/xla"
	"github.com/residual-go/residual/pkg/download"
)

// machine is everything that the choice of a backend depends on. Tests make their own.
type machine struct {
	root   string                                        // the root folder, "/"
	env    func(name string) (value string, set bool)    // os.LookupEnv
	linked bool                                          // whether XLA is part of the program
	open   func(path string) (version string, err error) // opens a plugin
	driver func() (cuda int, err error)                  // xla.Driver
	cache  func() (string, error)                        // download.CacheDir; nil for none
	least  time.Duration                                 // programs that compile in less time are not kept
}

func thisMachine() machine {
	return machine{
		root: "/", env: os.LookupEnv, linked: xla.Linked, driver: xla.Driver, cache: download.CacheDir, least: 300 * time.Millisecond,
		open: func(path string) (string, error) {
			p, err := xla.Open(path)
			if err != nil {
				return "", err
			}
			return p.Version(), nil
		},
	}
}

// searchPaths is go-xla's variable for the folders to search for plugins, separated by colons. If
// it is set, it replaces the usual folders.
const searchPaths = "PJRT_PLUGIN_LIBRARY_PATH"

// folders returns the folders to search for plugins: those that searchPaths names or, without it,
// those where go-xla's installer puts plugins, for the user and for all users, and those of
// LD_LIBRARY_PATH.
func (m machine) folders() []string {
	if paths, set := m.env(searchPaths); set {
		return absolute(paths)
	}
	var folders []string
	if home, _ := m.env("HOME"); home != "" {
		folders = append(folders, filepath.Join(home, ".local/lib/go-xla"), filepath.Join(home, ".local/lib/go-xla/nvidia"))
	}
	folders = append(folders, filepath.Join(m.root, "usr/local/lib/go-xla"), filepath.Join(m.root, "usr/local/lib/go-xla/nvidia"))
	libraries, _ := m.env("LD_LIBRARY_PATH")
	return append(folders, absolute(libraries)...)
}

// absolute returns the absolute paths in a list separated by colons.
func absolute(paths string) []string {
	var folders []string
	for folder := range strings.SplitSeq(paths, string(filepath.ListSeparator)) {
		if filepath.IsAbs(folder) {
			folders = append(folders, filepath.Clean(folder))
		}
	}
	return folders
}

// exists reports whether a file below the root matches the pattern.
func (m machine) exists(pattern string) bool {
	found, err := filepath.Glob(filepath.Join(quoteGlob(m.root), pattern))
	return err == nil && len(found) > 0
}
