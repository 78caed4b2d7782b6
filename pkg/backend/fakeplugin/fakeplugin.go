// Package fakeplugin gives tests a plugin of XLA where there is none: one that is started, shows
// devices and takes buffers, but compiles no program. testdata/plugin.c says what else it does, and
// what can be made wrong with it.
package fakeplugin

import (
	_ "embed"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/residual-go/residual/pkg/backend/internal/xla"
)

// Linked reports whether this test is built with XLA, and so can open a plugin.
const Linked = xla.Linked

//go:embed testdata/plugin.c
var source string

// Build compiles the plugin to the file at path, and makes the folders above it. Macros are those
// of plugin.c, as in "DEVICES=2". Where XLA is not linked, or there is no C compiler, the test is
// skipped.
func Build(t testing.TB, path string, macros ...string) {
	t.Helper()
	if !Linked {
		t.Skip("skipping:", xla.ErrNotLinked)
	}
	command, err := compiler()
	if err != nil {
		t.Skip("skipping: the fake plugin needs a C compiler and go-xla's header:", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	args := append(command[1:len(command):len(command)], "-shared", "-fPIC", "-o", path)
	for _, macro := range macros {
		args = append(args, "-D"+macro)
	}
	cc := exec.Command(command[0], append(args, "-x", "c", "-")...)
	cc.Stdin = strings.NewReader(source)
	if out, err := cc.CombinedOutput(); err != nil {
		t.Fatalf("compile the fake plugin: %v\n%s", err, out)
	}
}

// compiler is the C compiler that cgo uses, with the folder of go-xla's header.
var compiler = sync.OnceValues(func() ([]string, error) {
	out, err := exec.Command("go", "env", "CC").Output()
	if err != nil {
		return nil, err
	}
	command := strings.Fields(string(out))
	if len(command) == 0 {
		return nil, errors.New("go env CC names none")
	}
	if _, err := exec.LookPath(command[0]); err != nil {
		return nil, err
	}
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/gomlx/go-xla").Output()
	return append(command, "-I", filepath.Join(strings.TrimSpace(string(module)), "pjrt")), err
})
