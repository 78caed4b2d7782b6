package backend

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestLook checks that the survey lists each plugin in the usual folders once, and reads the GPUs from
// the driver's files.
func TestLook(t *testing.T) {
	home, libraries := t.TempDir(), t.TempDir()
	m := pretend(bare(t, map[string]string{"HOME": home, "LD_LIBRARY_PATH": "lib:" + libraries}))
	real := filepath.Join(home, ".local/lib/go-xla/pjrt_c_api_cpu_v2_plugin.so")
	touch(t, real)
	if err := os.Symlink(real, filepath.Join(home, ".local/lib/go-xla/pjrt_c_api_cpu_plugin.so")); err != nil {
		t.Fatal(err)
	}
	touch(t, filepath.Join(m.root, "usr/local/lib/go-xla/nvidia/pjrt_c_api_cuda_plugin.so"))
	touch(t, filepath.Join(libraries, "pjrt_c_api_tpu_plugin.so"))
	for path, content := range map[string]string{
		"proc/driver/nvidia/gpus/0000:01:00.0/information": "Model: \t\t An imaginary GPU\nIRQ:   \t\t 1\n",
		"sys/module/nvidia/version":                        "580.65.06\n",
	} {
		path = filepath.Join(m.root, path)
		touch(t, path)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	got := m.look()
	var plugins []string
	for _, p := range got.Plugins {
		usable := "usable"
		if p.Problem != "" {
			usable = "not"
		}
		plugins = append(plugins, p.Kind+" "+filepath.Base(p.Path)+" "+usable)
	}
	if want := []string{"cpu pjrt_c_api_cpu_plugin.so usable", "cuda pjrt_c_api_cuda_plugin.so not", "tpu pjrt_c_api_tpu_plugin.so usable"}; !slices.Equal(plugins, want) {
		t.Errorf("plugins %q, want %q", plugins, want)
	}
	if want := []string{"An imaginary GPU"}; !slices.Equal(got.GPUs, want) || got.Driver != "580.65.06" {
		t.Errorf("GPUs %q with driver %q, want %q with 580.65.06", got.GPUs, got.Driver, want)
	}
	if slices.Contains(got.Folders, "lib") {
		t.Errorf("folders %q, want no relative path", got.Folders)
	}
}

// TestAutoNamesTheCPUBackend checks that the error of a default backend names one that works.
func TestAutoNamesTheCPUBackend(t *testing.T) {
	folder := t.TempDir()
	fake(t, folder, "pjrt_c_api_cpu_plugin.so", "CREATE_ERROR=\"broken\"")
	m := bare(t, map[string]string{searchPaths: folder})
	const advice = `the backend "cpu" needs no XLA`
	if _, err := m.start(Auto); err == nil || !strings.Contains(err.Error(), "broken") || !strings.HasSuffix(err.Error(), advice) {
		t.Errorf("auto: %v, want the plugin's error and %q", err, advice)
	}
	if _, err := m.start("xla:cpu"); err == nil || strings.Contains(err.Error(), advice) {
		t.Errorf("xla:cpu: %v, want an error without %q", err, advice)
	}
}
