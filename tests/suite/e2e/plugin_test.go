package e2e

import (
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/backend/fakeplugin"
)

// TestDoctorPlugins checks that doctor lists good and broken plugins, and survives one that crashes.
func TestDoctorPlugins(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.set("PJRT_PLUGIN_LIBRARY_PATH", p.dir)
	good := p.path("pjrt_c_api_cpu_plugin.so")
	fakeplugin.Build(t, good, "DEVICES=2")
	fakeplugin.Build(t, p.path("pjrt_c_api_old_plugin.so"), "MAJOR=1")
	out := p.ok("doctor")
	has(t, out, "default: xla:cpu (the plugin "+good+" is usable", "cpu, "+good+": PJRT API 0.104, usable",
		"old, "+p.path("pjrt_c_api_old_plugin.so")+": not usable: it has PJRT API 1.104, want version 0", "XLA on the CPU: found")
	if got := strings.Count(out, "\nDevice "); got != 2 {
		t.Errorf("doctor shows %d devices, want 2:\n%s", got, out)
	}
	got := decode[struct {
		XLA struct {
			Default string
			Plugins []struct{ Kind, Path, Problem string }
		}
	}](t, p.ok("doctor", "--json"))
	if got.XLA.Default != "xla:cpu" || len(got.XLA.Plugins) != 2 {
		t.Errorf("doctor --json gives %+v", got)
	}
	p.fails([]string{"it has PJRT API 1.104"}, "train", "--backend", "xla:"+p.path("pjrt_c_api_old_plugin.so"), "--data", "builtin")

	fakeplugin.Build(t, p.path("pjrt_c_api_cpu_plugin.so"), "ABORT")
	p.fails([]string{"backend xla:cpu crashed while starting", "GOMLX_BACKEND"}, "doctor")
	p.set("GOMLX_BACKEND", "cpu")
	has(t, p.ok("doctor"), "default: cpu (set by GOMLX_BACKEND)")
}

// cpuByHand is how to install the CPU plugin without a network.
var cpuByHand = map[string]string{
	"amd64": "by hand: put fastatomstruct_xla_cpu-2026.6.23-py3-none-manylinux_2_27_x86_64.whl into",
	"arm64": "github.com/gomlx/pjrt-cpu-binaries",
}[runtime.GOARCH]

// TestInstallRefused checks that doctor --install without a network says what to do and leaves no files.
func TestInstallRefused(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.set("HOME", p.path("home"))
	p.set("HTTPS_PROXY", closed) // no server answers there
	p.set("https_proxy", closed)
	p.fails([]string{`"tpu"`, "xla:cpu or xla:cuda"}, "doctor", "--install", "tpu")
	if !fakeplugin.Linked {
		p.fails([]string{"built without XLA"}, "doctor", "--install", "xla:cpu")
		return
	}
	for plugin, words := range map[string][]string{
		"xla:cpu":  {"fetch xla:cpu", cpuByHand},
		"xla:cuda": {"the backend xla:/path/to/site-packages"},
	} {
		p.fails(words, "doctor", "--install", plugin)
	}
	entries, err := os.ReadDir(p.path("home/.local/lib"))
	if err != nil || len(entries) > 0 {
		t.Errorf("%d files are left of the installation (%v), want none", len(entries), err)
	}
	p.set("GOMLX_NO_AUTO_INSTALL", "1")
	p.fails([]string{"GOMLX_NO_AUTO_INSTALL is set"}, "doctor", "--install", "xla:cpu")
}
