package cpu

import (
	"math"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/shapes"
)

// Inside a graph, a bfloat16 tensor is a float32 tensor whose elements are representable in
// bfloat16. Every operation computes in float32 and rounds its result, either within a loop or,
// after a contraction, in a pass of its own. Only the inputs and outputs of the graph and of
// delegated operations are stored in two bytes per element.

// asFloat32 returns the shape of a tensor inside a graph: float32 in place of bfloat16.
func asFloat32(shape shapes.Shape) shapes.Shape {
	if shape.DType == dtypes.BFloat16 {
		shape.DType = dtypes.Float32
	}
	return shape
}

// shape returns the shape of a value as recorded.
func (v *value) shape() shapes.Shape { return v.node.shapes[v.output] }

// round rounds x to bfloat16, unless it is known to be rounded.
func (g *graph) round(x *tensor) *tensor {
	if x.rounded || x.shape.Size() == 0 {
		return x
	}
	return g.element(opBFloat16, dtypes.Float32, x)
}

// widen converts a stored bfloat16 tensor to float32, and returns other tensors unchanged.
func (g *graph) widen(x *tensor) *tensor {
	if x.shape.DType != dtypes.BFloat16 {
		return x
	}
	if x.shape.Size() == 0 {
		return g.make(kindConstant, 0, asFloat32(x.shape), constant{[]float32{}})
	}
	return g.element(opConvert, dtypes.Float32, x)
}

// narrow is the inverse of widen: it converts to bfloat16 if that is the recorded type.
func (g *graph) narrow(x *tensor, recorded dtypes.DType) *tensor {
	if recorded != dtypes.BFloat16 {
		return x
	}
	if x.shape.Size() == 0 {
		return g.make(kindConstant, 0, shapes.Make(recorded, x.shape.Dimensions...), constant{[]bfloat16.BFloat16{}})
	}
	return g.element(opConvert, recorded, x)
}

// widened returns the data of a constant with bfloat16 converted to float32.
func widened(flat any) any {
	narrow, ok := flat.([]bfloat16.BFloat16)
	if !ok {
		return flat
	}
	wide := make([]float32, len(narrow))
	for i, x := range narrow {
		wide[i] = x.Float32()
	}
	return wide
}

// isRounded reports whether the elements of t are known to be representable in bfloat16, given
// what is known about its inputs.
func isRounded(t *tensor) bool {
	all := func(in []*tensor) bool {
		for _, x := range in {
			if x == nil || !x.rounded && x.shape.DType != dtypes.Bool {
				return false
			}
		}
		return true
	}
	switch t.kind {
	case kindConstant:
		flat, _ := t.attributes.(constant).flat.([]float32)
		for _, x := range flat {
			if math.Float32bits(x)&0xffff != 0 {
				return false
			}
		}
		return flat != nil
	case kindAlias, kindBroadcast, kindMove:
		return all(t.inputs)
	case kindReduce:
		return t.op != opAdd && all(t.inputs)
	case kindWindow:
		return t.attributes.(*pooling).kind != compute.ReduceOpSum && all(t.inputs)
	case kindElement:
		return t.shape.DType == dtypes.Float32 && keepsRounded(t.op, t.inputs, all)
	}
	return false
}

// keepsRounded is isRounded for elementwise operations.
func keepsRounded(op opcode, in []*tensor, all func([]*tensor) bool) bool {
	switch op {
	case opBFloat16, opFromMask, opSign:
		return true
	case opConvert:
		return in[0].shape.DType == dtypes.BFloat16 || in[0].shape.DType == dtypes.Uint8
	case opMax, opMin, opNeg, opAbs, opSelect, opAnd, opFloor, opCeil, opRound:
		return all(in)
	case opAdd:
		return isUnit(in[0]) && isUnit(in[1])
	case opSub: // which the gradient of a ReLU has too
		return in[0].is(0) && in[1].rounded || isUnit(in[0]) && isUnit(in[1])
	}
	return false
}

// isUnit reports whether every element is known to be -1, 0 or 1.
func isUnit(t *tensor) bool {
	if x, ok := t.uniform(); ok {
		return x == 0 || x == 1 || x == -1
	}
	return t.kind == kindElement && (t.op == opSign || t.op == opFromMask)
}
