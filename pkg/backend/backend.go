// Package backend chooses the GoMLX backend that networks run on, and finds and installs XLA
// plugins.
//
// There are three backends. "cpu" is the project's own, for CPUs
// ([github.com/residual-go/residual/pkg/cpu]). "go" is GoMLX's, in pure Go; it is about a
// hundred times slower and serves as a reference. "xla" runs an XLA plugin installed on the
// machine: "xla:cuda" for NVIDIA GPUs, "xla:cpu" for CPUs, or the plugin at a given path.
//
// XLA is part of the program on Linux with cgo, unless the build tag noxla is set; elsewhere
// [New] returns an error for it. Only [Install] ever downloads a plugin.
//
// The search for plugins is hand-written although go-xla has one: go-xla's prints errors while a
// program starts, guesses a plugin's kind from its whole path, and does not check its API version.
//
// # Where to find what
//
//	backend.go    choosing and starting a backend
//	xla.go        choosing the best plugin and starting it
//	plugin.go     finding the plugins installed on the machine
//	options.go    the options of XLA
//	gpu.go        whether there is a usable GPU, and CUDA's version
//	explain.go    what is behind XLA's errors
//	install.go    downloading and installing a plugin
//	survey.go     what the machine offers, for people
//	machine.go    the parts of the system that tests replace
//	spmd.go       several devices with XLA
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

// Auto is the name of the default backend: the one in the environment variable GOMLX_BACKEND if
// it is set, otherwise XLA with an installed CUDA plugin if there is a GPU, otherwise XLA with an
// installed CPU plugin, otherwise "cpu".
const Auto = "auto"

// Names returns the names of the backends, sorted. They include "xla" even in a program that is
// built without it.
func Names() []string { return []string{cpu.Name, "go", xlaName} }

// Resolve returns the configuration that New uses for name: name itself or, if name is Auto or
// empty, that of the default backend.
func Resolve(name string) string {
	config, _ := thisMachine().resolve(name)
	return config
}

// New starts the backend of the given name. Options follow a colon:
//
//	auto
//	cpu, cpu:kernel=portable
//	go
//	xla, xla:cpu, xla:cuda, xla:cuda,visible_devices=1
//	xla:/path/to/plugin.so, xla:/path/to/folder
//
// "xla" uses the best plugin installed. A folder may hold a plugin itself, or it may belong to an
// installation of jax for Python: jax_plugins/xla_cuda12 or xla_cuda13, the site-packages folder
// above, or the virtual environment above that. XLA's options are those of go-xla, name=value,
// separated by commas. For CUDA, preallocate defaults to false, so that several programs can share
// a GPU.
//
// The error for an unknown name or option lists the known ones. See [Explain] for the others.
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
			return nil, fmt.Errorf("start the default backend, %q: %w; the backend \"cpu\" needs no XLA", config, Explain(err))
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

// resolve returns what Resolve returns, and the reason in words.
func (m machine) resolve(name string) (config, why string) {
	if name != Auto && name != "" {
		return name, "as requested"
	}
	if configured, _ := m.env(compute.ConfigEnvVar); configured != "" && configured != Auto {
		return configured, "set by " + compute.ConfigEnvVar
	}
	if !m.linked {
		return cpu.Name, "this program was built without XLA"
	}
	plugins := m.installed()
	if p, err := m.best(plugins, preferred); err == nil {
		return xlaName + ":" + p.Kind, "the plugin " + p.Path + " is usable"
	}
	if len(plugins) > 0 {
		return cpu.Name, "no installed XLA plugin is usable"
	}
	return cpu.Name, "no XLA plugin is installed"
}

// configuration adds the option that keeps GoMLX's Go backend (v0.1.4) from deadlocking.
//
// That backend runs the operations of a graph in parallel on a bounded pool of workers, and a
// convolution waits for helpers from the same pool. Once waiting convolutions occupy the whole
// pool, as happens when training a network with shortcuts, nothing moves any more. Running one
// operation at a time, each on all cores, is safe and no slower.
func configuration(config string) string {
	name, options, _ := strings.Cut(config, ":")
	if name != "go" || strings.Contains(options, "ops_") {
		return config
	}
	return strings.TrimSuffix("go:ops_sequential,"+options, ",")
}

// pluginKind returns the kind of the backend's XLA plugin, and whether it has one.
func pluginKind(b compute.Backend) (string, bool) {
	plugin, ok := b.(interface{ PluginName() string })
	if !ok {
		return "", false
	}
	kind, _, _ := strings.Cut(strings.TrimPrefix(plugin.PluginName(), "/"), "/") // the name of a second plugin ends in a number
	return kind, true
}

// Accelerated reports whether the backend computes on a device other than the CPU, that is, on XLA with
// any plugin except the CPU's. Such a device should never have to wait for the program.
func Accelerated(b compute.Backend) bool {
	kind, ok := pluginKind(b)
	return ok && kind != xlaCPU
}

// Describe returns a description of the backend for people: its kind and its number of devices.
func Describe(b compute.Backend) string {
	kind, ok := pluginKind(b)
	if !ok {
		return b.Description()
	}
	devices := "1 device"
	if n := b.NumDevices(); n != 1 {
		devices = fmt.Sprint(n, " devices")
	}
	return fmt.Sprintf("XLA for %s, %s", kind, devices)
}
