package backend

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gomlx/compute"

	"github.com/residual-go/residual/pkg/backend/internal/xla"
)

const xlaName = "xla"

// Programs returns how many programs XLA has compiled in this process, and how many were loaded instead from
// the cache, where an earlier process left them.
func Programs() (compiled, loaded int64) { return xla.Programs() }

// Unkept returns how many times keeping a program that XLA compiled in this process failed, for example because the
// disk is full, and the error of the last time. Programs that are not to be kept do not count.
func Unkept() (n int64, last error) { return xla.Unkept() }

// startXLA starts the backend "xla", "xla:KIND" or "xla:PATH", with options after commas.
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
	programs, err := m.programs(options)
	if err != nil {
		return nil, err
	}
	plugin, err := xla.Open(p.Path)
	if err != nil {
		return nil, fmt.Errorf("plugin %s: %w", p.Path, err)
	}
	backend, err := plugin.Backend(p.Kind, options, programs)
	if err != nil {
		return nil, fmt.Errorf("plugin %s: %w", p.Path, err)
	}
	if backend.NumDevices() == 0 {
		backend.Finalize()
		return nil, fmt.Errorf("plugin %s: it finds no device", p.Path)
	}
	if backend.NumDevices() > 1 {
		return &spmdBackend{backend}, nil
	}
	return backend, nil
}

// choose returns the plugin of the given kind or at the given path or, if what is "", the best one
// installed. The plugin is usable as far as can be determined without starting it.
func (m machine) choose(what string) (Plugin, error) {
	if strings.ContainsRune(what, '/') || strings.HasSuffix(what, ".so") {
		plugins, err := m.named(what)
		if err != nil {
			return Plugin{}, err
		}
		// Python may have plugins for several versions of CUDA, of which the driver supports one.
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
		kinds = preferred
	case cuda, xlaCPU:
	default:
		return Plugin{}, fmt.Errorf("unknown plugin %q; want cpu, cuda, or the path of a plugin or of its folder, which must contain a slash", what)
	}
	return m.best(m.installed(), kinds)
}

// preferred are the kinds of plugins to choose from, the best first.
var preferred = []string{cuda, xlaCPU}

// best returns the first usable plugin of the first kind that has one. Otherwise the error says
// what is wrong with the first plugin of these kinds, or is a [NotInstalledError].
func (m machine) best(plugins []Plugin, kinds []string) (Plugin, error) {
	var problem error
	for _, kind := range kinds {
		for _, p := range plugins {
			if p.Kind != kind {
				continue
			}
			// One at a time, to open no plugin that is not needed.
			if m.examine(&p); p.Problem == "" {
				return p, nil
			}
			problem = cmp.Or(problem, fmt.Errorf("plugin %s: %s", p.Path, p.Problem))
		}
	}
	if problem != nil {
		return Plugin{}, problem
	}
	return Plugin{}, &NotInstalledError{Kinds: kinds}
}

// prepare adds flags for the CUDA plugin at path to XLA_FLAGS, unless the user has set them: the folder
// with libdevice and ptxas, if it is beside the plugin, and a folder in which XLA stores the fastest
// algorithms. Without that folder, XLA would time the algorithms again in every process. That takes a
// good part of the time for compiling, and XLA might choose other algorithms, with other rounding.
func (m machine) prepare(path string) error {
	const variable = "XLA_FLAGS"
	given, _ := m.env(variable)
	flags := given
	add := func(flag, folder string) {
		if !strings.Contains(flags, flag) && folder != "" && !strings.ContainsAny(folder, " \t\n") { // a space would end the flag
			flags = strings.TrimSpace(flags + " " + flag + "=" + folder)
		}
	}
	add("--xla_gpu_cuda_data_dir", cudaData(path))
	const remember = "xla_gpu_per_fusion_autotune_cache_dir"
	// XLA aborts the process if it does not know a flag.
	if !strings.Contains(given, remember) && contains(path, remember) {
		if folder, err := m.autotuneFolder(path, given); err == nil { // without it XLA is only slower
			add("--"+remember, folder)
		}
	}
	if flags == given {
		return nil
	}
	if err := os.Setenv(variable, flags); err != nil {
		return fmt.Errorf("set %s: %w", variable, err)
	}
	return nil
}

// autotuneFolder creates and returns the folder for the fastest algorithms. There is one for each
// combination of plugin file, driver version and flags. XLA itself tells cards apart.
func (m machine) autotuneFolder(path, flags string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	key := sha256.Sum256(fmt.Appendf(nil, "%s\n%d\n%d\n%s\n%s", path, info.Size(), info.ModTime().UnixNano(), m.driverVersion(), flags))
	folder, err := m.kept("autotune-" + hex.EncodeToString(key[:8]))
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", fmt.Errorf("make the folder for XLA's fastest algorithms: %w", err)
	}
	return folder, nil
}

// kept returns the path of the folder of the given name for what XLA has worked out.
func (m machine) kept(name string) (string, error) {
	if m.cache == nil {
		return "", errors.New("no cache folder")
	}
	cache, err := m.cache()
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "xla", name), nil
}

// keepPrograms is the variable that says whether compiled programs are kept.
const keepPrograms = "RESIDUAL_XLA_CACHE"

// programs returns where to keep compiled programs, or nil if they are not kept. Training steps have
// one to four megabytes, so there is room for hundreds.
func (m machine) programs(options []string) (*xla.Cache, error) {
	switch value, _ := m.env(keepPrograms); value {
	case "", "on":
	case "off":
		return nil, nil
	default:
		return nil, fmt.Errorf("%s is %q; want on or off", keepPrograms, value)
	}
	folder, err := m.kept("programs")
	if err != nil {
		return nil, nil // every process compiles
	}
	return &xla.Cache{
		Folder: folder, Limit: 2 << 30, Least: m.least,
		Of: append([]string{m.driverVersion()}, options...),
	}, nil
}

// contains reports whether the file at path contains the text.
func contains(path, text string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	window := make([]byte, 1<<20)
	kept := 0 // bytes at the start of window, from the end of the last piece
	for {
		n, err := file.Read(window[kept:])
		if bytes.Contains(window[:kept+n], []byte(text)) {
			return true
		}
		if err != nil {
			return false
		}
		rest := min(kept+n, len(text)-1)
		copy(window, window[kept+n-rest:kept+n])
		kept = rest
	}
}
