package cpu

import (
	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// lowerAll lowers the recorded operations that the outputs depend on, and returns the graph with
// the tensors of the parameters and of the outputs.
func lowerAll(b *builder) (g *graph, parameters, outputs []*tensor) {
	needed := map[*node]bool{}
	var mark func(v *value)
	mark = func(v *value) {
		if v == nil || needed[v.node] {
			return
		}
		needed[v.node] = true
		for _, input := range v.node.inputs {
			mark(input)
		}
	}
	for _, output := range b.main.outputs {
		mark(output)
	}
	g = newGraph()
	made := map[*node][]*tensor{}
	get := func(v *value) *tensor {
		if v == nil {
			return nil
		}
		return made[v.node][v.output]
	}
	for _, parameter := range b.main.parameters {
		t := g.make(kindParameter, 0, parameter.node.shapes[0], nil)
		made[parameter.node] = []*tensor{g.widen(t)}
		parameters = append(parameters, t)
	}
	for _, n := range b.nodes {
		if !needed[n] || n.op == compute.OpTypeParameter {
			continue
		}
		in := make([]*tensor, len(n.inputs))
		for i, input := range n.inputs {
			in[i] = get(input)
		}
		lowered := g.lower(n, in)
		if lowered == nil {
			lowered = g.delegate(n, in)
		}
		made[n] = lowered
	}
	for _, output := range b.main.outputs {
		outputs = append(outputs, g.narrow(get(output), output.shape().DType))
	}
	return g, parameters, outputs
}

// lower returns the outputs of a node in native form, or nil if the operation has none and must
// be delegated.
func (g *graph) lower(n *node, in []*tensor) []*tensor {
	out := g.lowerInFloat32(n, in)
	for i, t := range out {
		if n.shapes[i].DType == dtypes.BFloat16 {
			out[i] = g.round(t)
		}
	}
	return out
}

// lowerInFloat32 is lower without the rounding of bfloat16 results.
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
		// Native sums are float32 for both types. A request to round the operands to some other
		// type first is delegated.
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

func isFloat(shape shapes.Shape) bool { return shape.DType == dtypes.Float32 }

// emptyProduct returns the matrix product of empty operands, which is empty or all zeros, and nil
// for every other operation. The reference backend divides by zero in this case.
func (g *graph) emptyProduct(op compute.OpType, shape shapes.Shape, in []*tensor) *tensor {
	if op != compute.OpTypeDotGeneral || !isFloat(shape) || in[0].shape.Size() > 0 && in[1].shape.Size() > 0 {
		return nil
	}
	if shape.Size() == 0 {
		return g.make(kindConstant, 0, shape, constant{[]float32{}})
	}
	return g.broadcast(g.scalar(0), shape, nil)
}

// convertible reports whether loops can load the type and convert it to float32.
func convertible(d dtypes.DType) bool {
	switch d {
	case dtypes.Bool, dtypes.Uint8, dtypes.Int32, dtypes.Int64:
		return true
	}
	return false
}

// iota returns a constant that counts up along an axis, or nil for a type without a native form.
func (g *graph) iota(shape shapes.Shape, axis int) *tensor {
	inner := 1
	for _, d := range shape.Dimensions[axis+1:] {
		inner *= d
	}
	at := func(i int) int { return i / inner % shape.Dimensions[axis] }
	switch shape.DType {
	case dtypes.Float32:
		return g.make(kindConstant, 0, shape, constant{sequence[float32](shape.Size(), at)})
	case dtypes.Int32:
		return g.make(kindConstant, 0, shape, constant{sequence[int32](shape.Size(), at)})
	case dtypes.Int64:
		return g.make(kindConstant, 0, shape, constant{sequence[int64](shape.Size(), at)})
	}
	return nil
}

// sequence returns the values at(0), at(1), …, at(n-1).
func sequence[T float32 | int32 | int64](n int, at func(int) int) []T {
	flat := make([]T, n)
	for i := range flat {
		flat[i] = T(at(i))
	}
	return flat
}

// delegate is an operation that the reference backend runs.
type delegate struct {
	call   call
	shapes outputs
}

func (d *delegate) at(i int) shapes.Shape { return d.shapes[i] }

// delegate returns the outputs of a node that the reference backend runs.
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

// allReduce returns the reduced operands.
func (g *graph) allReduce(a *allReduction, in []*tensor) []*tensor {
	t := g.make(kindAllReduce, 0, a.shapes[0], a, in...)
	picked := make([]*tensor, len(in))
	for i := range picked {
		picked[i] = g.pick(t, i)
	}
	return picked
}
