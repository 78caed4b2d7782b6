package backend

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/residual-go/residual/pkg/backend/fakeplugin"
	"github.com/residual-go/residual/pkg/backend/internal/xla"
)

// fake builds a fake plugin with macros at folder/name and returns its path.
func fake(t *testing.T, folder, name string, macros ...string) string {
	t.Helper()
	path := filepath.Join(folder, name)
	fakeplugin.Build(t, path, macros...)
	return path
}

// bare returns a machine with an empty file system and only the given environment variables. It
// opens plugins like a real one.
func bare(t *testing.T, variables map[string]string) machine {
	t.Helper()
	t.Setenv("XLA_FLAGS", "") // starting a CUDA plugin may change it
	m := thisMachine()
	m.root = t.TempDir()
	m.env = func(name string) (string, bool) { value, set := variables[name]; return value, set }
	m.driver = func() (int, error) { return 0, xla.ErrNoDriver }
	m.least = 0 // the fake plugin compiles in no time
	cache := t.TempDir()
	m.cache = func() (string, error) { return cache, nil }
	return m
}

// withGPU adds a GPU whose driver supports the given version of CUDA, 12040 for 12.4.
func (m machine) withGPU(t *testing.T, cuda int) machine {
	t.Helper()
	touch(t, filepath.Join(m.root, "dev/nvidia0"))
	m.driver = func() (int, error) { return cuda, nil }
	return m
}

// touch creates an empty file and the folders above it.
func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
}
