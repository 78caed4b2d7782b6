package backend

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
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
	return backend, nil
}

// choose returns the plugin that is asked for, by kind, by path, or, with nothing, the best one.
// It is usable as far as can be told without starting it.
func (m machine) choose(what string) (Plugin, error) {
	if strings.ContainsRune(what, '/') || strings.HasSuffix(what, ".so") {
		p, err := m.named(what)
		if err != nil {
			return Plugin{}, err
		}
		if m.examine(&p); p.Problem != "" {
			return Plugin{}, fmt.Errorf("plugin %s: %s", p.Path, p.Problem)
		}
		return p, nil
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

// An option is one of go-xla's, with what its value has to be.
type option struct {
	name  string
	takes string
	valid func(value string) bool
}

func isBool(value string) bool { _, err := strconv.ParseBool(value); return err == nil }

func isFraction(value string) bool {
	f, err := strconv.ParseFloat(value, 32)
	return err == nil && f > 0 && f <= 1
}

func isDevices(value string) bool {
	for device := range strings.SplitSeq(value, ";") {
		if _, err := strconv.ParseUint(device, 10, 31); err != nil {
			return false
		}
	}
	return true
}

var options = []option{
	{"allocator", "default, bfc, cuda_async, platform or vmm", func(value string) bool {
		return slices.Contains([]string{"default", "bfc", "cuda_async", "platform", "vmm"}, value)
	}},
	{"memory_fraction", "a number above 0 and up to 1", isFraction},
	{"preallocate", "true or false", isBool},
	{"shared_buffers", "true or false", isBool},
	{"tf32", "true or false", isBool},
	{"use_tfrt_gpu_client", "true or false", isBool},
	{"visible_devices", "numbers with semicolons between them, as in 0;1", isDevices},
}

// Options returns the names of XLA's options, sorted: go-xla's. "preallocate" alone is
// preallocate=true, "nopreallocate" is preallocate=false, and so with every one that is true or
// false.
func Options() []string {
	names := make([]string, len(options))
	for i, o := range options {
		names[i] = o.name
	}
	return names
}

// complete checks options, writes them as name=value, and adds what a plugin of that kind has to
// be told if nothing is said.
func complete(kind string, given []string) ([]string, error) {
	values := map[string]string{}
	if kind == cuda {
		values["preallocate"] = "false" // so that a class can share a GPU
	}
	for _, text := range given {
		if text == "" {
			continue
		}
		name, value, hasValue := strings.Cut(text, "=")
		is := func(name string) func(option) bool { return func(o option) bool { return o.name == name } }
		i := slices.IndexFunc(options, is(name))
		if positive, no := strings.CutPrefix(name, "no"); i < 0 && no && !hasValue {
			if i = slices.IndexFunc(options, is(positive)); i >= 0 {
				name, value, hasValue = positive, "false", true
			}
		}
		if i < 0 {
			return nil, fmt.Errorf("unknown option %q; XLA's options are %s", name, strings.Join(Options(), ", "))
		}
		if !hasValue && options[i].valid("true") {
			value = "true"
		}
		if !options[i].valid(value) {
			return nil, fmt.Errorf("option %s: %q is not %s", name, value, options[i].takes)
		}
		values[name] = value
	}
	var all []string
	for _, o := range options {
		if value, set := values[o.name]; set {
			all = append(all, o.name+"="+value)
		}
	}
	return all, nil
}

// prepare tells XLA, by its variable XLA_FLAGS, where libdevice and ptxas of the plugin at path
// are, if they lie beside it and the user has not said it.
func (m machine) prepare(path string) error {
	const variable, flag = "XLA_FLAGS", "--xla_gpu_cuda_data_dir"
	flags, _ := m.env(variable)
	data := cudaData(path)
	if data == "" || strings.Contains(flags, flag) {
		return nil
	}
	if strings.ContainsAny(data, " \t\n") {
		return errors.New("the folder " + strconv.Quote(data) + " has a space in its name, which XLA_FLAGS cannot; move it")
	}
	if err := os.Setenv(variable, strings.TrimSpace(flags+" "+flag+"="+data)); err != nil {
		return fmt.Errorf("set %s: %w", variable, err)
	}
	return nil
}
