package cpu

import (
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/support/backendtest"
)

// TestCompliance runs GoMLX's own compliance suite.
func TestCompliance(t *testing.T) {
	onEachKernel(t, func(t *testing.T, b *Backend) { backendtest.RunAll(t, b, nil) })
}

func TestNumberOfDevices(t *testing.T) {
	if got := newBackend(t, "").NumDevices(); got != 1 {
		t.Errorf("%d devices by default, want 1", got)
	}
	b := newDevices(t, "3")
	if got := b.NumDevices(); got != 3 {
		t.Errorf("%d devices, want 3", got)
	}
	if !b.Capabilities().Operations[compute.OpTypeAllReduce] {
		t.Error("AllReduce is not among the capabilities of several devices")
	}
	if newDevices(t, "1").Capabilities().Operations[compute.OpTypeAllReduce] {
		t.Error("AllReduce is among the capabilities of one device")
	}
	for _, option := range []string{"0", "9", "-1", "two", ""} {
		_, err := New("devices=" + option)
		wantError(t, err, "the number of devices must be from 1 to 8")
	}
}

func TestKernelsAreChosenByNameAndEnvironment(t *testing.T) {
	for _, name := range kernelNames() {
		t.Setenv(KernelEnv, name)
		b, err := New("")
		if err != nil {
			t.Fatal(err)
		}
		if got := b.(*Backend).kernels.Name; got != name || !strings.Contains(b.Description(), name) {
			t.Errorf("%s=%s: %s kernels, described as %q", KernelEnv, name, got, b.Description())
		}
		b.Finalize()
	}
	for config, want := range map[string]string{"kernel=abacus": "portable", "speed=11": "kernel=NAME"} {
		if _, err := New(config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New(%q): %v, want an error with %q", config, err, want)
		}
	}
	t.Setenv(KernelEnv, "abacus")
	if _, err := New(""); err == nil || !strings.Contains(err.Error(), "abacus") {
		t.Errorf("%s=abacus: %v, want an error", KernelEnv, err)
	}
}
