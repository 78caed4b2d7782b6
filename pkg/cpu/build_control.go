package cpu

import (
	"github.com/gomlx/compute"
	"github.com/pkg/errors"
)

// Operations that take functions have no native form: the reference backend runs the whole
// graph that contains one.

// doDelegated is do for an operation that makes the reference backend run the whole graph.
func (f *function) doDelegated(op compute.OpType, inputs []compute.Value, call call) ([]compute.Value, error) {
	f.builder.delegateAll = true
	return f.do(op, inputs, nil, call)
}

// referenceFunction returns the reference backend's function for g.
func (f *function) referenceFunction(op compute.OpType, g compute.Function) (compute.Function, error) {
	own, ok := g.(*function)
	if !ok || own == nil {
		return nil, errors.Errorf("%s: %T is not a function of backend %q", op, g, Name)
	}
	return own.reference, nil
}

func (f *function) Call(g compute.Function, inputs ...compute.Value) ([]compute.Value, error) {
	callee, err := f.referenceFunction(compute.OpTypeCall, g)
	if err != nil {
		return nil, err
	}
	return f.doDelegated(compute.OpTypeCall, inputs, func(f compute.Function, inputs []compute.Value) ([]compute.Value, error) {
		return f.Call(callee, inputs...)
	})
}

func (f *function) Sort(comparator compute.Function, axis int, isStable bool, inputs ...compute.Value) ([]compute.Value, error) {
	compare, err := f.referenceFunction(compute.OpTypeSort, comparator)
	if err != nil {
		return nil, err
	}
	return f.doDelegated(compute.OpTypeSort, inputs, func(f compute.Function, inputs []compute.Value) ([]compute.Value, error) {
		return f.Sort(compare, axis, isStable, inputs...)
	})
}

func (f *function) While(cond, body compute.Function, initialState ...compute.Value) ([]compute.Value, error) {
	condition, err := f.referenceFunction(compute.OpTypeWhile, cond)
	if err != nil {
		return nil, err
	}
	loop, err := f.referenceFunction(compute.OpTypeWhile, body)
	if err != nil {
		return nil, err
	}
	return f.doDelegated(compute.OpTypeWhile, initialState, func(f compute.Function, inputs []compute.Value) ([]compute.Value, error) {
		return f.While(condition, loop, inputs...)
	})
}

func (f *function) If(pred compute.Value, trueBranch, falseBranch compute.Function) ([]compute.Value, error) {
	onTrue, err := f.referenceFunction(compute.OpTypeIf, trueBranch)
	if err != nil {
		return nil, err
	}
	onFalse, err := f.referenceFunction(compute.OpTypeIf, falseBranch)
	if err != nil {
		return nil, err
	}
	return f.doDelegated(compute.OpTypeIf, []compute.Value{pred}, func(f compute.Function, inputs []compute.Value) ([]compute.Value, error) {
		return f.If(inputs[0], onTrue, onFalse)
	})
}
