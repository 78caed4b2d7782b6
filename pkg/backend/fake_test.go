package backend

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/residual-go/residual/pkg/backend/internal/xla"
)

// fake compiles testdata/plugin.c with macros into folder/name and returns its path.
func fake(t *testing.T, folder, name string, macros ...string) string {
	t.Helper()
	if !xla.Linked {
		t.Skip("skipping: ", xla.ErrNotLinked)
	}
	c, err := compiler()
	if err != nil {
		t.Skip("skipping: the fake plugin needs a C compiler: ", err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, name)
	args := []string{"-shared", "-fPIC", "-I", filepath.Join(c.goXLA, "pjrt"), "-o", path, "testdata/plugin.c"}
	for _, macro := range macros {
		args = append(args, "-D"+macro)
	}
	if out, err := exec.Command(c.program, args...).CombinedOutput(); err != nil {
		t.Fatalf("compile the fake plugin: %v\n%s", err, out)
	}
	return path
}

// tools are what the fake plugin is compiled with.
type tools struct{ program, goXLA string }

var compiler = sync.OnceValues(func() (tools, error) {
	cc, err := exec.Command("go", "env", "CC").Output()
	if err != nil {
		return tools{}, err
	}
	program, err := exec.LookPath(strings.TrimSpace(string(cc)))
	if err != nil {
		return tools{}, err
	}
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/gomlx/go-xla").Output()
	return tools{program, strings.TrimSpace(string(dir))}, err
})

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
