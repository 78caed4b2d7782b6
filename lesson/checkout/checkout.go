// Package checkout finds the root folder of a checkout of the course.
package checkout

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// Module is the module path of the course.
const Module = "github.com/residual-go/residual"

// moduleLine matches the module directive of the course's go.mod.
var moduleLine = regexp.MustCompile(`(?m)^module\s+"?` + regexp.QuoteMeta(Module) + `"?\s*(//.*)?$`)

// Root returns the root folder of the checkout that contains dir: the nearest folder, dir or
// one above it, with the course's go.mod.
func Root(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find the course: %w", err)
	}
	for at := dir; ; at = filepath.Dir(at) {
		if mod, err := os.ReadFile(filepath.Join(at, "go.mod")); err == nil && moduleLine.Match(mod) {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("%s is not in a checkout of the course: neither it nor any folder above it has the go.mod of %s", dir, Module)
		}
	}
}
