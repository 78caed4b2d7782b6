package backend

import (
	"cmp"
	"fmt"
	"os"
	"strings"

	"github.com/gomlx/compute"

	"github.com/residual-go/residual/pkg/backend/internal/xla"
)

const xlaName = "xla"

// startXLA starts "xla", "xla:kind" or "xla:path", with options behind commas.
func (m machine) startXLA(config string) (compute.Backend, error) {
	if !m.linked {
		return nil, xla.ErrNotLinked
	}
	parts := strings.Split(strings.TrimPrefix(strings.TrimPrefix(config, xlaName), ":"), ",")
	p, err := m.choose(parts[0])
	if err != nil {
		return nil, err
	}
	options, err := complete(p.Kind, parts[1:])
	if err != nil {
		return nil, err
	}
	if p.Kind == cuda {
		if err := m.prepare(p.Path); err != nil {
			return nil, err
		}
	}
	plugin, err := xla.Open(p.Path)
	if err != nil {
		return nil, fmt.Errorf("plugin %s: %w", p.Path, err)
	}
	backend, err := plugin.Backend(p.Kind, options)
	if err != nil {
		return nil, fmt.Errorf("plugin %s: %w", p.Path, err)
	}
	if backend.NumDevices() == 0 {
		backend.Finalize()
		return nil, fmt.Errorf("plugin %s: it found no device", p.Path)
	}
	if backend.NumDevices() > 1 {
		return &shared{backend}, nil
	}
	return backend, nil
}

// choose returns the plugin that is asked for, by kind, by path, or, with nothing, the best one.
// It is usable as far as can be told without starting it.
func (m machine) choose(what string) (Plugin, error) {
	if strings.ContainsRune(what, '/') || strings.HasSuffix(what, ".so") {
		plugins, err := m.named(what)
		if err != nil {
			return Plugin{}, err
		}
		// A Python may have plugins for several CUDA, of which the driver can do one.
		for i := range plugins {
			if m.examine(&plugins[i]); plugins[i].Problem == "" {
				return plugins[i], nil
			}
		}
		return Plugin{}, fmt.Errorf("plugin %s: %s", plugins[0].Path, plugins[0].Problem)
	}
	kinds := []string{what}
	switch what {
	case "":
		kinds = []string{cuda, xlaCPU}
	case cuda, xlaCPU:
	default:
		return Plugin{}, fmt.Errorf("unknown plugin %q; there are cpu, cuda, and the path of a plugin or of its folder, with a slash in it", what)
	}
	var problem error
	for _, kind := range kinds {
		for _, p := range m.installed() {
			if p.Kind != kind {
				continue
			}
			if m.examine(&p); p.Problem == "" {
				return p, nil
			}
			problem = cmp.Or(problem, fmt.Errorf("plugin %s: %s", p.Path, p.Problem))
		}
	}
	if problem != nil {
		return Plugin{}, problem
	}
	wanted := cmp.Or(what, xlaCPU)
	return Plugin{}, fmt.Errorf("no XLA plugin for %s is installed; get it with: go run ./lesson doctor --install xla:%s (go run ./lesson doctor says where plugins are looked for)", strings.Join(kinds, " or "), wanted)
}

// prepare tells XLA, by its variable XLA_FLAGS, where libdevice and ptxas of the plugin at path
// are, if they lie beside it and the user has not said it.
func (m machine) prepare(path string) error {
	const variable, flag = "XLA_FLAGS", "--xla_gpu_cuda_data_dir"
	flags, _ := m.env(variable)
	data := cudaData(path)
	if data == "" || strings.Contains(flags, flag) || strings.ContainsAny(data, " \t\n") { // a space ends a flag
		return nil
	}
	if err := os.Setenv(variable, strings.TrimSpace(flags+" "+flag+"="+data)); err != nil {
		return fmt.Errorf("set %s: %w", variable, err)
	}
	return nil
}
