package backend

import (
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
)

// shared is go-xla's backend (v0.4.2) with a mend for graphs that run on several devices as one
// program with data of their own each, SPMD. GoMLX gives the parameters and results of such
// graphs a sharding specification, on which go-xla fails: it knows meshes of devices only in
// graphs that XLA is to share out by itself. In SPMD the specifications say nothing that the
// shapes do not, and are left out here.
//
// What it makes are wrappers, so that a buffer's backend is the backend people hold.
type shared struct{ compute.Backend }

// Builder returns a builder of a computation.
func (s *shared) Builder(name string) compute.Builder {
	return &sharedBuilder{Builder: s.Backend.Builder(name), backend: s}
}

// BufferFromFlatData puts data on a device.
func (s *shared) BufferFromFlatData(device compute.DeviceNum, flat any, shape shapes.Shape) (compute.Buffer, error) {
	buffer, err := s.Backend.BufferFromFlatData(device, flat, shape)
	if err != nil {
		return nil, err
	}
	return &sharedBuffer{buffer, s}, nil
}

// NewSharedBuffer makes a buffer in memory that the host sees too.
func (s *shared) NewSharedBuffer(device compute.DeviceNum, shape shapes.Shape) (compute.Buffer, any, error) {
	buffer, flat, err := s.Backend.NewSharedBuffer(device, shape)
	if err != nil {
		return nil, nil, err
	}
	return &sharedBuffer{buffer, s}, flat, nil
}

type sharedBuffer struct {
	compute.Buffer
	backend *shared
}

// Backend returns the backend that the buffer was made by.
func (b *sharedBuffer) Backend() compute.Backend { return b.backend }

// CopyToDevice copies the buffer to another device.
func (b *sharedBuffer) CopyToDevice(device compute.DeviceNum) (compute.Buffer, error) {
	buffer, err := b.Buffer.CopyToDevice(device)
	if err != nil {
		return nil, err
	}
	return &sharedBuffer{buffer, b.backend}, nil
}

type sharedBuilder struct {
	compute.Builder
	backend *shared
	spmd    bool
}

// DistributedSPMD makes the computation one for several devices.
func (b *sharedBuilder) DistributedSPMD(devices int) error {
	b.spmd = true
	return b.Builder.DistributedSPMD(devices)
}

// Main returns the main function.
func (b *sharedBuilder) Main() compute.Function { return &sharedMain{b.Builder.Main(), b} }

// Compile makes an executable.
func (b *sharedBuilder) Compile() (compute.Executable, error) {
	executable, err := b.Builder.Compile()
	if err != nil {
		return nil, err
	}
	return &sharedExecutable{executable, b.backend}, nil
}

type sharedMain struct {
	compute.Function
	builder *sharedBuilder
}

// Builder returns the builder of the function.
func (f *sharedMain) Builder() compute.Builder { return f.builder }

// Parameter makes a parameter, whose shape in SPMD is that on each device.
func (f *sharedMain) Parameter(name string, shape shapes.Shape, sharding *compute.ShardingSpec) (compute.Value, error) {
	if f.builder.spmd {
		sharding = nil
	}
	return f.Function.Parameter(name, shape, sharding)
}

// Return ends the function.
func (f *sharedMain) Return(outputs []compute.Value, shardings []*compute.ShardingSpec) error {
	if f.builder.spmd {
		shardings = nil
	}
	return f.Function.Return(outputs, shardings)
}

type sharedExecutable struct {
	compute.Executable
	backend *shared
}

// Execute runs the computation.
func (e *sharedExecutable) Execute(inputs []compute.Buffer, donate []bool, device compute.DeviceNum) ([]compute.Buffer, error) {
	bare := make([]compute.Buffer, len(inputs))
	for i, input := range inputs {
		b, ok := input.(*sharedBuffer)
		if !ok {
			return nil, fmt.Errorf("input %d is a %T of another backend", i, input)
		}
		bare[i] = b.Buffer
	}
	outputs, err := e.Executable.Execute(bare, donate, device)
	for i, output := range outputs {
		outputs[i] = &sharedBuffer{output, e.backend}
	}
	return outputs, err
}
