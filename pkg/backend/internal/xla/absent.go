//go:build !(linux && (amd64 || arm64) && cgo && !noxla)

package xla

import (
	"context"
	"io"

	"github.com/gomlx/compute"
)

// Linked reports whether XLA is part of this program.
const Linked = false

// Plugin is an open plugin. A program without XLA has none.
type Plugin struct{}

// Open returns ErrNotLinked.
func Open(string) (*Plugin, error) { return nil, ErrNotLinked }

// Version returns the version of the plugin's PJRT C API.
func (*Plugin) Version() string { return "" }

// Backend returns ErrNotLinked.
func (*Plugin) Backend(string, []string, *Cache) (compute.Backend, error) { return nil, ErrNotLinked }

// Programs returns 0 and 0.
func Programs() (compiled, loaded int64) { return 0, 0 }

// Unkept returns 0 and nil.
func Unkept() (n int64, last error) { return 0, nil }

// Driver returns ErrNotLinked: it takes cgo to ask the driver.
func Driver() (int, error) { return 0, ErrNotLinked }

// CPUByHand is empty in a program without XLA.
func CPUByHand(string) string { return "" }

// CachedCPU returns ErrNotLinked.
func CachedCPU(context.Context, io.Writer) (string, error) { return "", ErrNotLinked }

// Fetch returns ErrNotLinked.
func Fetch(string, string) error { return ErrNotLinked }
