package cpu

import (
	"reflect"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	"github.com/pkg/errors"
)

// builder builds a computation twice. It passes every operation to the reference backend,
// which checks it and infers its shape, and it records the operations of the main function,
// which Compile turns into native steps.
type builder struct {
	backend   *Backend
	reference compute.Builder
	main      *function
	// nodes are the operations of the main function, in the order of their calls.
	nodes []*node
	// delegateAll is set if the reference backend must run the whole graph: the graph has
	// functions, control flow or dynamic shapes.
	delegateAll bool
	// replicas is the argument of DistributedSPMD, or 0 for a computation on one device.
	replicas     int
	hasAllReduce bool
	placement    placement
}

var _ compute.Builder = (*builder)(nil)

func newBuilder(backend *Backend, name string) *builder {
	b := &builder{backend: backend, reference: backend.reference.Builder(name)}
	b.main = &function{builder: b, reference: b.reference.Main(), values: map[compute.Value]*value{}}
	return b
}

// value is an operand or a result of an operation: output number output of its node.
type value struct {
	function  *function
	reference compute.Value
	node      *node // nil outside the main function
	output    int
}

// node is a recorded operation.
type node struct {
	op     compute.OpType
	inputs []*value
	shapes []shapes.Shape // of the outputs
	// attributes holds the operation's settings. Its type depends on op.
	attributes any
	// call adds the operation to any function of the reference backend. An operation without
	// a native step is compiled on its own there.
	call call
}

// call adds an operation to a function of the reference backend.
type call func(f compute.Function, inputs []compute.Value) ([]compute.Value, error)

// Name returns the name of the computation.
func (b *builder) Name() string { return b.reference.Name() }

// Main returns the main function.
func (b *builder) Main() compute.Function { return b.main }

// NewFunction returns a new function of the given name.
func (b *builder) NewFunction(name string) (compute.Function, error) {
	b.delegateAll = true
	reference, err := b.reference.NewFunction(name)
	if err != nil {
		return nil, err
	}
	return &function{builder: b, reference: reference, values: map[compute.Value]*value{}}, nil
}

// OpShape returns the shape of a value.
func (b *builder) OpShape(op compute.Value) (shapes.Shape, error) {
	v, ok := op.(*value)
	if !ok || v == nil {
		return shapes.Invalid(), errors.Errorf("%T is not a value of backend %q", op, Name)
	}
	return b.reference.OpShape(v.reference)
}

// Compile returns an executable of the main function.
func (b *builder) Compile() (compute.Executable, error) {
	if b.backend.IsFinalized() {
		return nil, b.backend.errFinalized("compile " + b.Name())
	}
	if b.main.outputs == nil {
		return nil, errors.Errorf("compile %s: the main function has not returned", b.Name())
	}
	if b.delegateAll && b.hasAllReduce {
		return nil, errors.Errorf("compile %s: backend %q does not support %s in a computation with functions, control flow or dynamic shapes",
			b.Name(), Name, compute.OpTypeAllReduce)
	}
	if b.delegateAll {
		reference, err := b.reference.Compile()
		if err != nil {
			return nil, err
		}
		return &delegated{backend: b.backend, reference: reference, name: b.Name(), placement: b.placement}, nil
	}
	return compile(b)
}

// function is a function of a computation. The operations of the main function are recorded;
// other functions and closures exist in the reference backend only.
type function struct {
	builder   *builder
	reference compute.Function
	parent    *function
	// values maps the reference backend's values to this backend's. The reference backend
	// returns the same value for the same operation on the same inputs.
	values     map[compute.Value]*value
	parameters []*value
	outputs    []*value
}

var _ compute.Function = (*function)(nil)

func (f *function) Name() string { return f.reference.Name() }

func (f *function) Builder() compute.Builder { return f.builder }

func (f *function) Parent() compute.Function {
	if f.parent == nil {
		return nil
	}
	return f.parent
}

func (f *function) Closure() (compute.Function, error) {
	f.builder.delegateAll = true
	reference, err := f.reference.Closure()
	if err != nil {
		return nil, err
	}
	return &function{builder: f.builder, reference: reference, parent: f, values: map[compute.Value]*value{}}, nil
}

func (f *function) Shape(v compute.Value) (shapes.Shape, error) { return f.builder.OpShape(v) }

// unwrap returns the inputs as values of the reference backend and as values of this one.
func (f *function) unwrap(op compute.OpType, inputs []compute.Value) ([]compute.Value, []*value, error) {
	references, own := make([]compute.Value, len(inputs)), make([]*value, len(inputs))
	for i, input := range inputs {
		if input == nil { // an optional operand
			continue
		}
		v, ok := input.(*value)
		if !ok || v == nil {
			return nil, nil, errors.Errorf("%s: input #%d is a %T, not a value of backend %q", op, i, input, Name)
		}
		if v.function.builder != f.builder {
			return nil, nil, errors.Errorf("%s: input #%d belongs to another computation, %q", op, i, v.function.builder.Name())
		}
		references[i], own[i] = v.reference, v
	}
	return references, own, nil
}

// do adds an operation to the reference backend's function and records it.
func (f *function) do(op compute.OpType, inputs []compute.Value, attributes any, call call) ([]compute.Value, error) {
	references, own, err := f.unwrap(op, inputs)
	if err != nil {
		return nil, err
	}
	outputs, err := call(f.reference, references)
	if err != nil {
		return nil, err
	}
	return f.record(&node{op: op, inputs: own, attributes: attributes, call: call}, outputs)
}

// record returns the values of an operation's outputs: existing ones where the reference
// backend returned values that are already known, otherwise new ones.
func (f *function) record(n *node, outputs []compute.Value) ([]compute.Value, error) {
	wrapped := make([]compute.Value, len(outputs))
	known := 0
	for i, output := range outputs {
		shape, err := f.builder.reference.OpShape(output)
		if err != nil {
			return nil, err
		}
		if shape.IsDynamic() {
			f.builder.delegateAll = true
		}
		n.shapes = append(n.shapes, shape)
		if v, ok := f.values[output]; ok {
			wrapped[i] = v
			known++
			continue
		}
		v := &value{function: f, reference: output, output: i}
		if f == f.builder.main {
			v.node = n
		}
		f.values[output] = v
		wrapped[i] = v
	}
	if f == f.builder.main && known < len(outputs) {
		f.builder.nodes = append(f.builder.nodes, n)
	}
	return wrapped, nil
}

// one is do for operations with a single output.
func (f *function) one(op compute.OpType, inputs []compute.Value, attributes any,
	call func(f compute.Function, inputs []compute.Value) (compute.Value, error)) (compute.Value, error) {
	outputs, err := f.do(op, inputs, attributes, func(f compute.Function, inputs []compute.Value) ([]compute.Value, error) {
		output, err := call(f, inputs)
		return []compute.Value{output}, err
	})
	if err != nil {
		return nil, err
	}
	return outputs[0], nil
}

// Parameter adds an input. In an SPMD computation, shape is the shape of one replica's shard;
// GoMLX itself keeps track of the sharding, so it is not passed on.
func (f *function) Parameter(name string, shape shapes.Shape, sharding *compute.ShardingSpec) (compute.Value, error) {
	if f.builder.replicas > 0 {
		sharding = nil
	}
	reference, err := f.reference.Parameter(name, shape, sharding)
	if err != nil {
		return nil, err
	}
	n := &node{op: compute.OpTypeParameter, attributes: name}
	outputs, err := f.record(n, []compute.Value{reference})
	if err != nil {
		return nil, err
	}
	v := outputs[0].(*value)
	f.parameters = append(f.parameters, v)
	return v, nil
}

func (f *function) Constant(flat any, dims ...int) (compute.Value, error) {
	own := cloneFlat(flat)
	call := func(f compute.Function, _ []compute.Value) ([]compute.Value, error) {
		v, err := f.Constant(own, dims...)
		return []compute.Value{v}, err
	}
	outputs, err := f.do(compute.OpTypeConstant, nil, own, call)
	if err != nil {
		return nil, err
	}
	return outputs[0], nil
}

// cloneFlat returns a copy of a slice.
func cloneFlat(flat any) any {
	from := reflect.ValueOf(flat)
	if from.Kind() != reflect.Slice {
		return flat // the reference backend reports the error
	}
	to := reflect.MakeSlice(from.Type(), from.Len(), from.Len())
	reflect.Copy(to, from)
	return to.Interface()
}

// Return ends the function. As in Parameter, shardings are not passed on.
func (f *function) Return(outputs []compute.Value, shardings []*compute.ShardingSpec) error {
	if f.builder.replicas > 0 {
		shardings = nil
	}
	references, own, err := f.unwrap(compute.OpTypeInvalid, outputs)
	if err != nil {
		return errors.WithMessagef(err, "return from %q", f.Name())
	}
	if err := f.reference.Return(references, shardings); err != nil {
		return err
	}
	f.outputs = own
	return nil
}
