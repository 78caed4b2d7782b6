// Package checkout finds the root folder of a checkout of the course.
package checkout

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// Module is the module path of the course.
const Module = "github.com/residual-go/residual"

// moduleLine matches the module directive of the course's go.mod.
var moduleLine = regexp.MustCompile(`(?m)^module\s+"?` + regexp.QuoteMeta(Module) + `"?\s*(//.*)?$`)

// ErrOutside is the error of [Root] for a folder that is in no checkout of the course.
var ErrOutside = errors.New("not in a checkout of the course")

// Root returns the root folder of the checkout that contains dir: the nearest folder, dir or
// one above it, with the course's go.mod. If there is none, the error is [ErrOutside].
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
			return "", fmt.Errorf("%s is %w: neither it nor any folder above it has the go.mod of %s", dir, ErrOutside, Module)
		}
	}
}
