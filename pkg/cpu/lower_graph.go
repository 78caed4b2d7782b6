package cpu

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// kind says how a tensor is computed.
type kind uint8

const (
	kindParameter kind = iota
	kindConstant
	kindAlias     // its input in a different shape, without a copy
	kindElement   // element by element from inputs of the same shape
	kindBroadcast // repeats its input; axis i of the input is axis axes[i] of the output
	kindReduce    // the sum, maximum or minimum over the middle axis of [outer, middle, inner]
	kindMoments   // the mean and the variance of each feature
	kindContract  // a convolution or a matrix product
	kindMove      // strided copies
	kindMatch     // a comparison of integers for equality
	kindWindow    // pooling
	kindScatter   // the gradient of pooling
	kindDelegate  // an operation of the reference backend
	kindAllReduce // a reduction over the replicas of an execution
	kindPick      // one output of kindMoments, kindDelegate or kindAllReduce
)

// tensor is a value of the lowered graph, in terms of native steps. Arithmetic is in float32
// only. Tensors of other types are moved or delegated, except bfloat16, which is float32 here
// (lower_bfloat16.go). Inside a loop, the result of a comparison of float32 is a mask.
type tensor struct {
	kind   kind
	op     opcode // of kindElement and kindReduce
	shape  shapes.Shape
	inputs []*tensor
	// attributes holds the settings. Its type depends on kind.
	attributes any

	id int
	// rounded is set if every element is known to be representable in bfloat16.
	rounded bool
	// stored is set if the tensor gets memory. The others are computed where they are used.
	stored bool
	// again is set if the tensor is a copy of one that was computed before (see graph.again).
	again bool
	users []*tensor
	slot  int
}

// outputs holds the shapes of the outputs of an operation.
type outputs []shapes.Shape

// graph is the lowered graph. Every tensor comes after its inputs.
type graph struct {
	tensors []*tensor
	known   map[string]*tensor // by operation and inputs: see make
}

func newGraph() *graph { return &graph{known: map[string]*tensor{}} }

// make returns a tensor. For most kinds, the same operation on the same inputs gives the same tensor.
func (g *graph) make(kind kind, op opcode, shape shapes.Shape, attributes any, inputs ...*tensor) *tensor {
	t := &tensor{kind: kind, op: op, shape: shape, attributes: attributes, inputs: inputs}
	var key string
	switch kind {
	case kindAlias, kindElement, kindBroadcast, kindReduce, kindMoments, kindMove, kindMatch, kindPick:
		var b strings.Builder
		fmt.Fprintf(&b, "%d %d %v %v", kind, op, shape, attributes)
		for _, input := range inputs {
			fmt.Fprintf(&b, " %d", input.id)
		}
		key = b.String()
		if same, ok := g.known[key]; ok {
			return same
		}
		g.known[key] = t
	}
	t.id = len(g.tensors)
	t.rounded = isRounded(t)
	g.tensors = append(g.tensors, t)
	return t
}

// find returns the tensor of an elementwise operation that the graph already has, or nil.
func (g *graph) find(op opcode, shape shapes.Shape, inputs ...*tensor) *tensor {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %d %v %v", kindElement, op, shape, nil)
	for _, input := range inputs {
		fmt.Fprintf(&b, " %d", input.id)
	}
	return g.known[b.String()]
}

// constant holds the data of a constant: a slice of its type.
type constant struct{ flat any }

// scalar returns a scalar constant, which is the same one for the same value.
func (g *graph) scalar(value float32) *tensor {
	key := fmt.Sprintf("scalar %x", math.Float32bits(value))
	if same, ok := g.known[key]; ok {
		return same
	}
	t := g.make(kindConstant, 0, shapes.Make(dtypes.Float32), constant{[]float32{value}})
	g.known[key] = t
	return t
}

// uniform returns the value of all elements of t if these are float32, equal, and known at
// compile time.
func (t *tensor) uniform() (float32, bool) {
	switch t.kind {
	case kindAlias, kindBroadcast:
		return t.inputs[0].uniform()
	case kindConstant:
		if flat, ok := t.attributes.(constant).flat.([]float32); ok && len(flat) == 1 {
			return flat[0], true
		}
	}
	return 0, false
}

// is reports whether all elements of t are known to be the value, zeros with the same sign.
func (t *tensor) is(value float32) bool {
	x, ok := t.uniform()
	return ok && x == value && math.Signbit(float64(x)) == math.Signbit(float64(value))
}

// broadcast repeats x to the shape. Axis i of x becomes axis axes[i]; axes must increase.
func (g *graph) broadcast(x *tensor, shape shapes.Shape, axes []int) *tensor {
	shape = shapes.Make(x.shape.DType, shape.Dimensions...)
	if x.shape.Equal(shape) {
		return x
	}
	// Drop axes of size 1. A broadcast that only adds such axes is a reshape.
	kept, place := []int{}, []int{}
	for i, axis := range axes {
		if x.shape.Dimensions[i] != 1 {
			kept, place = append(kept, x.shape.Dimensions[i]), append(place, axis)
		}
	}
	if len(kept) < len(axes) {
		x = g.reshape(x, kept...)
	}
	if x.shape.Equal(shape) {
		return x
	}
	if x.shape.Size() == shape.Size() {
		return g.reshape(x, shape.Dimensions...)
	}
	if d := x.shape.DType; d != dtypes.Float32 && d != dtypes.Bool {
		return g.repeat(x, shape, place)
	}
	return g.make(kindBroadcast, 0, shape, broadcast{place}, x)
}

// like broadcasts x to the shape by the rules of binary operations: x may be a scalar, and its
// axes of size 1 are repeated.
func (g *graph) like(x *tensor, shape shapes.Shape) *tensor {
	if slices.Equal(x.shape.Dimensions, shape.Dimensions) {
		return x
	}
	axes := make([]int, x.shape.Rank())
	for i := range axes {
		axes[i] = i
	}
	return g.broadcast(x, shape, axes)
}

// reshape returns x with other dimensions, without a copy.
func (g *graph) reshape(x *tensor, dims ...int) *tensor {
	shape := shapes.Make(x.shape.DType, dims...)
	for x.kind == kindAlias {
		x = x.inputs[0]
	}
	if x.shape.Equal(shape) {
		return x
	}
	return g.make(kindAlias, 0, shape, nil, x)
}

// pick returns output i of an operation with several outputs.
func (g *graph) pick(t *tensor, i int) *tensor {
	return g.make(kindPick, 0, t.attributes.(interface{ at(int) shapes.Shape }).at(i), pick{i}, t)
}

// pick holds the number of the output that kindPick stands for.
type pick struct{ output int }
