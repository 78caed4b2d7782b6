package cpu

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gomlx/compute"
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
func (t *tensor) number() (float32, bool) {
	switch t.kind {
	case kindAlias, kindBroadcast:
		return t.inputs[0].number()
	case kindConstant:
		if flat, ok := t.attributes.(constant).flat.([]float32); ok && len(flat) == 1 {
			return flat[0], true
		}
	}
	return 0, false
}

func (t *tensor) is(value float32) bool {
	number, ok := t.number()
	return ok && number == value && !math.Signbit(float64(number)) == !math.Signbit(float64(value))
}

// element makes an element by element operation, or something simpler that is equal to it.
// The inputs have the shape of the output, but for their type.
func (g *graph) element(op opcode, dtype dtypes.DType, inputs ...*tensor) *tensor {
	if op == opConvert && inputs[0].shape.DType == dtypes.Bool {
		op = opFromMask
	}
	shape := shapes.Make(dtype, inputs[0].shape.Dimensions...)
	if simple := g.simplify(op, shape, inputs); simple != nil {
		return simple
	}
	return g.make(kindElement, op, shape, nil, inputs...)
}

// simplify knows what GoMLX's gradients are made of. That of a ReLU, Max(0, x), is
//
//	v · (1 − Sign(Sign(0 − x) + 1))
//
// and becomes "v where x > 0, else 0", in which x, if it has been computed, is replaced by
// its ReLU: that is kept anyway, for the next layer's gradient. Where a mask is 0, the
// product with it is 0 whatever the other factor, as in PyTorch, be it infinite or NaN.
// All other simplifications are exact, but for the sign of zeros.
func (g *graph) simplify(op opcode, shape shapes.Shape, in []*tensor) *tensor {
	is := func(t *tensor, op opcode) bool { return t.kind == kindElement && t.op == op }
	switch op {
	case opSign:
		if sum := in[0]; is(sum, opAdd) && sum.inputs[1].is(1) && is(sum.inputs[0], opSign) {
			x := sum.inputs[0].inputs[0]
			zero := g.broadcast(g.scalar(0), shape, nil)
			negative := g.element(opLess, dtypes.Bool, x, zero)
			return g.element(opFromMask, dtypes.Float32, g.element(opNot, dtypes.Bool, negative))
		}
	case opAdd, opMul:
		// Constants stand second.
		if _, ok := in[0].number(); ok {
			if _, ok := in[1].number(); !ok {
				return g.element(op, shape.DType, in[1], in[0])
			}
		}
		if op == opAdd && in[1].is(0) || op == opMul && in[1].is(1) {
			return in[0]
		}
		if op == opMul {
			for i, x := range in {
				if is(x, opFromMask) {
					return g.element(opAnd, dtypes.Float32, x.inputs[0], in[1-i])
				}
			}
		}
	case opSub:
		if in[1].is(0) {
			return in[0]
		}
		if in[0].is(1) && is(in[1], opFromMask) {
			return g.element(opFromMask, dtypes.Float32, g.element(opNot, dtypes.Bool, in[1].inputs[0]))
		}
	case opNot:
		if is(in[0], opNot) {
			return in[0].inputs[0]
		}
	case opDiv:
		if in[1].is(1) {
			return in[0]
		}
		// Division takes much longer than multiplication; by a power of two they are the same.
		if d, ok := in[1].number(); ok && d != 0 {
			if fraction, _ := math.Frexp(float64(d)); math.Abs(fraction) == 0.5 && math.Abs(float64(d)) < 1e30 && math.Abs(float64(d)) > 1e-30 {
				return g.element(opMul, shape.DType, in[0], g.broadcast(g.scalar(1/d), shape, nil))
			}
		}
	case opLess:
		// 0 − y < 0 is 0 < y.
		if in[1].is(0) && is(in[0], opSub) && in[0].inputs[0].is(0) {
			return g.element(opLess, dtypes.Bool, in[1], in[0].inputs[1])
		}
		// 0 < y is 0 < Max(0, y).
		if in[0].is(0) {
			float := shapes.Make(dtypes.Float32, shape.Dimensions...)
			for _, pair := range [][2]*tensor{{in[0], in[1]}, {in[1], in[0]}} {
				if relu := g.find(opMax, float, pair[0], pair[1]); relu != nil {
					return g.make(kindElement, opLess, shape, nil, in[0], relu)
				}
			}
		}
	case opConvert:
		if in[0].shape.DType == shape.DType {
			return in[0]
		}
		// An input that goes out again, or to the reference backend, as it is.
		if shape.DType == dtypes.BFloat16 && is(in[0], opConvert) && in[0].inputs[0].shape.DType == dtypes.BFloat16 {
			return in[0].inputs[0]
		}
	}
	return nil
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

// delegate is an operation of the reference backend.
type delegate struct {
	call   call
	shapes outputs
}

func (d *delegate) at(i int) shapes.Shape { return d.shapes[i] }

func (g *graph) delegate(n *node, inputs []*tensor) []*tensor {
	d := &delegate{n.call, n.shapes}
	own := make([]*tensor, len(inputs))
	for i, x := range inputs {
		if x != nil {
			own[i] = g.narrow(x, n.inputs[i].shape().DType)
		}
	}
	t := g.make(kindDelegate, 0, n.shapes[0], d, own...)
	picked := make([]*tensor, len(n.shapes))
	for i := range picked {
		picked[i] = g.widen(g.pick(t, i))
	}
	return picked
}

// partition is a tensor's shape as a reduction sees it: the middle is reduced.
type partition struct{ outer, middle, inner int }

// reduce reduces x over the axes.
func (g *graph) reduce(op opcode, x *tensor, axes []int, shape shapes.Shape) *tensor {
	dims := x.shape.Dimensions
	if len(axes) == 0 {
		axes = make([]int, len(dims))
		for i := range axes {
			axes[i] = i
		}
	}
	reduced := make([]bool, len(dims))
	for _, axis := range axes {
		reduced[axis] = dims[axis] != 1
	}
	// Axes of size 1 go with either; the reduced ones must be neighbours.
	first, last := -1, -1
	for i := range dims {
		if reduced[i] {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	if first < 0 {
		return g.reshape(x, shape.Dimensions...)
	}
	for i := first; i <= last; i++ {
		if !reduced[i] && dims[i] != 1 {
			return g.reduceScattered(op, x, reduced, shape)
		}
	}
	p := partition{1, 1, 1}
	for i, d := range dims {
		switch {
		case i < first:
			p.outer *= d
		case i <= last:
			p.middle *= d
		default:
			p.inner *= d
		}
	}
	return g.make(kindReduce, op, shape, p, x)
}

// reduceScattered moves the reduced axes to the end first.
func (g *graph) reduceScattered(op opcode, x *tensor, reduced []bool, shape shapes.Shape) *tensor {
	var order, tail []int
	for i := range reduced {
		if reduced[i] {
			tail = append(tail, i)
		} else {
			order = append(order, i)
		}
	}
	x = g.transpose(x, append(order, tail...))
	axes := make([]int, len(tail))
	for i := range axes {
		axes[i] = len(order) + i
	}
	return g.reduce(op, x, axes, shape)
}

// moments is the attributes of kindMoments: the mean and variance of [rows, features].
type moments struct{ features int }

func (m moments) at(int) shapes.Shape { return shapes.Make(dtypes.Float32, m.features) }

func isFloat(shape shapes.Shape) bool { return shape.DType == dtypes.Float32 }

// lower returns the native form of an operation, or nil for what is to be delegated.
func (g *graph) lower(n *node, in []*tensor) []*tensor {
	out := g.lowerInFloat32(n, in)
	for i, t := range out {
		if n.shapes[i].DType == dtypes.BFloat16 {
			out[i] = g.round(t)
		}
	}
	return out
}

// lowerInFloat32 is lower, but that results of type bfloat16 are not rounded to it.
func (g *graph) lowerInFloat32(n *node, in []*tensor) []*tensor {
	shape := asFloat32(n.shapes[0])
	if n.op == compute.OpTypeAllReduce {
		return g.allReduce(n.attributes.(*allReduction), in)
	}
	if empty := g.emptyProduct(n.op, shape, in); empty != nil {
		return []*tensor{empty}
	}
	for _, s := range n.shapes {
		if s.Size() == 0 {
			return nil
		}
	}
	for _, x := range in {
		if x == nil || x.shape.Size() == 0 {
			return nil
		}
	}
	one := func(t *tensor) []*tensor {
		if t == nil {
			return nil
		}
		return []*tensor{t}
	}
	switch n.op {
	case compute.OpTypeConstant:
		data := widened(n.attributes)
		if flat, ok := data.([]float32); ok && len(flat) == 1 {
			return one(g.reshape(g.scalar(flat[0]), shape.Dimensions...))
		}
		return one(g.make(kindConstant, 0, shape, constant{data}))
	case compute.OpTypeIdentity, compute.OpTypeSchedulingBarrier:
		return in[:1]
	case compute.OpTypeOptimizationBarrier:
		return in
	case compute.OpTypeReshape:
		if shape.DType.IsPacked() {
			return nil
		}
		return one(g.reshape(in[0], shape.Dimensions...))
	case compute.OpTypeBroadcastInDim:
		if !movable(shape) {
			return nil
		}
		return one(g.broadcast(in[0], shape, n.attributes.(broadcast).axes))
	case compute.OpTypeConvertDType:
		from := in[0].shape.DType
		if from == shape.DType || shape.DType == dtypes.Float32 && convertible(from) {
			return one(g.element(opConvert, shape.DType, in[0]))
		}
	case compute.OpTypeReduceSum, compute.OpTypeReduceMax, compute.OpTypeReduceMin:
		if isFloat(shape) {
			op := map[compute.OpType]opcode{compute.OpTypeReduceSum: opAdd, compute.OpTypeReduceMax: opMax, compute.OpTypeReduceMin: opMin}[n.op]
			return one(g.reduce(op, in[0], n.attributes.(reduction).axes, shape))
		}
	case compute.OpTypeWhere:
		if isFloat(shape) {
			return one(g.element(opSelect, dtypes.Float32, g.like(in[0], shape), g.like(in[1], shape), g.like(in[2], shape)))
		}
	case compute.OpTypeClamp:
		if isFloat(shape) {
			return one(g.element(opMin, dtypes.Float32, g.element(opMax, dtypes.Float32, in[1], g.like(in[0], shape)), g.like(in[2], shape)))
		}
	case compute.OpTypeBatchNormForInference, compute.OpTypeBatchNormForTraining, compute.OpTypeBatchNormGradient:
		if isFloat(shape) {
			return g.lowerNorm(n, in)
		}
	case compute.OpTypeConvGeneral:
		if isFloat(shape) {
			return one(g.convolve(in[0], in[1], n.attributes.(convolution), shape))
		}
	case compute.OpTypeDotGeneral:
		c := n.attributes.(product).config
		// Sums are float32 whatever the type; operands that are to be rounded first are not.
		own := n.inputs[0].shape().DType
		plain := func(d dtypes.DType) bool { return d == dtypes.InvalidDType || d == dtypes.Float32 || d == own }
		if isFloat(shape) && isFloat(in[0].shape) && isFloat(in[1].shape) && plain(c.AccumulatorDType) && plain(c.OutputDType) {
			return one(g.multiply(in[0], in[1], n.attributes.(product), shape))
		}
	case compute.OpTypeReduceWindow:
		if isFloat(shape) {
			return one(g.pool(in[0], n.attributes.(window), shape))
		}
	case compute.OpTypeSelectAndScatterMax, compute.OpTypeSelectAndScatterMin:
		if isFloat(shape) {
			return one(g.unpool(in[0], in[1], n.attributes.(window), shape))
		}
	case compute.OpTypeIota:
		return one(g.iota(shape, n.attributes.(counting).axis))
	case compute.OpTypePad, compute.OpTypeSlice, compute.OpTypeConcatenate, compute.OpTypeTranspose, compute.OpTypeReverse:
		if movable(shape) {
			return one(g.move(n, in, shape))
		}
	default:
		return one(g.lowerElement(n.op, shape, in))
	}
	return nil
}

// emptyProduct makes a matrix product of empty operands: nothing, or sums of nothing. The
// reference backend divides by zero there.
func (g *graph) emptyProduct(op compute.OpType, shape shapes.Shape, in []*tensor) *tensor {
	if op != compute.OpTypeDotGeneral || !isFloat(shape) || in[0].shape.Size() > 0 && in[1].shape.Size() > 0 {
		return nil
	}
	if shape.Size() == 0 {
		return g.make(kindConstant, 0, shape, constant{[]float32{}})
	}
	return g.broadcast(g.scalar(0), shape, nil)
}

// convertible reports whether loops read the type and make float32 of it.
func convertible(d dtypes.DType) bool {
	switch d {
	case dtypes.Bool, dtypes.Uint8, dtypes.Int32, dtypes.Int64:
		return true
	}
	return false
}

// iota is a constant: its values are known now.
func (g *graph) iota(shape shapes.Shape, axis int) *tensor {
	inner := 1
	for _, d := range shape.Dimensions[axis+1:] {
		inner *= d
	}
	at := func(i int) int { return i / inner % shape.Dimensions[axis] }
	switch shape.DType {
	case dtypes.Float32:
		return g.make(kindConstant, 0, shape, constant{numbers[float32](shape.Size(), at)})
	case dtypes.Int32:
		return g.make(kindConstant, 0, shape, constant{numbers[int32](shape.Size(), at)})
	case dtypes.Int64:
		return g.make(kindConstant, 0, shape, constant{numbers[int64](shape.Size(), at)})
	}
	return nil
}

func numbers[T float32 | int32 | int64](n int, at func(int) int) []T {
	flat := make([]T, n)
	for i := range flat {
		flat[i] = T(at(i))
	}
	return flat
}

// elements are the operations that have the same opcode for float32 in and out.
var elements = map[compute.OpType]opcode{
	compute.OpTypeAdd: opAdd, compute.OpTypeSub: opSub, compute.OpTypeMul: opMul, compute.OpTypeDiv: opDiv,
	compute.OpTypeMax: opMax, compute.OpTypeMin: opMin, compute.OpTypePow: opPow,
	compute.OpTypeNeg: opNeg, compute.OpTypeAbs: opAbs, compute.OpTypeSqrt: opSqrt, compute.OpTypeRsqrt: opRsqrt,
	compute.OpTypeExp: opExp, compute.OpTypeExpm1: opExpm1, compute.OpTypeLog: opLog, compute.OpTypeLog1p: opLog1p,
	compute.OpTypeTanh: opTanh, compute.OpTypeLogistic: opLogistic, compute.OpTypeErf: opErf, compute.OpTypeSin: opSin,
	compute.OpTypeCos: opCos, compute.OpTypeFloor: opFloor, compute.OpTypeCeil: opCeil, compute.OpTypeRound: opRound,
	compute.OpTypeSign: opSign,
}

// comparison is a comparison's opcode, and whether its operands change places.
type comparison struct {
	op      opcode
	swapped bool
}

var comparisons = map[compute.OpType]comparison{
	compute.OpTypeEqual: {opEqual, false}, compute.OpTypeNotEqual: {opNotEqual, false},
	compute.OpTypeLessThan: {opLess, false}, compute.OpTypeLessOrEqual: {opLessEqual, false},
	compute.OpTypeGreaterThan: {opLess, true}, compute.OpTypeGreaterOrEqual: {opLessEqual, true},
}

var logicals = map[compute.OpType]opcode{
	compute.OpTypeLogicalAnd: opAnd, compute.OpTypeLogicalOr: opOr, compute.OpTypeLogicalXor: opXor, compute.OpTypeLogicalNot: opNot,
}

func (g *graph) lowerElement(op compute.OpType, shape shapes.Shape, in []*tensor) *tensor {
	like := make([]*tensor, len(in))
	floats, bools := true, true
	for _, x := range in {
		floats = floats && x.shape.DType == dtypes.Float32
		bools = bools && x.shape.DType == dtypes.Bool
	}
	native := func(op opcode, dtype dtypes.DType) *tensor {
		for i, x := range in {
			like[i] = g.like(x, shape)
		}
		return g.element(op, dtype, like...)
	}
	if code, ok := elements[op]; ok && floats {
		return native(code, dtypes.Float32)
	}
	if c, ok := comparisons[op]; ok && floats {
		if c.swapped {
			in = []*tensor{in[1], in[0]}
		}
		return native(c.op, dtypes.Bool)
	}
	if code, ok := logicals[op]; ok && bools {
		return native(code, dtypes.Bool)
	}
	if c, ok := comparisons[op]; ok && (op == compute.OpTypeEqual || op == compute.OpTypeNotEqual) {
		if d := in[0].shape.DType; d == dtypes.Int32 || d == dtypes.Int64 {
			return g.matches(in[0], in[1], c.op, shape)
		}
	}
	switch {
	case op == compute.OpTypeIsNaN && floats:
		x := in[0]
		return g.element(opNotEqual, dtypes.Bool, x, x)
	case op == compute.OpTypeIsFinite && floats:
		highest := g.broadcast(g.scalar(math.MaxFloat32), shape, nil)
		return g.element(opLessEqual, dtypes.Bool, g.element(opAbs, dtypes.Float32, in[0]), highest)
	}
	return nil
}

// matches compares integers, as one-hot encoding does. The one that is repeated may be so.
func (g *graph) matches(a, b *tensor, op opcode, shape shapes.Shape) *tensor {
	return g.make(kindMatch, op, shape, nil, g.like(a, shape), g.like(b, shape))
}

// lowerNorm makes batch normalisation of reductions and of one multiplication and addition
// for each element, whose factors are worked out for each feature.
func (g *graph) lowerNorm(n *node, in []*tensor) []*tensor {
	settings := n.attributes.(batchNorm)
	x, scale := in[0], in[1]
	dims := x.shape.Dimensions
	features := dims[settings.axis]
	count := x.shape.Size() / features
	rest := without(len(dims), settings.axis)
	vector := shapes.Make(dtypes.Float32, features)
	spread := func(v *tensor) *tensor { return g.broadcast(v, x.shape, []int{settings.axis}) }
	bin := func(op opcode, a, b *tensor) *tensor { return g.element(op, dtypes.Float32, a, b) }
	number := func(value float64) *tensor { return g.broadcast(g.scalar(float32(value)), vector, nil) }
	inverse := func(variance *tensor) *tensor {
		return g.element(opRsqrt, dtypes.Float32, bin(opAdd, variance, number(float64(settings.epsilon))))
	}
	normalize := func(offset, mean, variance *tensor) *tensor {
		factor := bin(opMul, scale, inverse(variance))
		shift := bin(opSub, offset, bin(opMul, mean, factor))
		return bin(opAdd, bin(opMul, x, spread(factor)), spread(shift))
	}
	switch n.op {
	case compute.OpTypeBatchNormForInference:
		return []*tensor{normalize(in[2], in[3], in[4])}
	case compute.OpTypeBatchNormForTraining:
		rows := x
		if settings.axis != len(dims)-1 {
			rows = g.transpose(x, append(slices.Clone(rest), settings.axis))
		}
		both := g.make(kindMoments, 0, vector, moments{features}, g.reshape(rows, count, features))
		mean, variance := g.pick(both, 0), g.pick(both, 1)
		return []*tensor{normalize(in[2], mean, variance), mean, variance}
	default: // the gradient
		mean, variance, gradient := in[2], in[3], in[4]
		inv := inverse(variance)
		gradOffset := g.reduce(opAdd, gradient, rest, vector)
		along := g.reduce(opAdd, bin(opMul, gradient, bin(opSub, x, spread(mean))), rest, vector)
		gradScale := bin(opMul, along, inv)
		// γ/σ · (g − mean(g) − x̂·mean(g·x̂)) is g·a + x·b + c.
		a := bin(opMul, scale, inv)
		b := g.element(opNeg, dtypes.Float32, bin(opMul, bin(opMul, a, inv), bin(opMul, gradScale, number(1/float64(count)))))
		c := g.element(opNeg, dtypes.Float32, bin(opAdd, bin(opMul, a, bin(opMul, gradOffset, number(1/float64(count)))), bin(opMul, mean, b)))
		gradOperand := bin(opAdd, bin(opMul, gradient, spread(a)), bin(opAdd, bin(opMul, x, spread(b)), spread(c)))
		return []*tensor{gradOperand, gradScale, gradOffset}
	}
}
