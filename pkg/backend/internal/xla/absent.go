//go:build !(linux && (amd64 || arm64) && cgo && !noxla)

package xla

import "github.com/gomlx/compute"

// Linked reports whether this program can open plugins.
const Linked = false

// Plugin is an open plugin; there is none in a program without XLA.
type Plugin struct{}

// Open returns ErrNotLinked.
func Open(string) (*Plugin, error) { return nil, ErrNotLinked }

// Version is the plugin's version of the C API.
func (*Plugin) Version() string { return "" }

// Backend returns ErrNotLinked.
func (*Plugin) Backend(string, []string) (compute.Backend, error) { return nil, ErrNotLinked }

// Driver returns ErrNotLinked: without cgo no driver can be asked.
func Driver() (int, error) { return 0, ErrNotLinked }

// CPUVersion is empty: without go-xla no release goes with it.
const CPUVersion = ""

// Fetch returns ErrNotLinked.
func Fetch(string, string) error { return ErrNotLinked }
