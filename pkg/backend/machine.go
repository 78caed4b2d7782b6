package backend

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/residual-go/residual/pkg/backend/internal/xla"
)

// machine is what the choice of a backend depends on. Tests make their own.
type machine struct {
	root   string                           // its file system's, "/"
	env    func(name string) (string, bool) // os.LookupEnv
	linked bool                             // whether XLA is in the program
	open   func(path string) (version string, err error)
	driver func() (cuda int, err error) // as xla.Driver
}

func thisMachine() machine {
	return machine{
		root: "/", env: os.LookupEnv, linked: xla.Linked, driver: xla.Driver,
		open: func(path string) (string, error) {
			p, err := xla.Open(path)
			if err != nil {
				return "", err
			}
			return p.Version(), nil
		},
	}
}

// searchPaths is the variable with the folders to look for plugins in, separated by colons. It
// is go-xla's; set, it replaces the usual ones.
const searchPaths = "PJRT_PLUGIN_LIBRARY_PATH"

// folders are where plugins are looked for: where go-xla's installer puts them, for the user and
// for all, and where the loader looks by LD_LIBRARY_PATH; or what searchPaths names.
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

// absolute are the absolute ones of paths separated by colons.
func absolute(paths string) []string {
	var folders []string
	for folder := range strings.SplitSeq(paths, string(filepath.ListSeparator)) {
		if filepath.IsAbs(folder) {
			folders = append(folders, filepath.Clean(folder))
		}
	}
	return folders
}

// exists reports whether there is something below the root that fits a pattern.
func (m machine) exists(pattern string) bool {
	found, err := filepath.Glob(filepath.Join(quoteGlob(m.root), pattern))
	return err == nil && len(found) > 0
}
