package cpu

import (
	"testing"

	"github.com/gomlx/compute/support/backendtest"
)

// newBackend returns a backend with the named kernels that ends with the test.
func newBackend(t testing.TB, kernels string) *Backend {
	t.Helper()
	b, err := New("kernel=" + kernels)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Finalize)
	return b.(*Backend)
}

// onEachKernel runs a test on every set of kernels that the machine has.
func onEachKernel(t *testing.T, test func(t *testing.T, b *Backend)) {
	for _, name := range Kernels() {
		t.Run(name, func(t *testing.T) { test(t, newBackend(t, name)) })
	}
}

// fewer returns how many of n cases a test has time for: fewer under the race detector.
func fewer(n int) int {
	if raceEnabled {
		return (n + 7) / 8
	}
	return n
}

// GoMLX's own compliance suite.
func TestCompliance(t *testing.T) {
	onEachKernel(t, func(t *testing.T, b *Backend) { backendtest.RunAll(t, b, nil) })
}
