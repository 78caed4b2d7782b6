package backend

import (
	"strings"
	"testing"

	"github.com/gomlx/compute"
)

func TestNew(t *testing.T) {
	t.Setenv(compute.ConfigEnvVar, "")
	t.Setenv(searchPaths, t.TempDir())
	for _, name := range []string{"", Auto, "cpu", "cpu:kernel=portable", "go", "go:ops_sequential"} {
		if _, err := New(name); err != nil {
			t.Errorf("New(%q): %v", name, err)
		}
	}
}

func TestBadNames(t *testing.T) {
	t.Setenv(compute.ConfigEnvVar, "")
	for name, want := range map[string]string{
		"tpu":                `unknown backend "tpu"; the backends are auto, cpu, go, xla`,
		"cpu:speed":          `unknown option "speed"`,
		"cpu:kernel=quantum": `no kernels "quantum" on this machine`,
		"go:speed":           `unknown configuration option "speed"`,
		"go:a\nb=1":          `start backend`,
	} {
		if _, err := New(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New(%q): %v, want an error with %q", name, err, want)
		}
	}
}

func TestEnvironmentStandsInForAuto(t *testing.T) {
	t.Setenv(compute.ConfigEnvVar, "nonesuch")
	if _, err := New(Auto); err == nil || !strings.Contains(err.Error(), "nonesuch") {
		t.Errorf("New(auto): %v, want an error that names the backend in the environment variable", err)
	}
	if _, err := New("go"); err != nil {
		t.Errorf("New(go): %v; a given name overrides the environment variable", err)
	}
}

func TestAutoIsCPU(t *testing.T) {
	t.Setenv(compute.ConfigEnvVar, "")
	t.Setenv(searchPaths, t.TempDir())
	b, err := New(Auto)
	if err != nil {
		t.Fatal(err)
	}
	if b.Name() != "cpu" {
		t.Errorf("auto is %s, want cpu", b.Name())
	}
}
