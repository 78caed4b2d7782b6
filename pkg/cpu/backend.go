package cpu

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/gobackend"
	"github.com/pkg/errors"

	"github.com/residual-go/residual/pkg/cpu/internal/kernel"
)

// Name is the name under which the backend is registered.
const Name = "cpu"

// KernelEnv is the environment variable that selects the kernels: "avx512", "avx2", "neon" or
// "portable". If it is empty, the fastest kernels that the machine can run are used.
const KernelEnv = "RESIDUAL_CPU_KERNEL"

func init() { compute.Register(Name, New) }

// Backend computes on the CPU. It is safe for concurrent use.
type Backend struct {
	kernels *kernel.Set
	// reference is GoMLX's Go backend. It checks every operation, and computes those that
	// have no native step.
	reference compute.Backend
	workers   *workers
	storage   storage
	devices   int
	// granularity says how large tasks should be; tests replace it.
	granularity func() granularity
	finalized   atomic.Bool
	profile     *profile // nil without the option "profile"
}

var _ compute.Backend = (*Backend)(nil)

// New returns a backend. The configuration is a comma-separated list of options:
//
//	kernel=NAME    the kernels to use: avx512, avx2, neon or portable. The default is the value
//	               of KernelEnv or, if that is empty, the fastest that the machine can run.
//	devices=N      the number of devices to present, 1 to 8; 1 by default. All devices share
//	               the same cores, so more of them are no faster: they are for testing and
//	               learning.
//	profile        measure every step, for [Backend.Profile].
//
// New returns an error for an unknown option and for kernels that this machine cannot run.
func New(config string) (compute.Backend, error) {
	name, devices := os.Getenv(KernelEnv), 1
	var steps *profile
	for option := range strings.SplitSeq(config, ",") {
		key, value, _ := strings.Cut(option, "=")
		switch key {
		case "":
		case "kernel":
			name = value
		case "devices":
			n, err := strconv.Atoi(value)
			if err != nil || n < 1 || n > maxDevices {
				return nil, errors.Errorf("option %q of backend %q: the number of devices must be from 1 to %d", option, Name, maxDevices)
			}
			devices = n
		case "profile":
			steps = newProfile()
		default:
			return nil, errors.Errorf("unknown option %q of backend %q: the options are kernel=NAME, devices=N and profile", option, Name)
		}
	}
	kernels, err := kernel.Choose(name)
	if err != nil {
		return nil, errors.Wrapf(err, "backend %q", Name)
	}
	// GoMLX's Go backend can deadlock when it runs a graph's operations in parallel: each
	// waits for helpers from the bounded pool that the operations themselves occupy. Running
	// one operation at a time is safe.
	reference, err := gobackend.New("ops_sequential")
	if err != nil {
		return nil, errors.Wrapf(err, "backend %q", Name)
	}
	return &Backend{kernels: kernels, reference: reference, workers: newWorkers(), devices: devices, granularity: newGranularity, profile: steps}, nil
}

// Name returns "cpu".
func (b *Backend) Name() string { return Name }

// String returns "cpu".
func (b *Backend) String() string { return Name }

// Kernels returns the name of the kernels in use, such as avx2. Results with different kernels may differ
// in the last bits.
func (b *Backend) Kernels() string { return b.kernels.Name }

// Description names the kernels in use and the number of cores and, if there are several
// devices, how many share these cores.
func (b *Backend) Description() string {
	if b.devices > 1 {
		return fmt.Sprintf("Residual CPU backend (%s kernels, %d devices sharing %d cores)", b.kernels.Name, b.devices, runtime.GOMAXPROCS(0))
	}
	return fmt.Sprintf("Residual CPU backend (%s kernels, %d cores)", b.kernels.Name, runtime.GOMAXPROCS(0))
}

// NumDevices returns the value of the option devices=N. By default all cores are one device.
func (b *Backend) NumDevices() int { return b.devices }

// DeviceDescription returns the backend's description: all devices are alike.
func (b *Backend) DeviceDescription(compute.DeviceNum) string { return b.Description() }

// Capabilities returns the capabilities of GoMLX's Go backend plus batch normalization and,
// with several devices, AllReduce.
func (b *Backend) Capabilities() compute.Capabilities {
	can := b.reference.Capabilities().Clone()
	for _, op := range []compute.OpType{
		compute.OpTypeBatchNormForInference, compute.OpTypeBatchNormForTraining, compute.OpTypeBatchNormGradient,
	} {
		can.Operations[op] = true
	}
	if b.devices > 1 {
		can.Operations[compute.OpTypeAllReduce] = true
	}
	return can
}

// Builder returns a new builder for a computation of the given name.
func (b *Backend) Builder(name string) compute.Builder {
	return newBuilder(b, name)
}

// Finalize stops the workers and frees the memory that the backend keeps for reuse. An
// executable that is still in use keeps its memory until it is finalized or collected.
func (b *Backend) Finalize() {
	if b.finalized.Swap(true) {
		return
	}
	b.workers.stop()
	b.reference.Finalize()
	b.storage.clear()
}

// IsFinalized reports whether Finalize was called.
func (b *Backend) IsFinalized() bool { return b.finalized.Load() }

// errFinalized returns the error for an operation, named by what, on a finalized backend.
func (b *Backend) errFinalized(what string) error {
	return errors.Errorf("%s: backend %q has been finalized", what, Name)
}
