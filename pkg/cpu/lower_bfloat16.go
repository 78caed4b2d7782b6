package cpu

import (
	"math"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/shapes"
)

// Inside a graph, tensors of type bfloat16 are float32 whose values are bfloat16's: each
// operation is float32's, and its result is rounded, be it in a loop or in a pass of its own
// over what a contraction has made. Only inputs, outputs and what the reference backend is
// given and returns have the two bytes of the type.

// asFloat32 returns the shape that a tensor has inside a graph.
func asFloat32(shape shapes.Shape) shapes.Shape {
	if shape.DType == dtypes.BFloat16 {
		shape.DType = dtypes.Float32
	}
	return shape
}

// shape returns the recorded shape of a value.
func (v *value) shape() shapes.Shape { return v.node.shapes[v.output] }

// round rounds to bfloat16 what is not so already.
func (g *graph) round(x *tensor) *tensor {
	if x.rounded || x.shape.Size() == 0 {
		return x
	}
	return g.element(opBFloat16, dtypes.Float32, x)
}

// widen returns the float32 of a tensor whose elements have two bytes, and others as they are.
func (g *graph) widen(x *tensor) *tensor {
	if x.shape.DType != dtypes.BFloat16 {
		return x
	}
	if x.shape.Size() == 0 {
		return g.make(kindConstant, 0, asFloat32(x.shape), constant{[]float32{}})
	}
	return g.element(opConvert, dtypes.Float32, x)
}

// narrow is the reverse, for a tensor that is recorded with the type.
func (g *graph) narrow(x *tensor, recorded dtypes.DType) *tensor {
	if recorded != dtypes.BFloat16 {
		return x
	}
	if x.shape.Size() == 0 {
		return g.make(kindConstant, 0, shapes.Make(recorded, x.shape.Dimensions...), constant{[]bfloat16.BFloat16{}})
	}
	return g.element(opConvert, recorded, x)
}

// widened returns the data of a constant as it is inside a graph.
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

// isRounded reports whether rounding a tensor to bfloat16 would change nothing, as far as can
// be told from its inputs.
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

// keepsRounded is isRounded for the operations with elements.
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
	case opSub: // of the gradient of a ReLU, too
		return in[0].is(0) && in[1].rounded || isUnit(in[0]) && isUnit(in[1])
	}
	return false
}

// isUnit reports whether the elements are known to be of -1, 0 and 1.
func isUnit(t *tensor) bool {
	if number, ok := t.uniform(); ok {
		return number == 0 || number == 1 || number == -1
	}
	return t.kind == kindElement && (t.op == opSign || t.op == opFromMask)
}
