package cpu

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// kind is what makes a tensor.
type kind uint8

const (
	kindParameter kind = iota
	kindConstant
	kindAlias     // the same memory in another shape
	kindElement   // element by element, of inputs of the same shape
	kindBroadcast // repeats its input, whose axes[i] is axis i's place in the output
	kindReduce    // the sum or extreme over the middle axis of [outer, middle, inner]
	kindMoments   // mean and variance of each feature
	kindContract  // convolutions and matrix products
	kindMove      // copies with other strides
	kindMatch     // equality of integers
	kindWindow    // pooling
	kindScatter   // the gradient of pooling
	kindDelegate  // an operation of the reference backend
	kindAllReduce // reduces over the replicas of an execution
	kindPick      // one output of a tensor that stands for several
)

// tensor is a value of the graph that is compiled: what the recorded operations come to in
// terms of native steps. Float32 is the only type that is computed with; tensors of other
// types are moved and delegated, but for bfloat16, which is float32 here (bfloat16.go). A bool
// that comes of float32 is a mask inside a loop.
type tensor struct {
	kind   kind
	op     opcode // of kindElement and kindReduce
	shape  shapes.Shape
	inputs []*tensor
	// attributes depends on the kind.
	attributes any

	id int
	// rounded is set for float32 that is known to be bfloat16 too.
	rounded bool
	// stored is set for tensors that get memory; others are computed where they are used.
	stored bool
	users  []*tensor
	slot   int
}

// outputs is the shapes of a tensor that stands for several.
type outputs []shapes.Shape

// graph is the tensors in the order in which they can be computed.
type graph struct {
	tensors []*tensor
	known   map[string]*tensor
}

func newGraph() *graph { return &graph{known: map[string]*tensor{}} }

// make returns a tensor; the same one for the same operation.
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

// find returns the tensor of an element by element operation, if there is one.
func (g *graph) find(op opcode, shape shapes.Shape, inputs ...*tensor) *tensor {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %d %v %v", kindElement, op, shape, nil)
	for _, input := range inputs {
		fmt.Fprintf(&b, " %d", input.id)
	}
	return g.known[b.String()]
}

// constant is a constant's data: a slice of its type.
type constant struct{ flat any }

// scalar returns a scalar constant; the same one for the same value.
func (g *graph) scalar(value float32) *tensor {
	key := fmt.Sprintf("scalar %x", math.Float32bits(value))
	if same, ok := g.known[key]; ok {
		return same
	}
	t := g.make(kindConstant, 0, shapes.Make(dtypes.Float32), constant{[]float32{value}})
	g.known[key] = t
	return t
}

// number returns the value of a tensor whose elements are one and the same known float32.
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

func (t *tensor) is(value float32) bool {
	number, ok := t.uniform()
	return ok && number == value && !math.Signbit(float64(number)) == !math.Signbit(float64(value))
}

// broadcast repeats x, whose axis i becomes axis axes[i]: they increase.
func (g *graph) broadcast(x *tensor, shape shapes.Shape, axes []int) *tensor {
	shape = shapes.Make(x.shape.DType, shape.Dimensions...)
	if x.shape.Equal(shape) {
		return x
	}
	// Axes of size 1, and reshapes that only add them, do not matter.
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

// like broadcasts x to the shape, by the rules of binary operations: scalars, and axes of
// size 1.
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

// pick returns output i of a tensor that stands for several.
func (g *graph) pick(t *tensor, i int) *tensor {
	return g.make(kindPick, 0, t.attributes.(interface{ at(int) shapes.Shape }).at(i), pick{i}, t)
}

type pick struct{ output int }
