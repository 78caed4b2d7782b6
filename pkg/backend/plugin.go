package backend

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Kinds of plugins that are chosen by name. Another's kind is what its file is called by.
const (
	cuda   = "cuda"
	xlaCPU = "cpu"
)

// Plugin is an XLA plugin that was found: a shared library, or what should be one.
type Plugin struct {
	Kind    string `json:"kind"` // "cuda", "cpu", or another's
	Path    string `json:"path"`
	API     string `json:"pjrt_api,omitempty"` // its version of PJRT's C API, such as 0.104; "" if it could not be opened
	Problem string `json:"problem,omitempty"`  // why it cannot be used; "" if it can
}

// pluginFile is what plugins are called: by go-xla, and by jax.
var pluginFile = regexp.MustCompile(`^(?:pjrt_c_api_(.+)_plugin|pjrt[-_]plugin[-_](.+)|xla_(cuda)_plugin)\.so$`)

// kindOf tells a plugin's kind from its file's name: cpu also of pjrt_c_api_cpu_v0.114.0_plugin.so.
// For a file of any other name it is "".
func kindOf(path string) string {
	match := pluginFile.FindStringSubmatch(filepath.Base(path))
	if match == nil {
		return ""
	}
	kind := strings.ToLower(match[1] + match[2] + match[3])
	for _, known := range []string{cuda, xlaCPU} {
		if strings.Contains(kind, known) {
			return known
		}
	}
	return kind
}

// jax is where Python's jax has plugins, seen from a virtual environment and from its
// site-packages. The newest CUDA and Python are last.
var jax = []string{
	"jax_plugins/xla_cuda*",
	"lib/python3*/site-packages/jax_plugins/xla_cuda*",
}

// inFolder finds the plugins in folder, or in what of jax is below it; the best of a kind is the
// first: the one without a version in its name, then newer ones before older.
func inFolder(folder string) []Plugin {
	files, _ := filepath.Glob(filepath.Join(quoteGlob(folder), "*.so"))
	slices.SortStableFunc(files, func(a, b string) int {
		return cmp.Or(cmp.Compare(strings.Count(a, "_v"), strings.Count(b, "_v")), strings.Compare(b, a))
	})
	for _, pattern := range jax {
		found, _ := filepath.Glob(filepath.Join(quoteGlob(folder), pattern, "xla_cuda_plugin.so"))
		slices.Reverse(found)
		files = append(files, found...)
	}
	var plugins []Plugin
	for _, file := range files {
		if kind := kindOf(file); kind != "" {
			plugins = append(plugins, Plugin{Kind: kind, Path: file})
		}
	}
	return plugins
}

// quoteGlob makes a pattern of a path that only it fits.
func quoteGlob(path string) string { return globSigns.Replace(path) }

var globSigns = strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `\`, `\\`)

// installed finds the plugins in the machine's folders, each file once, without opening any.
func (m machine) installed() []Plugin {
	plugins := []Plugin{}
	seen := map[string]bool{}
	for _, folder := range m.folders() {
		for _, p := range inFolder(folder) {
			file, err := filepath.EvalSymlinks(p.Path)
			if err != nil {
				file = p.Path // a dangling link is found, and not usable
			}
			if !seen[file] {
				seen[file] = true
				plugins = append(plugins, p)
			}
		}
	}
	return plugins
}

// plugins are the installed ones, each examined.
func (m machine) plugins() []Plugin {
	plugins := m.installed()
	for i := range plugins {
		m.examine(&plugins[i])
	}
	return plugins
}

// examine opens the plugin, if a GPU that it needs is there, and fills in what is found.
func (m machine) examine(p *Plugin) {
	if p.Kind == cuda {
		if err := m.gpu(p.Path); err != nil {
			p.Problem = err.Error()
			return
		}
	}
	version, err := m.open(p.Path)
	if err != nil {
		p.Problem = err.Error()
		return
	}
	p.API = version
}

// named finds the plugin that is at path, a file, or those in a folder, of which there is at
// least one.
func (m machine) named(path string) ([]Plugin, error) {
	if home, _ := m.env("HOME"); home != "" && strings.HasPrefix(path, "~/") {
		path = filepath.Join(home, path[2:]) // a shell leaves it to us, behind the colon
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("no XLA plugin is found: %w; name its .so file, or the folder or virtual environment that has it", err)
	}
	if info.IsDir() {
		plugins := inFolder(path)
		if len(plugins) == 0 {
			return nil, fmt.Errorf("no XLA plugin in the folder %s, nor in jax_plugins/xla_cuda12 or xla_cuda13 below it or below its lib/python3*/site-packages; name the folder that has the plugin's .so file", path)
		}
		return plugins, nil
	}
	kind := kindOf(path)
	if kind == "" {
		kind = "plugin" // of whatever; go-xla then takes nothing for granted
		if strings.Contains(strings.ToLower(filepath.Base(path)), cuda) {
			kind = cuda
		}
	}
	return []Plugin{{Kind: kind, Path: path}}, nil
}
