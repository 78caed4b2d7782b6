// Package backend chooses the GoMLX backend that networks run on.
//
// There is the project's own CPU backend, "cpu" ([github.com/residual-go/residual/pkg/cpu]),
// which is what auto means, and GoMLX's own pure-Go one, "go", its reference and a hundred
// times slower. XLA is to be named here when it comes; nothing else in the project knows
// which there are.
package backend

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/gomlx/compute"
	_ "github.com/gomlx/compute/gobackend" // registers "go"
	"github.com/gomlx/gomlx/support/exceptions"

	"github.com/residual-go/residual/pkg/cpu"
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
	return cpu.Name
}

// configuration adds to what people ask for what a backend needs to be safe.
//
// GoMLX's Go backend (v0.1.4) runs the operations of a graph in parallel, in a bounded pool
// in which the convolutions among them wait for helpers. When all places are taken by
// waiting convolutions nothing moves any more: training a network with shortcuts hangs.
// One operation at a time, each on all cores, is safe and no slower.
func configuration(config string) string {
	name, options, _ := strings.Cut(config, ":")
	if name != "go" || strings.Contains(options, "ops_") {
		return config
	}
	return strings.TrimSuffix("go:ops_sequential,"+options, ",")
}

// New returns the backend of the given name, with its options, if any, behind a colon:
// "auto", "cpu", "cpu:kernel=portable", "go". An unknown name is an error that has the list.
func New(name string) (compute.Backend, error) {
	config := Resolve(name)
	base, _, _ := strings.Cut(config, ":")
	if !slices.Contains(Names(), base) {
		return nil, fmt.Errorf("unknown backend %q; the backends are %s", base, strings.Join(append([]string{Auto}, Names()...), ", "))
	}
	// A constructor may panic where its plugin does not fit.
	var backend compute.Backend
	var err error
	if caught := exceptions.TryCatch[error](func() { backend, err = compute.NewWithConfig(configuration(config)) }); caught != nil {
		err = caught
	}
	if err != nil {
		return nil, fmt.Errorf("start backend %q: %w", config, err)
	}
	return backend, nil
}
