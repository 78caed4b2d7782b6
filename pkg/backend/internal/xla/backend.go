//go:build linux && (amd64 || arm64) && cgo && !noxla

package xla

import (
	"fmt"
	"strings"
	"sync"
	"unsafe"

	"github.com/gomlx/compute"
	"github.com/gomlx/go-xla/compute/xla"
	"github.com/gomlx/go-xla/pjrt"
	"github.com/gomlx/gomlx/support/exceptions"

	"github.com/residual-go/residual/pkg/backend/internal/quiet"
)

func init() {
	quiet.Restore()
	// Else go-xla fetches plugins from the network whenever one looks for a plugin.
	xla.EnableAutoInstall(false)
}

// known are the tables that go-xla has, by the names it has them under, for good. The lock is for
// go-xla's list as well, which it changes without one.
var known = struct {
	sync.Mutex
	names map[*table]string
}{names: map[*table]string{}}

// register gives the plugin to go-xla under a name, and returns the name. The caller holds the
// lock.
//
// go-xla tells from a plugin's name, which is its path if it was asked for by path, whether it is
// CUDA's or a CPU's: /home/cuda/cpu.so would be both. So the name has the kind and nothing else,
// and a slash that keeps go-xla from searching folders for it.
func (p *Plugin) register(kind string) (string, error) {
	if name, there := known.names[p.table]; there {
		return name, nil
	}
	name := "/" + kind
	if n := len(known.names); n > 0 {
		name = fmt.Sprintf("/%s/%d", kind, n+1)
	}
	if err := pjrt.RegisterPreloadedPlugin(name, uintptr(unsafe.Pointer(p.table))); err != nil {
		return "", err
	}
	known.names[p.table] = name
	return name, nil
}

// Backend starts the plugin, of kind "cuda", "cpu" or another's, with go-xla's options. A panic of
// go-xla is returned as an error.
func (p *Plugin) Backend(kind string, options []string) (compute.Backend, error) {
	known.Lock()
	defer known.Unlock()
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
