package backend

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gomlx/compute"

	"github.com/residual-go/residual/pkg/backend/internal/xla"
)

// pretend returns a machine on which XLA is linked and every plugin can be opened, except in a folder
// named broken.
func pretend(m machine) machine {
	m.linked = true
	m.open = func(path string) (string, error) {
		if filepath.Base(filepath.Dir(path)) == "broken" {
			return "", errors.New("it is broken")
		}
		return "0.104", nil
	}
	return m
}

// TestResolve checks what auto stands for on machines with various plugins and GPUs.
func TestResolve(t *testing.T) {
	const (
		onCUDA = ".local/lib/go-xla/nvidia/pjrt_c_api_cuda_plugin.so"
		onCPU  = ".local/lib/go-xla/pjrt_c_api_cpu_plugin.so"
		tpu    = ".local/lib/go-xla/pjrt_c_api_tpu_plugin.so"
	)
	for name, test := range map[string]struct {
		files     []string // below HOME
		gpu       int      // the CUDA version that the GPU's driver supports; 0 for no GPU
		variables map[string]string
		linkless  bool
		asked     string
		want      string
	}{
		"nothing":                                  {want: "cpu"},
		"empty is auto":                            {want: "cpu", asked: ""},
		"a CPU plugin":                             {files: []string{onCPU}, want: "xla:cpu"},
		"one with a version":                       {files: []string{".local/lib/go-xla/pjrt_c_api_cpu_v0.114.0_plugin.so"}, want: "xla:cpu"},
		"a CUDA plugin and a GPU":                  {files: []string{onCUDA, onCPU}, gpu: 13000, want: "xla:cuda"},
		"a CUDA plugin alone":                      {files: []string{onCUDA}, want: "cpu"},
		"both plugins, no GPU":                     {files: []string{onCUDA, onCPU}, want: "xla:cpu"},
		"a GPU alone":                              {gpu: 13000, want: "cpu"},
		"the GPU is hidden":                        {files: []string{onCUDA}, gpu: 13000, variables: map[string]string{"CUDA_VISIBLE_DEVICES": ""}, want: "cpu"},
		"hidden by a number":                       {files: []string{onCUDA}, gpu: 13000, variables: map[string]string{"CUDA_VISIBLE_DEVICES": "-1"}, want: "cpu"},
		"one of the GPUs":                          {files: []string{onCUDA}, gpu: 13000, variables: map[string]string{"CUDA_VISIBLE_DEVICES": "1"}, want: "xla:cuda"},
		"a driver too old":                         {files: []string{onCUDA, ".local/lib/go-xla/nvidia/cu13/nvvm/libdevice/libdevice.10.bc"}, gpu: 12040, want: "cpu"},
		"an old driver and plugin":                 {files: []string{onCUDA, ".local/lib/go-xla/nvidia/cuda_nvcc/nvvm/libdevice/libdevice.10.bc"}, gpu: 12040, want: "xla:cuda"},
		"a plugin of another kind":                 {files: []string{tpu}, want: "cpu"},
		"the environment":                          {files: []string{onCPU}, variables: map[string]string{compute.ConfigEnvVar: "go"}, want: "go"},
		"the environment says auto":                {files: []string{onCPU}, variables: map[string]string{compute.ConfigEnvVar: "auto"}, want: "xla:cpu"},
		"a name overrides the environment":         {variables: map[string]string{compute.ConfigEnvVar: "go"}, asked: "cpu", want: "cpu"},
		"XLA is not linked":                        {files: []string{onCPU}, linkless: true, want: "cpu"},
		"jax in a search path":                     {files: []string{"venv/lib/python3.13/site-packages/jax_plugins/xla_cuda13/xla_cuda_plugin.so"}, gpu: 13000, variables: map[string]string{searchPaths: "venv"}, want: "xla:cuda"},
		"jax elsewhere":                            {files: []string{"venv/lib/python3.13/site-packages/jax_plugins/xla_cuda13/xla_cuda_plugin.so"}, gpu: 13000, want: "cpu"},
		"a search path replaces the usual folders": {files: []string{onCPU}, variables: map[string]string{searchPaths: "venv"}, want: "cpu"},
		"a broken plugin, then a good one": {files: []string{"broken/pjrt_c_api_cpu_plugin.so", "whole/pjrt_c_api_cpu_plugin.so"},
			variables: map[string]string{searchPaths: "broken:whole"}, want: "xla:cpu"},
		"broken": {files: []string{"broken/pjrt_c_api_cpu_plugin.so"}, variables: map[string]string{searchPaths: "broken"}, want: "cpu"},
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			for _, file := range test.files {
				touch(t, filepath.Join(home, file))
			}
			variables := map[string]string{"HOME": home}
			for name, value := range test.variables {
				if name == searchPaths {
					var folders []string
					for folder := range strings.SplitSeq(value, ":") {
						folders = append(folders, filepath.Join(home, folder))
					}
					value = strings.Join(folders, string(filepath.ListSeparator))
				}
				variables[name] = value
			}
			m := pretend(bare(t, variables))
			if test.gpu > 0 {
				m = m.withGPU(t, test.gpu)
			}
			m.linked = !test.linkless
			if got, why := m.resolve(test.asked); got != test.want || why == "" {
				t.Errorf("%s (%s), want %s", got, why, test.want)
			}
			if got := m.look(); test.asked == "" && (got.Default != test.want || (got.NotXLA != "") != test.linkless) {
				t.Errorf("look() = %+v, want the default %s", got, test.want)
			}
		})
	}
}

// TestChoose checks which plugin a kind or path stands for, or the error.
func TestChoose(t *testing.T) {
	home := t.TempDir()
	for _, file := range []string{
		".local/lib/go-xla/pjrt_c_api_cpu_plugin.so",
		".local/lib/go-xla/pjrt_c_api_cpu_v0.114.0_plugin.so",
		".local/lib/go-xla/nvidia/pjrt_c_api_cuda_plugin.so",
		"venv/lib/python3.13/site-packages/jax_plugins/xla_cuda12/xla_cuda_plugin.so",
		"venv/lib/python3.13/site-packages/jax_plugins/xla_cuda13/xla_cuda_plugin.so",
		"venv/lib/python3.13/site-packages/jax_plugins/xla_cuda13/other.so",
		"broken/pjrt_c_api_cpu_plugin.so",
		"my_cuda.so",
		"mine.so",
		"a[1]*/pjrt_c_api_cpu_plugin.so",
	} {
		touch(t, filepath.Join(home, file))
	}
	if err := os.Mkdir(filepath.Join(home, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	const packages = "venv/lib/python3.13/site-packages"
	m := pretend(bare(t, map[string]string{"HOME": home}))
	withGPU := pretend(bare(t, map[string]string{"HOME": home})).withGPU(t, 13000)
	oldDriver := pretend(bare(t, map[string]string{"HOME": home})).withGPU(t, 12080)
	noLibrary := pretend(bare(t, map[string]string{"HOME": home})).withGPU(t, 0)
	noLibrary.driver = func() (int, error) { return 0, xla.ErrNoDriver }
	hidden := pretend(bare(t, map[string]string{"HOME": home, "CUDA_VISIBLE_DEVICES": "-1"})).withGPU(t, 13000)
	nothing := pretend(bare(t, nil))
	for _, test := range []struct {
		m    machine
		what string
		want string // the path below home, or the error
	}{
		{m, "", ".local/lib/go-xla/pjrt_c_api_cpu_plugin.so"},
		{m, "cpu", ".local/lib/go-xla/pjrt_c_api_cpu_plugin.so"},
		{m, "cuda", "no NVIDIA GPU or driver found (libcuda.so.1 is missing, and there is no /dev/nvidia0)"},
		{withGPU, "", ".local/lib/go-xla/nvidia/pjrt_c_api_cuda_plugin.so"},
		{withGPU, "cuda", ".local/lib/go-xla/nvidia/pjrt_c_api_cuda_plugin.so"},
		{withGPU, "cpu", ".local/lib/go-xla/pjrt_c_api_cpu_plugin.so"},
		{withGPU, home + "/venv", packages + "/jax_plugins/xla_cuda13/xla_cuda_plugin.so"},
		{withGPU, "~/venv", packages + "/jax_plugins/xla_cuda13/xla_cuda_plugin.so"},
		{withGPU, home + "/" + packages, packages + "/jax_plugins/xla_cuda13/xla_cuda_plugin.so"},
		{withGPU, home + "/" + packages + "/jax_plugins/xla_cuda12/", packages + "/jax_plugins/xla_cuda12/xla_cuda_plugin.so"},
		{withGPU, home + "/" + packages + "/jax_plugins/xla_cuda13/other.so", packages + "/jax_plugins/xla_cuda13/other.so"},
		{oldDriver, home + "/venv", packages + "/jax_plugins/xla_cuda12/xla_cuda_plugin.so"},
		{oldDriver, home + "/" + packages + "/jax_plugins/xla_cuda13", "it supports CUDA 12.8, but the plugin is for CUDA 13; update the driver"},
		{oldDriver, home + "/" + packages + "/jax_plugins/xla_cuda12", packages + "/jax_plugins/xla_cuda12/xla_cuda_plugin.so"},
		{noLibrary, "cuda", "there is an NVIDIA GPU but no usable driver library: libcuda.so.1 is missing"},
		{hidden, "cuda", `CUDA_VISIBLE_DEVICES="-1" hides every GPU; unset it`},
		{m, home + "/a[1]*", "a[1]*/pjrt_c_api_cpu_plugin.so"},
		{m, home + "/my_cuda.so", "no NVIDIA GPU or driver found"},
		{m, home + "/mine.so", "mine.so"},
		{m, home + "/empty", "no XLA plugin in the folder"},
		{m, home + "/none", "no such file or directory; name its .so file"},
		{m, home + "/broken", "broken/pjrt_c_api_cpu_plugin.so: it is broken"},
		{m, "tpu", `unknown plugin "tpu"; want cpu, cuda, or the path`},
		{nothing, "", "no XLA plugin for cuda or cpu is installed"},
		{nothing, "cuda", "no XLA plugin for cuda is installed"},
	} {
		p, err := test.m.choose(test.what)
		got := strings.TrimPrefix(p.Path, home+"/")
		if err != nil {
			got = err.Error()
		}
		if err == nil && got != test.want || err != nil && !strings.Contains(got, test.want) || strings.Contains(got, "\n") {
			t.Errorf("choose(%q) = %s, want %s", test.what, got, test.want)
		}
	}
}

func TestComplete(t *testing.T) {
	for _, test := range []struct {
		kind, given string
		want        string // the options, or the error
	}{
		{"cuda", "", "preallocate=false"},
		{"cuda", "tf32=false", "preallocate=false,tf32=false"},
		{"cuda", "preallocate,memory_fraction=0.5", "memory_fraction=0.5,preallocate=true"},
		{"cuda", "visible_devices=0;1,allocator=cuda_async", "allocator=cuda_async,preallocate=false,visible_devices=0;1"},
		{"cpu", "", ""},
		{"cpu", "noshared_buffers", "shared_buffers=false"},
		{"cpu", "shared_buffer", `unknown option "shared_buffer"; XLA's options are allocator, memory_fraction, preallocate, shared_buffers, tf32, use_tfrt_gpu_client, visible_devices`},
		{"cuda", "speed=2", `unknown option "speed"; XLA's options are`},
		{"cuda", "noallocator", `unknown option "noallocator"`},
		{"cuda", "help", `unknown option "help"`},
		{"cuda", "tf32=maybe", `option tf32: "maybe" is not valid, want true or false`},
		{"cuda", "memory_fraction=2", `option memory_fraction: "2" is not valid, want a number greater than 0 and at most 1`},
		{"cuda", "memory_fraction", `option memory_fraction: "" is not valid, want a number`},
		{"cuda", "visible_devices=0:1", `option visible_devices: "0:1" is not valid, want a list of numbers`},
		{"cuda", "allocator=big", `option allocator: "big" is not valid, want default, bfc`},
	} {
		options, err := complete(test.kind, strings.Split(test.given, ","))
		got := strings.Join(options, ",")
		if err != nil {
			got = err.Error()
		}
		if err == nil && got != test.want || err != nil && (test.want == "" || !strings.HasPrefix(got, test.want)) {
			t.Errorf("%s with %q: %s, want %s", test.kind, test.given, got, test.want)
		}
	}
	if names := optionNames(); !slices.IsSorted(names) {
		t.Errorf("the options are %q, want them sorted", names)
	}
}

// TestPrepare checks that XLA_FLAGS names the folder of libdevice if there is one beside the plugin,
// and that the user's flags are kept.
func TestPrepare(t *testing.T) {
	for name, test := range map[string]struct {
		plugin, beside, flags, want string // DIR stands for the temporary folder
	}{
		"jax, CUDA 13":   {"site-packages/jax_plugins/xla_cuda13/xla_cuda_plugin.so", "site-packages/nvidia/cu13", "", "--xla_gpu_cuda_data_dir=DIR/site-packages/nvidia/cu13"},
		"jax, CUDA 12":   {"site-packages/jax_plugins/xla_cuda12/xla_cuda_plugin.so", "site-packages/nvidia/cuda_nvcc", "", "--xla_gpu_cuda_data_dir=DIR/site-packages/nvidia/cuda_nvcc"},
		"go-xla":         {"go-xla/nvidia/pjrt_c_api_cuda_plugin.so", "go-xla/nvidia/cu13", "", "--xla_gpu_cuda_data_dir=DIR/go-xla/nvidia/cu13"},
		"jaxlib":         {"site-packages/jax_plugins/xla_cuda12/xla_cuda_plugin.so", "site-packages/jaxlib/cuda", "", "--xla_gpu_cuda_data_dir=DIR/site-packages/jaxlib/cuda"},
		"other flags":    {"x/xla_cuda_plugin.so", "x/cuda", "--xla_dump_to=/tmp", "--xla_dump_to=/tmp --xla_gpu_cuda_data_dir=DIR/x/cuda"},
		"the user's own": {"x/xla_cuda_plugin.so", "x/cuda", "--xla_gpu_cuda_data_dir=/opt/cuda", "--xla_gpu_cuda_data_dir=/opt/cuda"},
		"a space":        {"x y/xla_cuda_plugin.so", "x y/cuda", "", ""}, // which would end the flag
		"nothing beside": {"x/xla_cuda_plugin.so", "elsewhere", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			touch(t, filepath.Join(dir, test.plugin))
			touch(t, filepath.Join(dir, test.beside, "nvvm/libdevice/libdevice.10.bc"))
			m := bare(t, map[string]string{"XLA_FLAGS": test.flags})
			t.Setenv("XLA_FLAGS", test.flags)
			if err := m.prepare(filepath.Join(dir, test.plugin)); err != nil {
				t.Fatal(err)
			}
			if got, want := os.Getenv("XLA_FLAGS"), strings.ReplaceAll(test.want, "DIR", dir); got != want {
				t.Errorf("XLA_FLAGS is %q, want %q", got, want)
			}
		})
	}
}

// TestPrepareRemembersAlgorithms checks that a plugin that knows the flag gets a folder for the fastest
// algorithms, and a different one if the flags differ.
func TestPrepareRemembersAlgorithms(t *testing.T) {
	const flag = "xla_gpu_per_fusion_autotune_cache_dir"
	plugin := filepath.Join(t.TempDir(), "xla_cuda_plugin.so")
	m := bare(t, nil)
	prepared := func(content, flags string) string {
		t.Helper()
		if err := os.WriteFile(plugin, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(plugin, time.Unix(1e9, 0), time.Unix(1e9, 0)); err != nil {
			t.Fatal(err)
		}
		t.Setenv("XLA_FLAGS", flags)
		m.env = func(string) (string, bool) { return flags, true }
		if err := m.prepare(plugin); err != nil {
			t.Fatal(err)
		}
		return os.Getenv("XLA_FLAGS")
	}
	// Here the flag lies across the end of the first piece that is read.
	knows := strings.Repeat("x", 1<<20-10) + flag + "\x00"
	if got := prepared("something else", ""); got != "" {
		t.Errorf("for a plugin that does not know the flag, XLA_FLAGS is %q", got)
	}
	first := prepared(knows, "")
	folder, ok := strings.CutPrefix(first, "--"+flag+"=")
	if info, err := os.Stat(folder); !ok || err != nil || !info.IsDir() {
		t.Fatalf("XLA_FLAGS is %q (%v), want a folder that exists", first, err)
	}
	if again := prepared(knows, ""); again != first {
		t.Errorf("XLA_FLAGS is %q the second time, want %q", again, first)
	}
	const other = "--xla_gpu_autotune_level=2"
	if got := prepared(knows, other); !strings.HasPrefix(got, other+" --"+flag+"=") || strings.HasSuffix(got, folder) {
		t.Errorf("with other flags XLA_FLAGS is %q, want another folder than %s", got, folder)
	}
	if own := "--" + flag + "=/tmp/own"; prepared(knows, own) != own {
		t.Errorf("the user's folder is replaced: %q", os.Getenv("XLA_FLAGS"))
	}
}
