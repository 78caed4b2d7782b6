package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gomlx/compute"

	"github.com/residual-go/residual/pkg/atomicfile"
)

// backendFile is the name of the file with the backend of a run.
const backendFile = "backend.json"

// Backend says what a run computes on. Another backend rounds differently, so that the same run
// ends with other weights.
type Backend struct {
	// Name is cpu, go, or xla and the name of its plugin, as in xla:cuda.
	Name string `json:"name"`
	// Devices is the number of devices that the backend has. The recipe says how many of them the
	// run uses.
	Devices int `json:"devices"`
	// Kernels is the kernel set of the cpu backend, such as avx2. Results of different
	// sets may differ in the last bits.
	Kernels string `json:"kernels,omitempty"`
}

// backendOf describes a backend.
func backendOf(b compute.Backend) Backend {
	is := Backend{Name: b.String(), Devices: b.NumDevices()}
	if xla, ok := b.(interface{ PluginName() string }); ok {
		kind, _, _ := strings.Cut(strings.TrimPrefix(xla.PluginName(), "/"), "/") // it is /cuda, or /cuda/2
		is.Name += ":" + kind
	}
	if cpu, ok := b.(interface{ Kernels() string }); ok {
		is.Kernels = cpu.Kernels()
	}
	return is
}

// String returns the name and, if there are several, the number of devices, as in cpu with 2 devices.
func (b Backend) String() string {
	if b.Devices > 1 {
		return fmt.Sprintf("%s with %d devices", b.Name, b.Devices)
	}
	return b.Name
}

// OtherBackendError is the error of resuming a run on a backend other than the one it was trained on.
type OtherBackendError struct {
	Dir         string
	Before, Now Backend
	// TooFew is whether the backend has fewer devices than the run uses, so that Options.AnyBackend
	// does not help.
	TooFew bool
}

func (e *OtherBackendError) Error() string {
	now := e.Now.String()
	if e.Now.Devices == 1 && e.Before.Devices > 1 {
		now += " with 1 device"
	}
	return fmt.Sprintf("the run in %s was trained on the backend %s, not on %s", e.Dir, e.Before, now)
}

// readBackend returns the backend of the run in dir, or nil if an older version began the run
// and did not record it.
func readBackend(dir string) (*Backend, error) {
	path := filepath.Join(dir, backendFile)
	content, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the run's backend: %w", err)
	}
	var b Backend
	if err := json.Unmarshal(content, &b); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w; remove it to resume on any backend", path, err)
	}
	return &b, nil
}

// writeBackend records the backend of the run in dir, if that is not recorded already.
func writeBackend(dir string, is Backend) error {
	if was, err := readBackend(dir); err == nil && was != nil && *was == is {
		return nil
	}
	content, err := json.MarshalIndent(is, "", "  ")
	if err != nil {
		return fmt.Errorf("write the run's backend: %w", err)
	}
	return atomicfile.WriteBytes(filepath.Join(dir, backendFile), append(content, '\n'))
}

// checkBackend returns an error if the run in dir was trained on another backend, unless
// o.AnyBackend is set. Otherwise it returns a note about what may change the last bits of the weights,
// or "" if nothing does.
// devices is the number of devices that the run uses, and trained says whether it has taken any steps.
func (o Options) checkBackend(dir string, devices int, trained bool) (note string, err error) {
	before, err := readBackend(dir)
	if err != nil {
		return "", err
	}
	now := backendOf(o.Backend)
	if before == nil {
		if trained {
			note = fmt.Sprintf("the run in %s was begun by an older version, which did not record its backend; it resumes on %s", dir, now)
		}
		return note, nil
	}
	other := &OtherBackendError{Dir: dir, Before: *before, Now: now, TooFew: now.Devices < devices}
	switch {
	case other.TooFew:
		return "", other
	case before.Name == now.Name && before.Devices == now.Devices:
		if before.Kernels != now.Kernels {
			note = fmt.Sprintf("the run in %s was trained with the %s kernels and resumes with the %s kernels; the last bits of its weights may differ from those of a run that kept them",
				dir, before.Kernels, now.Kernels)
		}
		return note, nil
	case !o.AnyBackend:
		return "", other
	case before.Name == now.Name:
		return fmt.Sprintf("%v; it uses %d of them, as before", other, devices), nil
	}
	return fmt.Sprintf("%v; its weights will differ, at least in the last bits, from those of a run that kept its backend", other), nil
}
