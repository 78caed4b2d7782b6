package backend

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/residual-go/residual/pkg/backend/fakeplugin"
	"github.com/residual-go/residual/pkg/backend/internal/xla"
)

// fake makes a fake plugin with macros at folder/name and returns its path.
func fake(t *testing.T, folder, name string, macros ...string) string {
	t.Helper()
	path := filepath.Join(folder, name)
	fakeplugin.Build(t, path, macros...)
	return path
}

// bare is a machine with an empty file system and environment but for what variables say. Its
// plugins are opened as on any.
func bare(t *testing.T, variables map[string]string) machine {
	t.Helper()
	t.Setenv("XLA_FLAGS", "") // a plugin of CUDA may change it
	m := thisMachine()
	m.root = t.TempDir()
	m.env = func(name string) (string, bool) { value, set := variables[name]; return value, set }
	m.driver = func() (int, error) { return 0, xla.ErrNoDriver }
	return m
}

// withGPU gives the machine a GPU whose driver supports that CUDA, as 12040 for 12.4.
func (m machine) withGPU(t *testing.T, cuda int) machine {
	t.Helper()
	touch(t, filepath.Join(m.root, "dev/nvidia0"))
	m.driver = func() (int, error) { return cuda, nil }
	return m
}

// touch makes an empty file, with the folders above it.
func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
}
