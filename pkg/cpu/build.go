package cpu

import (
	"reflect"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	"github.com/pkg/errors"
)

// builder builds a computation twice: in the reference backend, which checks the operations
// and infers the shapes, and as a record of the main function's operations, from which
// Compile makes native steps.
type builder struct {
	backend   *Backend
	reference compute.Builder
	main      *function
	// nodes are the operations of the main function, in the order in which they were made.
	nodes []*node
	// whole is set when the graph has what is left to the reference backend in one piece:
	// functions, control flow, dynamic shapes.
	delegateAll bool
	// replicas is what DistributedSPMD was told, or 0. They meet if there is an AllReduce.
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

// value is what operations take and return. An operation may have several outputs: output
// is which of the node's this is.
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
	// attributes are the operation's settings, of a type that depends on op.
	attributes any
	// call makes the operation in any function of the reference backend: what has no native
	// step is made again, alone, in an executable of its own.
	call call
}

// call makes an operation in a function of the reference backend.
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
		return shapes.Invalid(), errors.Errorf("%T is not a value of the backend %q", op, Name)
	}
	return b.reference.OpShape(v.reference)
}

// Compile makes an executable of the main function.
func (b *builder) Compile() (compute.Executable, error) {
	if b.backend.IsFinalized() {
		return nil, b.backend.errFinalized("compile " + b.Name())
	}
	if b.main.outputs == nil {
		return nil, errors.Errorf("compile %s: the main function has not returned", b.Name())
	}
	if b.delegateAll && b.hasAllReduce {
		return nil, errors.Errorf("compile %s: %s in a computation with functions, control flow or dynamic shapes is not there on the backend %q",
			b.Name(), compute.OpTypeAllReduce, Name)
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

// function records the operations of the main function. Other functions, and closures, are
// only made in the reference backend.
type function struct {
	builder   *builder
	reference compute.Function
	parent    *function
	// values finds the value for the reference backend's, which returns the same one for the
	// same operation on the same inputs.
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

// unwrap returns the reference backend's values.
func (f *function) unwrap(op compute.OpType, inputs []compute.Value) ([]compute.Value, []*value, error) {
	references, own := make([]compute.Value, len(inputs)), make([]*value, len(inputs))
	for i, input := range inputs {
		if input == nil { // an operand that may be left out
			continue
		}
		v, ok := input.(*value)
		if !ok || v == nil {
			return nil, nil, errors.Errorf("%s: input #%d is a %T, not a value of the backend %q", op, i, input, Name)
		}
		if v.function.builder != f.builder {
			return nil, nil, errors.Errorf("%s: input #%d belongs to another computation, %q", op, i, v.function.builder.Name())
		}
		references[i], own[i] = v.reference, v
	}
	return references, own, nil
}

// do makes an operation in the reference backend and records it.
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

// record wraps the outputs of an operation, or finds the values that they are already.
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

// one is do for operations of one output.
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

// Parameter makes an input. In an SPMD computation the shape is that of a replica's share,
// however the whole is divided: its sharding is GoMLX's to know.
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

// cloneFlat copies a slice.
func cloneFlat(flat any) any {
	from := reflect.ValueOf(flat)
	if from.Kind() != reflect.Slice {
		return flat // the reference backend says what is wrong with it
	}
	to := reflect.MakeSlice(from.Type(), from.Len(), from.Len())
	reflect.Copy(to, from)
	return to.Interface()
}

// Return ends the function. In an SPMD computation the shardings are GoMLX's to know.
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
