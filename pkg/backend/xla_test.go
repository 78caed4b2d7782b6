package backend

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/support/exceptions"

	"github.com/residual-go/residual/pkg/backend/internal/xla"
)

// TestPlugins starts good and broken fake plugins by their paths.
func TestPlugins(t *testing.T) {
	if !xla.Linked {
		t.Skip("skipping:", xla.ErrNotLinked)
	}
	dir := t.TempDir()
	text := filepath.Join(dir, "pjrt_c_api_text_plugin.so")
	if err := os.WriteFile(text, []byte("not a library"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		macros []string
		path   string // of another file, instead of a fake plugin
		want   string // part of the error, or "" for none
		never  string // must not be in the error
	}{
		"good":          {want: ""},
		"other major":   {macros: []string{"MAJOR=1"}, want: "it has PJRT API 1.104, want version 0, best 0.104; install"},
		"short":         {macros: []string{"SIZE=600"}, want: "it has PJRT API 0.104 with 70 functions, want at least 97"},
		"no head":       {macros: []string{"SIZE=8"}, want: "its table of functions has 8 bytes"},
		"no table":      {macros: []string{"NO_TABLE"}, want: "GetPjrtApi returned no table"},
		"no entry":      {macros: []string{"NO_ENTRY"}, want: "not an XLA plugin: it has no function GetPjrtApi"},
		"no compile":    {macros: []string{"NO_COMPILE"}, want: "without the function PJRT_Client_Compile"},
		"text":          {path: text, want: "not an ELF shared library"},
		"absent":        {path: filepath.Join(dir, "none.so"), want: "no such file"},
		"no device":     {macros: []string{"DEVICES=0"}, want: "it finds no device"},
		"fails":         {macros: []string{`CREATE_ERROR="CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected\n\tat x.cc"`}, want: "CUDA finds no GPU; check nvidia-smi", never: "x.cc"},
		"out of memory": {macros: []string{`CREATE_ERROR="RESOURCE_EXHAUSTED: Out of memory while trying to allocate 17179869184 bytes.\nBufferAssignment stats:\n many"`}, want: "the device has too little memory; use smaller batches", never: "many"},
	} {
		t.Run(name, func(t *testing.T) {
			path := test.path
			if path == "" {
				path = fake(t, t.TempDir(), "pjrt_c_api_fake_plugin.so", test.macros...)
			}
			backend, err := bare(t, nil).start("xla:" + path)
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				backend.Finalize()
				return
			}
			if err == nil {
				t.Fatal("the plugin started, want an error")
			}
			message := err.Error()
			if !strings.Contains(message, test.want) || strings.ContainsRune(message, '\n') || test.never != "" && strings.Contains(message, test.never) {
				t.Errorf("error %q, want one line with %q, and not %q", message, test.want, test.never)
			}
		})
	}
}

// TestDevices checks the number of devices, and that a program the plugin cannot compile is an error.
func TestDevices(t *testing.T) {
	for macro, want := range map[string]int{"DEVICES=1": 1, "DEVICES=2": 2} {
		described := map[int]string{1: ", 1 device", 2: ", 2 devices"}[want]
		path := fake(t, t.TempDir(), "pjrt_c_api_fake_plugin.so", macro)
		backend, err := bare(t, nil).start("xla:" + path)
		if err != nil {
			t.Fatal(err)
		}
		if got := backend.NumDevices(); got != want {
			t.Errorf("%d devices, want %d", got, want)
		}
		if got := Describe(backend); !strings.HasPrefix(got, "XLA for ") || !strings.HasSuffix(got, described) {
			t.Errorf("description %q, want XLA for …%s", got, described)
		}
		caught := exceptions.TryCatch[error](func() {
			graph.MustExecOnce(backend, func(x *graph.Node) *graph.Node { return graph.Add(x, x) }, float32(1))
		})
		if caught == nil || !strings.Contains(caught.Error(), "the fake plugin") {
			t.Errorf("computing: %v, want the plugin's error", caught)
		}
		backend.Finalize()
	}
}

// TestPathDoesNotDecide checks that words in the folder's name do not make a plugin one for CUDA or
// CPUs, as they would in go-xla.
func TestPathDoesNotDecide(t *testing.T) {
	path := fake(t, filepath.Join(t.TempDir(), "cuda cpu, nvidia"), "pjrt_c_api_fake_plugin.so")
	folder := filepath.Join(t.TempDir(), "cuda-cpu")
	if err := os.Symlink(filepath.Dir(path), folder); err != nil {
		t.Fatal(err)
	}
	backend, err := bare(t, nil).start("xla:" + folder)
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Finalize()
	kinds, ok := backend.(interface {
		IsCUDA() bool
		IsCPU() bool
	})
	if !ok || kinds.IsCUDA() || kinds.IsCPU() {
		t.Errorf("%s counts as a plugin for CUDA or CPUs", backend.Description())
	}
}

// TestOptionsArrive checks that options reach the plugin, and that preallocate defaults to false for
// CUDA plugins, however they are named, and for no others.
func TestOptionsArrive(t *testing.T) {
	folder := t.TempDir()
	fake(t, folder, "xla_cuda_plugin.so", "ECHO_OPTIONS")
	other := fake(t, t.TempDir(), "pjrt_c_api_fake_plugin.so", "ECHO_OPTIONS")
	m := bare(t, map[string]string{searchPaths: folder}).withGPU(t, 13000)
	for config, want := range map[string]string{
		"xla:cuda":                               "options: preallocate=false;",
		"xla":                                    "options: preallocate=false;",
		"xla:" + folder:                          "options: preallocate=false;",
		"xla:" + folder + "/xla_cuda_plugin.so,": "options: preallocate=false;",
		"xla:cuda,preallocate":                   "options: preallocate=true;",
		"xla:" + other:                           "options:",
		"xla:" + other + ",nopreallocate":        "options: preallocate=false;",
	} {
		if _, err := m.start(config); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v, want %q", config, err, want)
		}
	}
}
