package backend

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/residual-go/residual/pkg/backend/internal/quiet"
)

// The kinds of plugins that can be chosen by name.
const (
	cuda   = "cuda"
	xlaCPU = "cpu"
)

// Plugin is an XLA plugin, a shared library, found on this machine. It may be unusable.
type Plugin struct {
	Kind    string `json:"kind"` // "cuda", "cpu", or the kind in the file's name, such as "tpu"
	Path    string `json:"path"`
	API     string `json:"pjrt_api,omitempty"` // the version of its PJRT C API, such as 0.104; "" if it could not be opened
	Problem string `json:"problem,omitempty"`  // why it cannot be used; "" if it can
}

// pluginFile matches the file names of go-xla's, jax's and zml's plugins.
var pluginFile = regexp.MustCompile(`^(?:pjrt_c_api_(.+)_plugin|pjrt[-_]plugin[-_](.+)|xla_(cuda)_plugin|libpjrt_(.+))\.so$`)

// kindOf returns the kind of plugin that the file name says: "cpu" for
// pjrt_c_api_cpu_v0.114.0_plugin.so, for instance, and "" for a file that is not named like a plugin.
func kindOf(path string) string {
	match := pluginFile.FindStringSubmatch(filepath.Base(path))
	if match == nil {
		return ""
	}
	kind := strings.ToLower(match[1] + match[2] + match[3] + match[4])
	for _, known := range []string{cuda, xlaCPU} {
		if strings.Contains(kind, known) {
			return known
		}
	}
	return kind
}

// jaxFolders are the folders of jax's plugins, relative to site-packages and to a virtual
// environment. The newest versions of CUDA and Python sort last.
var jaxFolders = []string{
	"jax_plugins/xla_cuda*",
	"lib/python3*/site-packages/jax_plugins/xla_cuda*",
}

// inFolder returns the plugins in folder and in the folders of jax below it. The best of a kind
// comes first: the one without a version in its name, then newer versions before older ones.
func inFolder(folder string) []Plugin {
	files, _ := filepath.Glob(filepath.Join(quoteGlob(folder), "*.so"))
	slices.SortStableFunc(files, func(a, b string) int {
		return cmp.Or(cmp.Compare(strings.Count(a, "_v"), strings.Count(b, "_v")), strings.Compare(b, a))
	})
	for _, pattern := range jaxFolders {
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

// quoteGlob returns a pattern that matches only the given path.
func quoteGlob(path string) string { return globSigns.Replace(path) }

var globSigns = strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `\`, `\\`)

// installed returns the plugins in the machine's folders, each file once. It opens none of them.
func (m machine) installed() []Plugin {
	plugins := []Plugin{}
	seen := map[string]bool{}
	for _, folder := range m.folders() {
		for _, p := range inFolder(folder) {
			file, err := filepath.EvalSymlinks(p.Path)
			if err != nil {
				file = p.Path // a dangling link: list it as unusable
			}
			if !seen[file] {
				seen[file] = true
				plugins = append(plugins, p)
			}
		}
	}
	return plugins
}

// plugins returns the installed plugins, examined.
func (m machine) plugins() []Plugin {
	plugins := m.installed()
	for i := range plugins {
		m.examine(&plugins[i])
	}
	return plugins
}

// examine fills in the plugin's API or Problem. It opens the plugin unless a GPU that it needs is missing.
func (m machine) examine(p *Plugin) {
	if p.Kind == cuda {
		if err := m.checkGPU(p.Path); err != nil {
			p.Problem = err.Error()
			return
		}
	}
	if p.Kind == xlaCPU {
		defer quiet.CPU()()
	}
	version, err := m.open(p.Path)
	if err != nil {
		p.Problem = err.Error()
		return
	}
	p.API = version
}

// named returns the plugin at path if that is a file, or the plugins in the folder at path. Without
// an error there is at least one.
func (m machine) named(path string) ([]Plugin, error) {
	if home, _ := m.env("HOME"); home != "" && strings.HasPrefix(path, "~/") {
		path = filepath.Join(home, path[2:]) // the shell does not expand ~ after a colon
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("no XLA plugin found: %w; name its .so file, or the folder or virtual environment that contains it", err)
	}
	if info.IsDir() {
		plugins := inFolder(path)
		if len(plugins) == 0 {
			return nil, fmt.Errorf("no XLA plugin in the folder %s, in its jax_plugins/xla_cuda*, or in its lib/python3*/site-packages/jax_plugins/xla_cuda*; name the folder with the plugin's .so file", path)
		}
		return plugins, nil
	}
	kind := kindOf(path)
	if kind == "" {
		kind = "plugin" // unknown; go-xla then assumes nothing about it
		if strings.Contains(strings.ToLower(filepath.Base(path)), cuda) {
			kind = cuda
		}
	}
	return []Plugin{{Kind: kind, Path: path}}, nil
}
