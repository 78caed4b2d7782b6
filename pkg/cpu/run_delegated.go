package cpu

import (
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	"github.com/pkg/errors"
)

// delegated runs a whole graph in the reference backend. Its inputs and outputs are this backend's
// buffers.
type delegated struct {
	backend   *Backend
	reference compute.Executable
	name      string
	placement placement

	mu        sync.RWMutex // held for writing to finalize
	finalized bool
}

// Finalize waits for running executions and frees the executable.
func (d *delegated) Finalize() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.finalized {
		d.finalized = true
		d.reference.Finalize()
	}
}

func (d *delegated) Inputs() ([]string, []shapes.Shape) { return d.reference.Inputs() }

func (d *delegated) Outputs() (outputShapes []shapes.Shape) { return d.reference.Outputs() }

// Execute runs the computation on copies of the inputs, one replica after another.
func (d *delegated) Execute(inputs []compute.Buffer, donate []bool, device compute.DeviceNum) ([]compute.Buffer, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	switch {
	case d.finalized:
		return nil, errors.Errorf("execute %s: the executable has been finalized", d.name)
	case d.backend.IsFinalized():
		return nil, d.backend.errFinalized("execute " + d.name)
	}
	_, parameters := d.reference.Inputs()
	devices, err := d.backend.devicesFor(d.placement, device, inputs, donate, len(parameters))
	if err != nil {
		return nil, errors.WithMessagef(err, "execute %s", d.name)
	}
	var outputs []compute.Buffer
	for i, device := range devices {
		own, err := d.replica(share(inputs, i, len(devices)), device)
		if err != nil {
			return nil, err
		}
		outputs = append(outputs, own...)
	}
	for i, input := range inputs {
		if len(donate) > i && donate[i] {
			if err := input.Finalize(); err != nil {
				return nil, err
			}
		}
	}
	return outputs, nil
}

// replica runs the computation for one device.
func (d *delegated) replica(inputs []compute.Buffer, device compute.DeviceNum) (outputs []compute.Buffer, err error) {
	defer recoverAsError(&err)
	references := make([]compute.Buffer, len(inputs))
	owned := make([]bool, len(inputs))
	for i, input := range inputs {
		b, err := d.backend.bufferOn(device, input)
		if err != nil {
			return nil, errors.Errorf("execute %s: input #%d: %v", d.name, i, err)
		}
		flat, err := b.Data()
		if err != nil {
			return nil, errors.WithMessagef(err, "execute %s: input #%d", d.name, i)
		}
		if references[i], err = d.backend.reference.BufferFromFlatData(0, flat, b.shape); err != nil {
			return nil, err
		}
		owned[i] = true
	}
	results, err := d.reference.Execute(references, owned, 0)
	if err != nil {
		return nil, err
	}
	outputs = make([]compute.Buffer, len(results))
	for i, result := range results {
		shape, err := result.Shape()
		if err != nil {
			return nil, err
		}
		output := d.backend.newBuffer(device, shape)
		if err := result.ToFlatData(flatOf(output.block.pointer(), shape)); err != nil {
			return nil, err
		}
		if err := result.Finalize(); err != nil {
			return nil, err
		}
		outputs[i] = output
	}
	return outputs, nil
}
