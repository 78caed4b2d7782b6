// Package checkout finds the folder that the course is checked out in.
package checkout

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// Module is the path of the course's module.
const Module = "github.com/residual-go/residual"

// moduleLine matches the line of a go.mod file that names the module.
var moduleLine = regexp.MustCompile(`(?m)^module\s+"?` + regexp.QuoteMeta(Module) + `"?\s*(//.*)?$`)

// Root returns the root folder of the checkout that dir is in.
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
			return "", fmt.Errorf("%s is not in the course: neither it nor a folder above it has the go.mod of %s", dir, Module)
		}
	}
}
