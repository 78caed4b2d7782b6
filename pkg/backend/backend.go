// Package backend chooses the GoMLX backend that networks run on.
//
// For now that is GoMLX's own pure-Go one, "go". The project's CPU backend and XLA are to
// be named here when they come; nothing else in the project knows which there are.
package backend

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/gomlx/compute"
	_ "github.com/gomlx/compute/gobackend" // registers "go"
	"github.com/gomlx/gomlx/support/exceptions"
)

// Auto is the name that leaves the choice to the environment variable GOMLX_BACKEND and,
// without it, to this package.
const Auto = "auto"

// Names returns the backends that are built in, sorted.
func Names() []string {
	names := compute.List()
	slices.Sort(names)
	return names
}

// Resolve returns the configuration that New uses for name: name itself, or, if that is
// Auto or empty, what stands in for it.
func Resolve(name string) string {
	if name != Auto && name != "" {
		return name
	}
	if configured := os.Getenv(compute.ConfigEnvVar); configured != "" {
		return configured
	}
	return "go"
}

// New returns the backend of the given name, with its options, if any, behind a colon:
// "auto", "go", "go:parallelism=1". An unknown name is an error that has the list.
func New(name string) (compute.Backend, error) {
	config := Resolve(name)
	base, _, _ := strings.Cut(config, ":")
	if !slices.Contains(Names(), base) {
		return nil, fmt.Errorf("unknown backend %q; the backends are %s and %s", base, Auto, strings.Join(Names(), ", "))
	}
	// A constructor may panic where its plugin does not fit.
	var backend compute.Backend
	var err error
	if caught := exceptions.TryCatch[error](func() { backend, err = compute.NewWithConfig(config) }); caught != nil {
		err = caught
	}
	if err != nil {
		return nil, fmt.Errorf("start backend %q: %w", config, err)
	}
	return backend, nil
}
