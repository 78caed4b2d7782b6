package main

import (
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
)

// stopwatch adds up the time that calls of a backend take. The rest of a step is spent in GoMLX and in
// our code; unless the device has steps queued, it is idle meanwhile.
//
// The methods of a nil stopwatch do nothing.
type stopwatch struct {
	execute, fetch, send time.Duration
}

func (w *stopwatch) reset() {
	if w != nil {
		*w = stopwatch{}
	}
}

// move adds the times to those of r and resets the stopwatch.
func (w *stopwatch) move(r *record) {
	if w != nil {
		r.Execute += w.execute.Seconds()
		r.Fetch += w.fetch.Seconds()
		r.Send += w.send.Seconds()
		w.reset()
	}
}

// on returns the backend with its calls timed. Buffers are wrapped too, since GoMLX compares their
// Backend method's result with the backend.
func (w *stopwatch) on(b compute.Backend) compute.Backend {
	return &timedBackend{Backend: b, watch: w}
}

type timedBackend struct {
	compute.Backend
	watch *stopwatch
}

func (b *timedBackend) Builder(name string) compute.Builder {
	return &timedBuilder{b.Backend.Builder(name), b}
}

func (b *timedBackend) BufferFromFlatData(device compute.DeviceNum, flat any, shape shapes.Shape) (compute.Buffer, error) {
	began := time.Now()
	buffer, err := b.Backend.BufferFromFlatData(device, flat, shape)
	b.watch.send += time.Since(began)
	return b.wrap(buffer), err
}

func (b *timedBackend) NewSharedBuffer(device compute.DeviceNum, shape shapes.Shape) (compute.Buffer, any, error) {
	buffer, flat, err := b.Backend.NewSharedBuffer(device, shape)
	return b.wrap(buffer), flat, err
}

func (b *timedBackend) wrap(buffer compute.Buffer) compute.Buffer {
	if buffer == nil {
		return nil
	}
	return &timedBuffer{buffer, b}
}

type timedBuffer struct {
	compute.Buffer
	backend *timedBackend
}

func (t *timedBuffer) Backend() compute.Backend { return t.backend }

func (t *timedBuffer) ToFlatData(flat any) error {
	began := time.Now()
	err := t.Buffer.ToFlatData(flat)
	t.backend.watch.fetch += time.Since(began)
	return err
}

func (t *timedBuffer) CopyToDevice(device compute.DeviceNum) (compute.Buffer, error) {
	buffer, err := t.Buffer.CopyToDevice(device)
	return t.backend.wrap(buffer), err
}

type timedBuilder struct {
	compute.Builder
	backend *timedBackend
}

func (b *timedBuilder) Compile() (compute.Executable, error) {
	executable, err := b.Builder.Compile()
	if err != nil {
		return nil, err
	}
	return &timedExecutable{executable, b.backend}, nil
}

type timedExecutable struct {
	compute.Executable
	backend *timedBackend
}

func (e *timedExecutable) Execute(inputs []compute.Buffer, donate []bool, device compute.DeviceNum) ([]compute.Buffer, error) {
	plain := make([]compute.Buffer, len(inputs))
	for i, input := range inputs {
		plain[i] = input.(*timedBuffer).Buffer
	}
	began := time.Now()
	outputs, err := e.Executable.Execute(plain, donate, device)
	e.backend.watch.execute += time.Since(began)
	for i, output := range outputs {
		outputs[i] = e.backend.wrap(output)
	}
	return outputs, err
}
