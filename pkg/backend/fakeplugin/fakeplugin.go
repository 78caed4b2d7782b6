// Package fakeplugin builds a fake XLA plugin for tests. It starts, lists devices and accepts
// buffers but compiles no program or, with the macro EXECUTES, runs programs in no time.
// testdata/plugin.c documents the macros that change its behaviour or break it.
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

// Linked reports whether XLA is part of this test program, so that it can open plugins.
const Linked = xla.Linked

//go:embed testdata/plugin.c
var source string

// Build compiles the plugin to the file at path, and creates the folders above it. The macros are
// those of plugin.c, such as "DEVICES=2". Build skips the test if XLA is not linked or there is no C
// compiler.
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

// compiler returns the command of cgo's C compiler, with the folder of go-xla's header.
var compiler = sync.OnceValues(func() ([]string, error) {
	out, err := exec.Command("go", "env", "CC").Output()
	if err != nil {
		return nil, err
	}
	command := strings.Fields(string(out))
	if len(command) == 0 {
		return nil, errors.New("go env CC is empty")
	}
	if _, err := exec.LookPath(command[0]); err != nil {
		return nil, err
	}
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/gomlx/go-xla").Output()
	return append(command, "-I", filepath.Join(strings.TrimSpace(string(module)), "pjrt")), err
})
