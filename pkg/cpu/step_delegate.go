package cpu

import (
	"fmt"
	"reflect"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
)

// delegateStep runs one operation in the reference backend.
type delegateStep struct {
	backend   *Backend
	reference compute.Executable
	inputs    []port
	outputs   []port
}

// port is an input or an output of a delegateStep. The slot is -1 for an output that is not used.
type port struct {
	slot  int
	shape shapes.Shape
}

// newDelegateStep compiles the operation of t on its own in the reference backend.
func newDelegateStep(b *Backend, t *tensor, in []int) (*delegateStep, error) {
	d := t.attributes.(*delegate)
	builder := b.reference.Builder("delegated")
	main := builder.Main()
	s := &delegateStep{backend: b}
	values := make([]compute.Value, len(t.inputs))
	for i, input := range t.inputs {
		if input == nil {
			continue
		}
		v, err := main.Parameter(fmt.Sprint("input", i), input.shape, nil)
		if err != nil {
			return nil, err
		}
		values[i] = v
		s.inputs = append(s.inputs, port{in[i], input.shape})
	}
	results, err := d.call(main, values)
	if err != nil {
		return nil, err
	}
	if err := main.Return(results, nil); err != nil {
		return nil, err
	}
	if s.reference, err = builder.Compile(); err != nil {
		return nil, err
	}
	for _, shape := range d.shapes {
		s.outputs = append(s.outputs, port{-1, shape})
	}
	for _, user := range t.users {
		s.outputs[user.attributes.(pick).output].slot = user.slot
	}
	return s, nil
}

func (s *delegateStep) run(r *run) (err error) {
	defer recoverAsError(&err)
	inputs := make([]compute.Buffer, len(s.inputs))
	owned := make([]bool, len(s.inputs))
	for i, p := range s.inputs {
		buffer, flat, err := s.backend.reference.(compute.DataInterface).NewSharedBuffer(0, p.shape)
		if err != nil {
			return err
		}
		copyFlat(flat, flatOf(r.pointer(p.slot), p.shape))
		inputs[i], owned[i] = buffer, true
	}
	results, err := s.reference.Execute(inputs, owned, 0)
	if err != nil {
		return err
	}
	for i, result := range results {
		if p := s.outputs[i]; p.slot >= 0 {
			if err := result.ToFlatData(flatOf(r.pointer(p.slot), p.shape)); err != nil {
				return err
			}
		}
		if err := result.Finalize(); err != nil {
			return err
		}
	}
	return nil
}

func copyFlat(to, from any) { reflect.Copy(reflect.ValueOf(to), reflect.ValueOf(from)) }
