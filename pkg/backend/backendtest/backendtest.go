// Package backendtest starts the XLA backend for tests that need one.
//
// Such tests are skipped unless the environment variable RESIDUAL_TEST_XLA names a plugin: cpu, cuda,
// or the path of a plugin or of its folder, with options after commas, as in a backend's name after
// "xla:"; or "cached" for the CPU plugin in the project's cache, which program fetch puts there.
// make test and make test-xla set the variable to that.
package backendtest

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/gomlx/compute"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/backend/internal/xla"
)

// Variable is the environment variable that names the plugin.
const Variable = "RESIDUAL_TEST_XLA"

// cached is the value of Variable for the CPU plugin in the project's cache.
const cached = "cached"

// engine starts one backend for all tests of a process, since a second one would take more memory.
var engine = sync.OnceValues(func() (compute.Backend, error) {
	plugin, err := plugin(context.Background())
	if err != nil {
		return nil, err
	}
	if _, set := os.LookupEnv(keepPrograms); !set {
		if err := os.Setenv(keepPrograms, "off"); err != nil { // what is tested is compiled
			return nil, err
		}
	}
	return backend.New("xla:" + plugin)
})

// keepPrograms is the variable that says whether compiled programs are kept for other processes.
const keepPrograms = "RESIDUAL_XLA_CACHE"

// plugin returns the value of Variable, with the path of the plugin for "cached".
func plugin(ctx context.Context) (string, error) {
	plugin := os.Getenv(Variable)
	if plugin == cached {
		return xla.CachedCPU(ctx, nil)
	}
	return plugin, nil
}

// XLA returns the backend that RESIDUAL_TEST_XLA names, the same one in all tests of a process. It
// skips the test if the variable is not set, or if it is "cached" and the plugin is not in the cache,
// and fails it if the backend does not start. Do not finalize the backend.
//
// The backend keeps no compiled programs, unless RESIDUAL_XLA_CACHE is set.
func XLA(t testing.TB) compute.Backend {
	t.Helper()
	Plugin(t)
	b, err := engine()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Plugin returns the plugin that RESIDUAL_TEST_XLA names, as after "xla:" in a backend's name. It skips the
// test as XLA does.
func Plugin(t testing.TB) string {
	t.Helper()
	switch os.Getenv(Variable) {
	case "":
		t.Skipf("skipping: needs an XLA plugin; run make test-xla, or set %s to cpu, cuda or the path of one", Variable)
	case cached:
		if _, err := xla.CachedCPU(t.Context(), nil); err != nil {
			t.Skip("skipping: needs XLA's CPU plugin, which make test-xla downloads:", err)
		}
	}
	name, err := plugin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return name
}
