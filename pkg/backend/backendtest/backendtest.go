// Package backendtest gives tests the XLA backend that the person who runs them names.
//
// Tests that need a plugin of XLA are skipped unless the environment variable RESIDUAL_TEST_XLA
// names one: cpu, cuda, or the path of a plugin or of its folder, each with options behind commas,
// as --backend does behind "xla:". make test-xla sets it and runs them.
package backendtest

import (
	"os"
	"sync"
	"testing"

	"github.com/gomlx/compute"

	"github.com/residual-go/residual/pkg/backend"
)

// Variable is the environment variable that names the plugin.
const Variable = "RESIDUAL_TEST_XLA"

// engine is one for all tests of a process: a second client would take memory of its own.
var engine = sync.OnceValues(func() (compute.Backend, error) { return backend.New("xla:" + os.Getenv(Variable)) })

// XLA returns the backend that RESIDUAL_TEST_XLA names, the same to all tests of a process, and
// skips the test if it names none. A test fails if the backend does not start. Don't finalize it.
func XLA(t testing.TB) compute.Backend {
	t.Helper()
	if os.Getenv(Variable) == "" {
		t.Skipf("skipping: it needs a plugin of XLA, which %s names: cpu, cuda or a path", Variable)
	}
	b, err := engine()
	if err != nil {
		t.Fatal(err)
	}
	return b
}
