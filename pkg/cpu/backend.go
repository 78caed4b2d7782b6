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

// Name is what the backend is registered as.
const Name = "cpu"

// KernelEnv is the environment variable that names the kernels to use, "avx512", "avx2" or
// "portable", in place of the best that the machine can run.
const KernelEnv = "RESIDUAL_CPU_KERNEL"

func init() { compute.Register(Name, New) }

// Backend computes on the CPU. It is safe for several goroutines at once.
type Backend struct {
	kernels *kernel.Set
	// reference computes what has no native step, and knows the rules of all operations.
	reference compute.Backend
	workers   *workers
	storage   storage
	devices   int
	finalized atomic.Bool
}

var _ compute.Backend = (*Backend)(nil)

// New returns a backend. The configuration is a comma-separated list of options:
//
//	kernel=NAME    the kernels to use: avx512, avx2 or portable; by default what KernelEnv
//	               says and, without it, the best that the machine can run
//	devices=N      how many devices to present, 1 to 8; by default 1. They share the cores,
//	               and bring no speed: they are for testing and learning
//
// An unknown option, or kernels that this machine cannot run, are an error.
func New(config string) (compute.Backend, error) {
	name, devices := os.Getenv(KernelEnv), 1
	for option := range strings.SplitSeq(config, ",") {
		key, value, _ := strings.Cut(option, "=")
		switch key {
		case "":
		case "kernel":
			name = value
		case "devices":
			n, err := strconv.Atoi(value)
			if err != nil || n < 1 || n > maxDevices {
				return nil, errors.Errorf("option %q of the backend %q: the number of devices is 1 to %d", option, Name, maxDevices)
			}
			devices = n
		default:
			return nil, errors.Errorf("unknown option %q of the backend %q; there are kernel=NAME and devices=N", option, Name)
		}
	}
	kernels, err := kernel.Choose(name)
	if err != nil {
		return nil, errors.Wrapf(err, "backend %q", Name)
	}
	// GoMLX's Go backend can deadlock when it runs the operations of a graph in parallel: the
	// helpers that they wait for come from the same bounded pool. One at a time is safe.
	reference, err := gobackend.New("ops_sequential")
	if err != nil {
		return nil, errors.Wrapf(err, "backend %q", Name)
	}
	return &Backend{kernels: kernels, reference: reference, workers: newWorkers(), devices: devices}, nil
}

// Kernels returns the names of the kernels that this machine can run, best first.
func Kernels() []string {
	var names []string
	for _, set := range kernel.Available() {
		names = append(names, set.Name)
	}
	return names
}

// Name returns "cpu".
func (b *Backend) Name() string { return Name }

// String returns "cpu".
func (b *Backend) String() string { return Name }

// Description says which kernels are used, how many cores, and how many devices share them
// if there are several.
func (b *Backend) Description() string {
	if b.devices > 1 {
		return fmt.Sprintf("Residual CPU backend (%s kernels, %d devices that share %d cores)", b.kernels.Name, b.devices, runtime.GOMAXPROCS(0))
	}
	return fmt.Sprintf("Residual CPU backend (%s kernels, %d cores)", b.kernels.Name, runtime.GOMAXPROCS(0))
}

// NumDevices returns 1, as all cores are one device, or what the option devices=N said.
func (b *Backend) NumDevices() int { return b.devices }

// DeviceDescription describes the backend: its devices are alike.
func (b *Backend) DeviceDescription(compute.DeviceNum) string { return b.Description() }

// Capabilities returns those of GoMLX's Go backend, batch normalisation and, on several
// devices, AllReduce.
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

// Builder returns a new builder of a computation.
func (b *Backend) Builder(name string) compute.Builder {
	return newBuilder(b, name)
}

// Finalize ends the workers and frees what the backend keeps for reuse. Executables that
// are still there keep their memory until they are finalized, or collected.
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

// errFinalized is what operations on a finalized backend return.
func (b *Backend) errFinalized(what string) error {
	return errors.Errorf("%s: the backend %q has been finalized", what, Name)
}
