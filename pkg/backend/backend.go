// Package backend chooses the GoMLX backend that networks run on.
//
// There is the project's own CPU backend, "cpu" ([github.com/residual-go/residual/pkg/cpu]),
// GoMLX's own pure-Go one, "go", its reference and a hundred times slower, and XLA, "xla",
// through the plugins that are installed on the machine: "xla:cuda" for NVIDIA GPUs, "xla:cpu",
// or one that is named by its path.
//
// XLA is linked where go-xla and cgo are to be had, and not with the build tag noxla; asked for
// elsewhere it is an error that says so. Nothing is ever downloaded but by [Install].
package backend

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gomlx/compute"
	_ "github.com/gomlx/compute/gobackend" // registers "go"
	"github.com/gomlx/gomlx/support/exceptions"

	"github.com/residual-go/residual/pkg/cpu"
)

// Auto is the name that leaves the choice to the environment variable GOMLX_BACKEND and,
// without it, to this package: an installed CUDA plugin if there is a GPU, else an installed
// XLA plugin for the CPU, else "cpu".
const Auto = "auto"

// Names returns the backends that New knows, sorted. "xla" is among them whether or not it is
// linked.
func Names() []string { return []string{cpu.Name, "go", xlaName} }

// Resolve returns the configuration that New uses for name: name itself, or, if that is
// Auto or empty, what stands in for it.
func Resolve(name string) string {
	config, _ := thisMachine().resolve(name)
	return config
}

// New returns the backend of the given name, with its options, if any, behind a colon:
//
//	auto
//	cpu, cpu:kernel=portable
//	go
//	xla, xla:cpu, xla:cuda, xla:cuda,visible_devices=1
//	xla:/path/to/plugin.so, xla:/path/to/folder
//
// "xla" is the best plugin that is installed. A folder is one that has a plugin, or what Python's
// jax makes: jax_plugins/xla_cuda12 or xla_cuda13, the site-packages around them, or the virtual
// environment around those. The options of XLA follow behind commas, name=value; they are go-xla's.
// For CUDA, preallocate is false if nothing is said, so that several programs can share a GPU.
//
// An unknown name or option is an error that has the list.
func New(name string) (compute.Backend, error) {
	return thisMachine().start(name)
}

func (m machine) start(name string) (compute.Backend, error) {
	config, _ := m.resolve(name)
	base, _, _ := strings.Cut(config, ":")
	if base, _, _ := strings.Cut(base, ","); base == xlaName {
		backend, err := m.startXLA(config)
		switch {
		case err == nil:
			return backend, nil
		case name == Auto || name == "":
			return nil, fmt.Errorf("start backend %q: %w; or go on without XLA: --backend cpu", config, Explain(err))
		}
		return nil, fmt.Errorf("start backend %q: %w", config, Explain(err))
	}
	if !slices.Contains(Names(), base) {
		return nil, fmt.Errorf("unknown backend %q; the backends are %s", base, strings.Join(append([]string{Auto}, Names()...), ", "))
	}
	// A constructor may panic.
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

// resolve is Resolve; why says in words what decided.
func (m machine) resolve(name string) (config, why string) {
	if name != Auto && name != "" {
		return name, "it was asked for"
	}
	if configured, _ := m.env(compute.ConfigEnvVar); configured != "" && configured != Auto {
		return configured, compute.ConfigEnvVar + " says so"
	}
	if !m.linked {
		return cpu.Name, "this program was built without XLA"
	}
	plugins := m.installed()
	for _, kind := range []string{cuda, xlaCPU} {
		for _, p := range plugins {
			if p.Kind != kind {
				continue
			}
			// One after the other: a plugin that is not needed is not opened either.
			if m.examine(&p); p.Problem == "" {
				return xlaName + ":" + kind, "there is a usable plugin, " + p.Path
			}
		}
	}
	if len(plugins) > 0 {
		return cpu.Name, "no XLA plugin here is usable"
	}
	return cpu.Name, "no XLA plugin is installed"
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

// Describe returns a backend's description for people: what it is, and on how many devices.
func Describe(b compute.Backend) string {
	named := b
	if s, ok := b.(*shared); ok {
		named = s.Backend
	}
	plugin, ok := named.(interface{ PluginName() string })
	if !ok {
		return b.Description()
	}
	devices := "1 device"
	if n := b.NumDevices(); n != 1 {
		devices = fmt.Sprint(n, " devices")
	}
	return fmt.Sprintf("XLA for %s, %s", strings.TrimPrefix(plugin.PluginName(), "/"), devices)
}
