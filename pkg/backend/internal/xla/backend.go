//go:build linux && (amd64 || arm64) && cgo && !noxla

package xla

import (
	"fmt"
	"strings"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/go-xla/compute/xla"
	"github.com/gomlx/go-xla/pjrt"
	"github.com/gomlx/gomlx/support/exceptions"

	"github.com/residual-go/residual/pkg/backend/internal/quiet"
)

func init() {
	quiet.Restore()
	// Otherwise go-xla downloads plugins whenever it searches for one.
	xla.EnableAutoInstall(false)
}

// registered maps the plugins' tables to their names in go-xla, which keeps the tables it has been given
// forever. The lock also protects go-xla's own list, which has none.
var registered = struct {
	sync.Mutex
	names map[*table]string
}{names: map[*table]string{}}

// register passes the plugin to go-xla under a name, and returns the name. The caller holds the
// lock.
//
// go-xla guesses from a plugin's name or path whether it is for CUDA or for CPUs: /home/cuda/cpu.so
// would be both. So the name is only the kind, after a slash that keeps go-xla from searching
// folders for it.
func (p *Plugin) register(kind string) (string, error) {
	if name, there := registered.names[p.table]; there {
		return name, nil
	}
	name := "/" + kind
	if n := len(registered.names); n > 0 {
		name = fmt.Sprintf("/%s/%d", kind, n+1)
	}
	hooked, err := p.hook()
	if err != nil {
		return "", err
	}
	if err := pjrt.RegisterPreloadedPlugin(name, uintptr(hooked)); err != nil {
		return "", err
	}
	registered.names[p.table] = name
	return name, nil
}

// Backend starts the plugin, of kind "cuda", "cpu" or another, with go-xla's options. It keeps compiled
// programs in the cache, unless that is nil. It returns a panic of go-xla as an error.
func (p *Plugin) Backend(kind string, options []string, cache *Cache) (compute.Backend, error) {
	registered.Lock()
	defer registered.Unlock()
	starting = p.client(cache)
	var backend compute.Backend
	var err error
	panicked := exceptions.Try(func() {
		var name string
		if name, err = p.register(kind); err != nil {
			return
		}
		backend, err = xla.New(strings.Join(append([]string{name}, options...), ","))
	})
	if panicked != nil {
		return nil, fmt.Errorf("go-xla panicked: %v", panicked)
	}
	if err != nil {
		return nil, err
	}
	return backend, nil
}
