package backend

import (
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
)

// spmdBackend is go-xla's backend (v0.4.2) with a fix for SPMD graphs, in which several devices run
// the same program on data of their own. GoMLX gives the parameters and results of such graphs
// sharding specifications, and go-xla fails on them: it knows device meshes only in graphs that XLA
// partitions automatically. In SPMD the specifications add nothing to the shapes, so they are
// dropped here.
//
// Buffers and functions are wrapped as well, so that their Backend method returns the backend that
// the caller holds.
type spmdBackend struct{ compute.Backend }

// PluginName returns the name of the plugin.
func (s *spmdBackend) PluginName() string {
	plugin, ok := s.Backend.(interface{ PluginName() string })
	if !ok {
		return ""
	}
	return plugin.PluginName()
}

// Builder returns a builder for a computation.
func (s *spmdBackend) Builder(name string) compute.Builder {
	return &spmdBuilder{Builder: s.Backend.Builder(name), backend: s}
}

// BufferFromFlatData copies data to a device.
func (s *spmdBackend) BufferFromFlatData(device compute.DeviceNum, flat any, shape shapes.Shape) (compute.Buffer, error) {
	buffer, err := s.Backend.BufferFromFlatData(device, flat, shape)
	if err != nil {
		return nil, err
	}
	return &spmdBuffer{buffer, s}, nil
}

// NewSharedBuffer creates a buffer in memory that the host can access too.
func (s *spmdBackend) NewSharedBuffer(device compute.DeviceNum, shape shapes.Shape) (compute.Buffer, any, error) {
	buffer, flat, err := s.Backend.NewSharedBuffer(device, shape)
	if err != nil {
		return nil, nil, err
	}
	return &spmdBuffer{buffer, s}, flat, nil
}

type spmdBuffer struct {
	compute.Buffer
	backend *spmdBackend
}

// Backend returns the backend that created the buffer.
func (b *spmdBuffer) Backend() compute.Backend { return b.backend }

// CopyToDevice copies the buffer to another device.
func (b *spmdBuffer) CopyToDevice(device compute.DeviceNum) (compute.Buffer, error) {
	buffer, err := b.Buffer.CopyToDevice(device)
	if err != nil {
		return nil, err
	}
	return &spmdBuffer{buffer, b.backend}, nil
}

type spmdBuilder struct {
	compute.Builder
	backend *spmdBackend
	spmd    bool
}

// DistributedSPMD makes the computation run on several devices.
func (b *spmdBuilder) DistributedSPMD(devices int) error {
	b.spmd = true
	return b.Builder.DistributedSPMD(devices)
}

// Main returns the main function.
func (b *spmdBuilder) Main() compute.Function { return &spmdMain{b.Builder.Main(), b} }

// Compile compiles the computation.
func (b *spmdBuilder) Compile() (compute.Executable, error) {
	executable, err := b.Builder.Compile()
	if err != nil {
		return nil, err
	}
	return &spmdExecutable{executable, b.backend}, nil
}

type spmdMain struct {
	compute.Function
	builder *spmdBuilder
}

// Builder returns the builder of the function.
func (f *spmdMain) Builder() compute.Builder { return f.builder }

// Parameter adds a parameter. In SPMD its shape is that on each device.
func (f *spmdMain) Parameter(name string, shape shapes.Shape, sharding *compute.ShardingSpec) (compute.Value, error) {
	if f.builder.spmd {
		sharding = nil
	}
	return f.Function.Parameter(name, shape, sharding)
}

// Return sets the results of the function.
func (f *spmdMain) Return(outputs []compute.Value, shardings []*compute.ShardingSpec) error {
	if f.builder.spmd {
		shardings = nil
	}
	return f.Function.Return(outputs, shardings)
}

type spmdExecutable struct {
	compute.Executable
	backend *spmdBackend
}

// Execute runs the computation.
func (e *spmdExecutable) Execute(inputs []compute.Buffer, donate []bool, device compute.DeviceNum) ([]compute.Buffer, error) {
	bare := make([]compute.Buffer, len(inputs))
	for i, input := range inputs {
		b, ok := input.(*spmdBuffer)
		if !ok {
			return nil, fmt.Errorf("input %d is a %T, which belongs to another backend", i, input)
		}
		bare[i] = b.Buffer
	}
	outputs, err := e.Executable.Execute(bare, donate, device)
	for i, output := range outputs {
		outputs[i] = &spmdBuffer{output, e.backend}
	}
	return outputs, err
}
