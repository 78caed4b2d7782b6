// Package backendtest starts the XLA backend for tests that need one.
//
// Such tests are skipped unless the environment variable RESIDUAL_TEST_XLA names a plugin: cpu, cuda,
// or the path of a plugin or of its folder, with options after commas, as in a backend's name after
// "xla:". make test-xla sets the variable and runs these tests.
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

// engine starts one backend for all tests of a process, since a second one would take more memory.
var engine = sync.OnceValues(func() (compute.Backend, error) { return backend.New("xla:" + os.Getenv(Variable)) })

// XLA returns the backend that RESIDUAL_TEST_XLA names, the same one in all tests of a process. It
// skips the test if the variable is not set, and fails it if the backend does not start. Do not
// finalize the backend.
func XLA(t testing.TB) compute.Backend {
	t.Helper()
	if os.Getenv(Variable) == "" {
		t.Skipf("skipping: needs an XLA plugin; set %s to cpu, cuda or the path of one", Variable)
	}
	b, err := engine()
	if err != nil {
		t.Fatal(err)
	}
	return b
}
