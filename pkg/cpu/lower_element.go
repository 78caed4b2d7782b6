package cpu

import (
	"math"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// element returns the tensor of an elementwise operation, or a simpler one with the same values.
// The inputs have the dimensions of the output; their types may differ.
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

// simplify returns a simpler tensor for an elementwise operation, or nil. It knows the patterns
// of GoMLX's gradients. The gradient of a ReLU, Max(0, x), is
//
//	v · (1 − Sign(Sign(0 − x) + 1))
//
// and becomes "v where x > 0, else 0". The condition then reads the ReLU instead of x if the
// graph has it: the ReLU is stored in any case, for the gradient of the next layer. Where a mask
// is 0 the product is 0 even if the other factor is infinite or NaN, as in PyTorch. All other
// simplifications are exact up to the sign of zeros.
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
		// Put constants second.
		if _, ok := in[0].uniform(); ok {
			if _, ok := in[1].uniform(); !ok {
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
		// Multiplication is much faster than division, and exact if the divisor is a power of two.
		if d, ok := in[1].uniform(); ok && d != 0 {
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
		// Widened and narrowed again: an input that is returned or delegated unchanged.
		if shape.DType == dtypes.BFloat16 && is(in[0], opConvert) && in[0].inputs[0].shape.DType == dtypes.BFloat16 {
			return in[0].inputs[0]
		}
	}
	return nil
}

// elements maps operations on float32 to their opcodes.
var elements = map[compute.OpType]opcode{
	compute.OpTypeAdd: opAdd, compute.OpTypeSub: opSub, compute.OpTypeMul: opMul, compute.OpTypeDiv: opDiv,
	compute.OpTypeMax: opMax, compute.OpTypeMin: opMin, compute.OpTypePow: opPow,
	compute.OpTypeNeg: opNeg, compute.OpTypeAbs: opAbs, compute.OpTypeSqrt: opSqrt, compute.OpTypeRsqrt: opRsqrt,
	compute.OpTypeExp: opExp, compute.OpTypeExpm1: opExpm1, compute.OpTypeLog: opLog, compute.OpTypeLog1p: opLog1p,
	compute.OpTypeTanh: opTanh, compute.OpTypeLogistic: opLogistic, compute.OpTypeErf: opErf, compute.OpTypeSin: opSin,
	compute.OpTypeCos: opCos, compute.OpTypeFloor: opFloor, compute.OpTypeCeil: opCeil, compute.OpTypeRound: opRound,
	compute.OpTypeSign: opSign,
}

// comparison is the opcode of a comparison, and whether its operands are swapped.
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

// lowerElement returns the native form of an elementwise operation, or nil.
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

// matches compares integers for equality, as one-hot encoding does.
func (g *graph) matches(a, b *tensor, op opcode, shape shapes.Shape) *tensor {
	return g.make(kindMatch, op, shape, nil, g.like(a, shape), g.like(b, shape))
}
