package cpu

import (
	"slices"
	"sync"
	"time"
	"unsafe"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	"github.com/pkg/errors"

	"github.com/residual-go/residual/pkg/cpu/internal/kernel"
)

// executable runs a plan. Several goroutines may execute it at the same time, each with its own
// run.
type executable struct {
	plan      *plan
	name      string
	names     []string // of the inputs
	placement placement

	mu        sync.Mutex
	idle      []*run // for the next executions
	finalized bool
}

var _ compute.Executable = (*executable)(nil)

// run is the state of one execution on one device.
type run struct {
	plan       *plan
	arena      *arena
	at         []unsafe.Pointer // the memory of every slot
	scratch    *scratch
	blocks     []*block // the memory of the inputs
	device     compute.DeviceNum
	rendezvous *rendezvous   // with the runs on the other devices
	jobs       time.Duration // of the current step, if the backend has a profile
}

// pointer returns the memory of a slot.
func (r *run) pointer(slot int) unsafe.Pointer { return r.at[slot] }

// kernels returns the backend's kernels.
func (r *run) kernels() *kernel.Set { return r.plan.backend.kernels }

// do runs the tasks 0 to n-1 of t on all cores.
func (r *run) do(t tasker, n int) error { return r.plan.backend.workers.do(r, r.scratch, t, n) }

// Finalize frees the executable's memory. A running execution frees its own when it ends.
func (e *executable) Finalize() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.finalized = true
	for _, r := range e.idle {
		r.arena.free()
	}
	e.idle = nil
}

// Inputs returns the names and shapes of the parameters.
func (e *executable) Inputs() ([]string, []shapes.Shape) { return e.names, e.plan.inputs }

// Outputs returns the shapes of the results.
func (e *executable) Outputs() []shapes.Shape { return e.plan.outputs }

// acquire returns a run for an execution: an idle one, or a new one.
func (e *executable) acquire() (*run, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.finalized {
		return nil, errors.Errorf("execute %s: the executable has been finalized", e.name)
	}
	if e.plan.backend.IsFinalized() {
		return nil, e.plan.backend.errFinalized("execute " + e.name)
	}
	if n := len(e.idle); n > 0 {
		r := e.idle[n-1]
		e.idle = e.idle[:n-1]
		return r, nil
	}
	memory, err := newArena(e.plan.arena)
	if err != nil {
		return nil, errors.Wrapf(err, "execute %s: %d MiB of memory", e.name, e.plan.arena>>20)
	}
	r := &run{plan: e.plan, arena: memory, at: make([]unsafe.Pointer, len(e.plan.slots)),
		scratch: new(scratch), blocks: make([]*block, len(e.plan.inputs))}
	for i, s := range e.plan.slots {
		switch s.kind {
		case slotArena:
			if memory.base != nil {
				r.at[i] = unsafe.Add(memory.base, s.offset)
			}
		case slotConstant:
			r.at[i] = s.data
		}
	}
	return r, nil
}

// release makes a run idle, or frees it if the executable has been finalized.
func (e *executable) release(r *run) {
	// Do not keep inputs and outputs alive.
	clear(r.blocks)
	r.rendezvous = nil
	for i, s := range e.plan.slots {
		if s.kind == slotInput || s.kind == slotOutput {
			r.at[i] = nil
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.finalized {
		r.arena.free()
		return
	}
	e.idle = append(e.idle, r)
}

// Execute runs the computation on its assigned devices or, if none are assigned, on the given
// device. Outputs take over the memory of donated inputs where the plan allows it.
func (e *executable) Execute(inputs []compute.Buffer, donate []bool, device compute.DeviceNum) ([]compute.Buffer, error) {
	devices, err := e.plan.backend.devicesFor(e.placement, device, inputs, donate, len(e.plan.inputs))
	if err != nil {
		return nil, errors.WithMessagef(err, "execute %s", e.name)
	}
	runs := make([]*run, len(devices))
	for i, device := range devices {
		r, err := e.acquire()
		if err != nil {
			return nil, err
		}
		defer e.release(r)
		r.device, runs[i] = device, r
		if err := e.take(r, share(inputs, i, len(devices))); err != nil {
			return nil, err
		}
	}
	if len(runs) == 1 {
		runs[0].rendezvous = newRendezvous(runs)
		return e.execute(runs[0], inputs, donate)
	}
	return e.replicate(runs, inputs, donate)
}

// take checks the inputs and assigns their memory to a run.
func (e *executable) take(r *run, inputs []compute.Buffer) error {
	for i, input := range inputs {
		b, err := e.plan.backend.bufferOn(r.device, input)
		if err != nil {
			return errors.Errorf("execute %s: input #%d (%s): %v", e.name, i, e.names[i], err)
		}
		if want := e.plan.inputs[i]; b.shape.DType != want.DType || !b.shape.EqualDimensions(want) {
			return errors.Errorf("execute %s: input #%d (%s) has shape %s, want %s", e.name, i, e.names[i], b.shape, want)
		}
		if r.blocks[i], err = b.take(); err != nil {
			return errors.WithMessagef(err, "execute %s: input #%d (%s)", e.name, i, e.names[i])
		}
	}
	return nil
}

// replicate executes the runs of all devices at the same time.
func (e *executable) replicate(runs []*run, inputs []compute.Buffer, donate []bool) ([]compute.Buffer, error) {
	m := newRendezvous(runs)
	made := make([][]compute.Buffer, len(runs))
	var running sync.WaitGroup
	for i, r := range runs {
		r.rendezvous = m
		running.Go(func() {
			var err error
			// Do not leave the others waiting, whatever happens here.
			defer func() {
				if err != nil {
					m.fail(errors.WithMessagef(err, "device %d", r.device))
				}
			}()
			defer recoverAsError(&err)
			made[i], err = e.execute(r, share(inputs, i, len(runs)), share(donate, i, len(runs)))
		})
	}
	running.Wait()
	outputs := slices.Concat(made...)
	if m.failed == nil {
		return outputs, nil
	}
	for _, output := range outputs {
		_ = output.Finalize() // which never fails
	}
	return nil, m.failed
}

// execute runs the steps of the plan on one device.
func (e *executable) execute(r *run, inputs []compute.Buffer, donate []bool) ([]compute.Buffer, error) {
	p := e.plan
	given := func(i int) bool { return i >= 0 && len(donate) > 0 && donate[i] }
	// A buffer that is given for two inputs keeps its memory: the other input may still be read.
	outputs := make([]*Buffer, len(p.results))
	taken := make([]bool, len(inputs))
	for i, result := range p.results {
		if d := result.donor; given(d) && !taken[d] && !givenTwice(r.blocks, d) {
			taken[d] = true
			outputs[i] = &Buffer{backend: p.backend, device: r.device, shape: p.outputs[i], block: r.blocks[d]}
		} else {
			outputs[i] = p.backend.newBuffer(r.device, p.outputs[i])
		}
	}
	for i := range p.slots {
		switch s := &p.slots[i]; s.kind {
		case slotInput:
			r.at[i] = r.blocks[s.index].pointer()
		case slotOutput:
			r.at[i] = outputs[s.index].block.pointer()
		}
	}
	var failed error
	for _, s := range p.steps {
		if failed = r.runStep(s); failed != nil {
			break
		}
	}
	for i, result := range p.results {
		if !result.own && failed == nil {
			size := byteSize(p.outputs[i])
			copy(outputs[i].block.bytes[:size], unsafe.Slice((*byte)(r.pointer(result.slot)), size))
		}
	}
	for i := range inputs {
		if !given(i) {
			continue
		}
		if b := inputs[i].(*Buffer).release(); b != nil && !taken[i] {
			p.backend.storage.put(b)
		}
	}
	if failed != nil {
		return nil, errors.WithMessagef(failed, "execute %s", e.name)
	}
	buffers := make([]compute.Buffer, len(outputs))
	for i, output := range outputs {
		buffers[i] = output
	}
	return buffers, nil
}

// givenTwice reports whether another input has the same memory as input i.
func givenTwice(blocks []*block, i int) bool {
	for j, b := range blocks {
		if j != i && b == blocks[i] {
			return true
		}
	}
	return false
}
