package cpu

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/pkg/errors"
)

// The operations of compute.Function. Each is added to the reference backend's function and
// recorded, with its settings if a native step needs them.

type v = compute.Value

func (f *function) unary(op compute.OpType, call func(compute.Function, v) (v, error), x v) (v, error) {
	return f.one(op, []v{x}, nil, func(f compute.Function, in []v) (v, error) { return call(f, in[0]) })
}

func (f *function) binary(op compute.OpType, call func(compute.Function, v, v) (v, error), lhs, rhs v) (v, error) {
	return f.one(op, []v{lhs, rhs}, nil, func(f compute.Function, in []v) (v, error) { return call(f, in[0], in[1]) })
}

// reduction holds the axes of a reduction as given: none means all.
type reduction struct{ axes []int }

func (f *function) reduce(op compute.OpType, call func(compute.Function, v, ...int) (v, error), x v, axes []int) (v, error) {
	axes = slices.Clone(axes)
	return f.one(op, []v{x}, reduction{axes}, func(f compute.Function, in []v) (v, error) { return call(f, in[0], axes...) })
}

func (f *function) Abs(x v) (v, error) { return f.unary(compute.OpTypeAbs, compute.Function.Abs, x) }

func (f *function) BitCount(x v) (v, error) {
	return f.unary(compute.OpTypeBitCount, compute.Function.BitCount, x)
}

func (f *function) BitwiseNot(x v) (v, error) {
	return f.unary(compute.OpTypeBitwiseNot, compute.Function.BitwiseNot, x)
}

func (f *function) Ceil(x v) (v, error) { return f.unary(compute.OpTypeCeil, compute.Function.Ceil, x) }

func (f *function) Clz(x v) (v, error) { return f.unary(compute.OpTypeClz, compute.Function.Clz, x) }

func (f *function) Conj(x v) (v, error) { return f.unary(compute.OpTypeConj, compute.Function.Conj, x) }

func (f *function) Cos(x v) (v, error) { return f.unary(compute.OpTypeCos, compute.Function.Cos, x) }

func (f *function) Erf(x v) (v, error) { return f.unary(compute.OpTypeErf, compute.Function.Erf, x) }

func (f *function) Exp(x v) (v, error) { return f.unary(compute.OpTypeExp, compute.Function.Exp, x) }

func (f *function) Expm1(x v) (v, error) {
	return f.unary(compute.OpTypeExpm1, compute.Function.Expm1, x)
}

func (f *function) Floor(x v) (v, error) {
	return f.unary(compute.OpTypeFloor, compute.Function.Floor, x)
}

func (f *function) Identity(x v) (v, error) {
	return f.unary(compute.OpTypeIdentity, compute.Function.Identity, x)
}

func (f *function) Imag(x v) (v, error) { return f.unary(compute.OpTypeImag, compute.Function.Imag, x) }

func (f *function) IsFinite(x v) (v, error) {
	return f.unary(compute.OpTypeIsFinite, compute.Function.IsFinite, x)
}

func (f *function) IsNaN(x v) (v, error) {
	return f.unary(compute.OpTypeIsNaN, compute.Function.IsNaN, x)
}

func (f *function) Log(x v) (v, error) { return f.unary(compute.OpTypeLog, compute.Function.Log, x) }

func (f *function) Log1p(x v) (v, error) {
	return f.unary(compute.OpTypeLog1p, compute.Function.Log1p, x)
}

func (f *function) LogicalNot(x v) (v, error) {
	return f.unary(compute.OpTypeLogicalNot, compute.Function.LogicalNot, x)
}

func (f *function) Logistic(x v) (v, error) {
	return f.unary(compute.OpTypeLogistic, compute.Function.Logistic, x)
}

func (f *function) Neg(x v) (v, error) { return f.unary(compute.OpTypeNeg, compute.Function.Neg, x) }

func (f *function) Real(x v) (v, error) { return f.unary(compute.OpTypeReal, compute.Function.Real, x) }

func (f *function) Round(x v) (v, error) {
	return f.unary(compute.OpTypeRound, compute.Function.Round, x)
}

func (f *function) Rsqrt(x v) (v, error) {
	return f.unary(compute.OpTypeRsqrt, compute.Function.Rsqrt, x)
}

func (f *function) Sign(x v) (v, error) { return f.unary(compute.OpTypeSign, compute.Function.Sign, x) }

func (f *function) Sin(x v) (v, error) { return f.unary(compute.OpTypeSin, compute.Function.Sin, x) }

func (f *function) Sqrt(x v) (v, error) { return f.unary(compute.OpTypeSqrt, compute.Function.Sqrt, x) }

func (f *function) Tanh(x v) (v, error) { return f.unary(compute.OpTypeTanh, compute.Function.Tanh, x) }

func (f *function) Add(lhs, rhs v) (v, error) {
	return f.binary(compute.OpTypeAdd, compute.Function.Add, lhs, rhs)
}

func (f *function) Atan2(lhs, rhs v) (v, error) {
	return f.binary(compute.OpTypeAtan2, compute.Function.Atan2, lhs, rhs)
}

func (f *function) BitwiseAnd(lhs, rhs v) (v, error) {
	return f.binary(compute.OpTypeBitwiseAnd, compute.Function.BitwiseAnd, lhs, rhs)
}

func (f *function) BitwiseOr(lhs, rhs v) (v, error) {
	return f.binary(compute.OpTypeBitwiseOr, compute.Function.BitwiseOr, lhs, rhs)
}

func (f *function) BitwiseXor(lhs, rhs v) (v, error) {
	return f.binary(compute.OpTypeBitwiseXor, compute.Function.BitwiseXor, lhs, rhs)
}

func (f *function) Complex(lhs, rhs v) (v, error) {
	return f.binary(compute.OpTypeComplex, compute.Function.Complex, lhs, rhs)
}

func (f *function) Div(lhs, rhs v) (v, error) {
	return f.binary(compute.OpTypeDiv, compute.Function.Div, lhs, rhs)
}

func (f *function) Equal(lhs, rhs v) (v, error) {
	return f.binary(compute.OpTypeEqual, compute.Function.Equal, lhs, rhs)
}

func (f *function) EqualTotalOrder(lhs, rhs v) (v, error) {
	return f.binary(compute.OpTypeEqualTotalOrder, compute.Function.EqualTotalOrder, lhs, rhs)
}

func (f *function) GreaterOrEqual(lhs, rhs v) (v, error) {
	return f.binary(compute.OpTypeGreaterOrEqual, compute.Function.GreaterOrEqual, lhs, rhs)
}

func (f *function) GreaterOrEqualTotalOrder(lhs, rhs v) (v, error) {
	return f.binary(compute.OpTypeGreaterOrEqualTotalOrder, compute.Function.GreaterOrEqualTotalOrder, lhs, rhs)
}

func (f *function) GreaterThan(lhs, rhs v) (v, error) {
	return f.binary(compute.OpTypeGreaterThan, compute.Function.GreaterThan, lhs, rhs)
}

func (f *function) GreaterThanTotalOrder(lhs, rhs v) (v, error) {
	return f.binary(compute.OpTypeGreaterThanTotalOrder, compute.Function.GreaterThanTotalOrder, lhs, rhs)
}

func (f *function) LessOrEqual(lhs, rhs v) (v, error) {
	return f.binary(compute.OpTypeLessOrEqual, compute.Function.LessOrEqual, lhs, rhs)
}

func (f *function) LessOrEqualTotalOrder(lhs, rhs v) (v, error) {
	return f.binary(compute.OpTypeLessOrEqualTotalOrder, compute.Function.LessOrEqualTotalOrder, lhs, rhs)
}

func (f *function) LessThan(lhs, rhs v) (v, error) {
	return f.binary(compute.OpTypeLessThan, compute.Function.LessThan, lhs, rhs)
}

func (f *function) LessThanTotalOrder(lhs, rhs v) (v, error) {
	return f.binary(compute.OpTypeLessThanTotalOrder, compute.Function.LessThanTotalOrder, lhs, rhs)
}

func (f *function) LogicalAnd(lhs, rhs v) (v, error) {
	return f.binary(compute.OpTypeLogicalAnd, compute.Function.LogicalAnd, lhs, rhs)
}

func (f *function) LogicalOr(lhs, rhs v) (v, error) {
	return f.binary(compute.OpTypeLogicalOr, compute.Function.LogicalOr, lhs, rhs)
}

func (f *function) LogicalXor(lhs, rhs v) (v, error) {
	return f.binary(compute.OpTypeLogicalXor, compute.Function.LogicalXor, lhs, rhs)
}

func (f *function) Max(lhs, rhs v) (v, error) {
	return f.binary(compute.OpTypeMax, compute.Function.Max, lhs, rhs)
}

func (f *function) Min(lhs, rhs v) (v, error) {
	return f.binary(compute.OpTypeMin, compute.Function.Min, lhs, rhs)
}

func (f *function) Mul(lhs, rhs v) (v, error) {
	return f.binary(compute.OpTypeMul, compute.Function.Mul, lhs, rhs)
}

func (f *function) NotEqual(lhs, rhs v) (v, error) {
	return f.binary(compute.OpTypeNotEqual, compute.Function.NotEqual, lhs, rhs)
}

func (f *function) NotEqualTotalOrder(lhs, rhs v) (v, error) {
	return f.binary(compute.OpTypeNotEqualTotalOrder, compute.Function.NotEqualTotalOrder, lhs, rhs)
}

func (f *function) Pow(lhs, rhs v) (v, error) {
	return f.binary(compute.OpTypePow, compute.Function.Pow, lhs, rhs)
}

func (f *function) Rem(lhs, rhs v) (v, error) {
	return f.binary(compute.OpTypeRem, compute.Function.Rem, lhs, rhs)
}

func (f *function) ShiftLeft(lhs, rhs v) (v, error) {
	return f.binary(compute.OpTypeShiftLeft, compute.Function.ShiftLeft, lhs, rhs)
}

func (f *function) ShiftRightArithmetic(lhs, rhs v) (v, error) {
	return f.binary(compute.OpTypeShiftRightArithmetic, compute.Function.ShiftRightArithmetic, lhs, rhs)
}

func (f *function) ShiftRightLogical(lhs, rhs v) (v, error) {
	return f.binary(compute.OpTypeShiftRightLogical, compute.Function.ShiftRightLogical, lhs, rhs)
}

func (f *function) Sub(lhs, rhs v) (v, error) {
	return f.binary(compute.OpTypeSub, compute.Function.Sub, lhs, rhs)
}

func (f *function) ReduceBitwiseAnd(x v, axes ...int) (v, error) {
	return f.reduce(compute.OpTypeReduceBitwiseAnd, compute.Function.ReduceBitwiseAnd, x, axes)
}

func (f *function) ReduceBitwiseOr(x v, axes ...int) (v, error) {
	return f.reduce(compute.OpTypeReduceBitwiseOr, compute.Function.ReduceBitwiseOr, x, axes)
}

func (f *function) ReduceBitwiseXor(x v, axes ...int) (v, error) {
	return f.reduce(compute.OpTypeReduceBitwiseXor, compute.Function.ReduceBitwiseXor, x, axes)
}

func (f *function) ReduceLogicalAnd(x v, axes ...int) (v, error) {
	return f.reduce(compute.OpTypeReduceLogicalAnd, compute.Function.ReduceLogicalAnd, x, axes)
}

func (f *function) ReduceLogicalOr(x v, axes ...int) (v, error) {
	return f.reduce(compute.OpTypeReduceLogicalOr, compute.Function.ReduceLogicalOr, x, axes)
}

func (f *function) ReduceLogicalXor(x v, axes ...int) (v, error) {
	return f.reduce(compute.OpTypeReduceLogicalXor, compute.Function.ReduceLogicalXor, x, axes)
}

func (f *function) ReduceMax(x v, axes ...int) (v, error) {
	return f.reduce(compute.OpTypeReduceMax, compute.Function.ReduceMax, x, axes)
}

func (f *function) ReduceMin(x v, axes ...int) (v, error) {
	return f.reduce(compute.OpTypeReduceMin, compute.Function.ReduceMin, x, axes)
}

func (f *function) ReduceProduct(x v, axes ...int) (v, error) {
	return f.reduce(compute.OpTypeReduceProduct, compute.Function.ReduceProduct, x, axes)
}

func (f *function) ReduceSum(x v, axes ...int) (v, error) {
	return f.reduce(compute.OpTypeReduceSum, compute.Function.ReduceSum, x, axes)
}

func (f *function) Clamp(lowest, x, highest v) (v, error) {
	return f.one(compute.OpTypeClamp, []v{lowest, x, highest}, nil, func(f compute.Function, in []v) (v, error) {
		return f.Clamp(in[0], in[1], in[2])
	})
}

func (f *function) Where(condition, onTrue, onFalse v) (v, error) {
	return f.one(compute.OpTypeWhere, []v{condition, onTrue, onFalse}, nil, func(f compute.Function, in []v) (v, error) {
		return f.Where(in[0], in[1], in[2])
	})
}

func (f *function) ArgMinMax(x v, axis int, outputDType dtypes.DType, isMin bool) (v, error) {
	return f.one(compute.OpTypeArgMinMax, []v{x}, nil, func(f compute.Function, in []v) (v, error) {
		return f.ArgMinMax(in[0], axis, outputDType, isMin)
	})
}

func (f *function) Bitcast(operand v, target dtypes.DType) (v, error) {
	return f.one(compute.OpTypeBitcast, []v{operand}, nil, func(f compute.Function, in []v) (v, error) {
		return f.Bitcast(in[0], target)
	})
}

// broadcast holds the settings of BroadcastInDim: the output axis of each input axis.
type broadcast struct{ axes []int }

func (f *function) BroadcastInDim(x v, outputShape shapes.Shape, broadcastAxes []int) (v, error) {
	if !slices.IsSorted(broadcastAxes) { // the reference backend accepts these but computes wrong results
		return nil, errors.Errorf("%s: the axes %v do not increase; transpose the operand instead", compute.OpTypeBroadcastInDim, broadcastAxes)
	}
	axes, shape := slices.Clone(broadcastAxes), outputShape.Clone()
	return f.one(compute.OpTypeBroadcastInDim, []v{x}, broadcast{axes}, func(f compute.Function, in []v) (v, error) {
		return f.BroadcastInDim(in[0], shape, axes)
	})
}

// concatenation holds the axis along which the inputs are joined.
type concatenation struct{ axis int }

func (f *function) Concatenate(axis int, operands ...v) (v, error) {
	return f.one(compute.OpTypeConcatenate, operands, concatenation{axis}, func(f compute.Function, in []v) (v, error) {
		return f.Concatenate(axis, in...)
	})
}

// convolution holds the settings of ConvGeneral.
type convolution struct {
	axes                            compute.ConvolveAxesConfig
	strides                         []int
	paddings                        [][2]int
	inputDilations, kernelDilations []int
	channelGroups, batchGroups      int
}

func (f *function) ConvGeneral(input, kernel v, axes compute.ConvolveAxesConfig, strides []int, paddings [][2]int,
	inputDilations, kernelDilations []int, channelGroupCount, batchGroupCount int) (v, error) {
	c := convolution{axes.Clone(), slices.Clone(strides), slices.Clone(paddings),
		slices.Clone(inputDilations), slices.Clone(kernelDilations), channelGroupCount, batchGroupCount}
	return f.one(compute.OpTypeConvGeneral, []v{input, kernel}, c, func(f compute.Function, in []v) (v, error) {
		return f.ConvGeneral(in[0], in[1], c.axes, c.strides, c.paddings, c.inputDilations, c.kernelDilations, c.channelGroups, c.batchGroups)
	})
}

func (f *function) ConvertDType(x v, dtype dtypes.DType) (v, error) {
	return f.one(compute.OpTypeConvertDType, []v{x}, nil, func(f compute.Function, in []v) (v, error) {
		return f.ConvertDType(in[0], dtype)
	})
}

// product holds the settings of DotGeneral.
type product struct {
	lhsContracting, lhsBatch, rhsContracting, rhsBatch []int
	config                                             compute.DotGeneralConfig
}

func (f *function) DotGeneral(lhs v, lhsContractingAxes, lhsBatchAxes []int, rhs v, rhsContractingAxes, rhsBatchAxes []int,
	config compute.DotGeneralConfig) (v, error) {
	p := product{slices.Clone(lhsContractingAxes), slices.Clone(lhsBatchAxes), slices.Clone(rhsContractingAxes), slices.Clone(rhsBatchAxes), config}
	return f.one(compute.OpTypeDotGeneral, []v{lhs, rhs}, p, func(f compute.Function, in []v) (v, error) {
		return f.DotGeneral(in[0], p.lhsContracting, p.lhsBatch, in[1], p.rhsContracting, p.rhsBatch, p.config)
	})
}

func (f *function) DynamicDimensionSize(operand v, axis int) (v, error) {
	return f.one(compute.OpTypeDynamicDimensionSize, []v{operand}, nil, func(f compute.Function, in []v) (v, error) {
		return f.DynamicDimensionSize(in[0], axis)
	})
}

func (f *function) DynamicReshape(operand v, dimensions ...compute.DynamicDimensionSpec) (v, error) {
	// Dimensions given as values are inputs too. The shape is known only when the graph runs.
	f.builder.delegateAll = true
	inputs := []v{operand}
	for _, d := range dimensions {
		if d.Value != nil {
			inputs = append(inputs, d.Value)
		}
	}
	return f.one(compute.OpTypeDynamicReshape, inputs, nil, func(f compute.Function, in []v) (v, error) {
		own, next := slices.Clone(dimensions), 1
		for i := range own {
			if own[i].Value != nil {
				own[i].Value = in[next]
				next++
			}
		}
		return f.DynamicReshape(in[0], own...)
	})
}

func (f *function) DynamicShape(operand v) (v, error) {
	return f.one(compute.OpTypeDynamicShape, []v{operand}, nil, func(f compute.Function, in []v) (v, error) {
		return f.DynamicShape(in[0])
	})
}

func (f *function) DynamicSlice(operand v, startIndices []v, sliceDims []int) (v, error) {
	dims := slices.Clone(sliceDims)
	return f.one(compute.OpTypeDynamicSlice, append([]v{operand}, startIndices...), nil, func(f compute.Function, in []v) (v, error) {
		return f.DynamicSlice(in[0], in[1:], dims)
	})
}

func (f *function) DynamicUpdateSlice(operand, update v, startIndices []v) (v, error) {
	return f.one(compute.OpTypeDynamicUpdateSlice, append([]v{operand, update}, startIndices...), nil, func(f compute.Function, in []v) (v, error) {
		return f.DynamicUpdateSlice(in[0], in[1], in[2:])
	})
}

func (f *function) FFT(operand v, fftType compute.FFTType, fftLength []int) (v, error) {
	length := slices.Clone(fftLength)
	return f.one(compute.OpTypeFFT, []v{operand}, nil, func(f compute.Function, in []v) (v, error) {
		return f.FFT(in[0], fftType, length)
	})
}

func (f *function) Gather(operand, startIndices v, indexVectorAxis int, offsetOutputAxes, collapsedSliceAxes, startIndexMap, sliceSizes []int,
	indicesAreSorted bool) (v, error) {
	offset, collapsed, start, sizes := slices.Clone(offsetOutputAxes), slices.Clone(collapsedSliceAxes), slices.Clone(startIndexMap), slices.Clone(sliceSizes)
	return f.one(compute.OpTypeGather, []v{operand, startIndices}, nil, func(f compute.Function, in []v) (v, error) {
		return f.Gather(in[0], in[1], indexVectorAxis, offset, collapsed, start, sizes, indicesAreSorted)
	})
}

// counting holds the setting of Iota: the axis along which the values count up.
type counting struct{ axis int }

func (f *function) Iota(shape shapes.Shape, iotaAxis int) (v, error) {
	own := shape.Clone()
	return f.one(compute.OpTypeIota, nil, counting{iotaAxis}, func(f compute.Function, _ []v) (v, error) {
		return f.Iota(own, iotaAxis)
	})
}

// padding holds the settings of Pad, one for each axis of the input.
type padding struct{ axes []compute.PadAxis }

func (f *function) Pad(x, fillValue v, axesConfig ...compute.PadAxis) (v, error) {
	axes := slices.Clone(axesConfig)
	return f.one(compute.OpTypePad, []v{x, fillValue}, padding{axes}, func(f compute.Function, in []v) (v, error) {
		return f.Pad(in[0], in[1], axes...)
	})
}

// window holds the settings of ReduceWindow, SelectAndScatterMax and SelectAndScatterMin.
type window struct {
	kind                                           compute.ReduceOpType
	size, strides, inputDilations, windowDilations []int
	paddings                                       [][2]int
}

func (f *function) ReduceWindow(input v, reductionType compute.ReduceOpType, windowDimensions, strides, inputDilations, windowDilations []int,
	paddings [][2]int) (v, error) {
	w := window{reductionType, slices.Clone(windowDimensions), slices.Clone(strides), slices.Clone(inputDilations),
		slices.Clone(windowDilations), slices.Clone(paddings)}
	return f.one(compute.OpTypeReduceWindow, []v{input}, w, func(f compute.Function, in []v) (v, error) {
		return f.ReduceWindow(in[0], w.kind, w.size, w.strides, w.inputDilations, w.windowDilations, w.paddings)
	})
}

func (f *function) SelectAndScatterMax(operand, source v, windowDimensions, windowStrides []int, paddings [][2]int) (v, error) {
	w := window{compute.ReduceOpMax, slices.Clone(windowDimensions), slices.Clone(windowStrides), nil, nil, slices.Clone(paddings)}
	return f.one(compute.OpTypeSelectAndScatterMax, []v{operand, source}, w, func(f compute.Function, in []v) (v, error) {
		return f.SelectAndScatterMax(in[0], in[1], w.size, w.strides, w.paddings)
	})
}

func (f *function) SelectAndScatterMin(operand, source v, windowDimensions, windowStrides []int, paddings [][2]int) (v, error) {
	w := window{compute.ReduceOpMin, slices.Clone(windowDimensions), slices.Clone(windowStrides), nil, nil, slices.Clone(paddings)}
	return f.one(compute.OpTypeSelectAndScatterMin, []v{operand, source}, w, func(f compute.Function, in []v) (v, error) {
		return f.SelectAndScatterMin(in[0], in[1], w.size, w.strides, w.paddings)
	})
}

func (f *function) Reshape(x v, dimensions ...int) (v, error) {
	dims := slices.Clone(dimensions)
	return f.one(compute.OpTypeReshape, []v{x}, nil, func(f compute.Function, in []v) (v, error) {
		return f.Reshape(in[0], dims...)
	})
}

// reversal holds the axes that Reverse reverses.
type reversal struct{ axes []int }

func (f *function) Reverse(x v, axes ...int) (v, error) {
	own := slices.Clone(axes)
	return f.one(compute.OpTypeReverse, []v{x}, reversal{own}, func(f compute.Function, in []v) (v, error) {
		return f.Reverse(in[0], own...)
	})
}

func (f *function) RNGBitGenerator(state v, shape shapes.Shape) (newState, values v, err error) {
	own := shape.Clone()
	outputs, err := f.do(compute.OpTypeRNGBitGenerator, []v{state}, nil, func(f compute.Function, in []v) ([]v, error) {
		newState, values, err := f.RNGBitGenerator(in[0], own)
		return []v{newState, values}, err
	})
	if err != nil {
		return nil, nil, err
	}
	return outputs[0], outputs[1], nil
}

// scatter is the signature of ScatterMax, ScatterMin and ScatterSum.
type scatter func(f compute.Function, operand, indices, updates v, indexVectorAxis int,
	updateWindowAxes, insertedWindowAxes, scatterAxesToOperandAxes []int, indicesAreSorted, uniqueIndices bool) (v, error)

func (f *function) scatter(op compute.OpType, call scatter, operand, indices, updates v, indexVectorAxis int,
	updateWindowAxes, insertedWindowAxes, scatterAxesToOperandAxes []int, indicesAreSorted, uniqueIndices bool) (v, error) {
	update, inserted, axes := slices.Clone(updateWindowAxes), slices.Clone(insertedWindowAxes), slices.Clone(scatterAxesToOperandAxes)
	return f.one(op, []v{operand, indices, updates}, nil, func(f compute.Function, in []v) (v, error) {
		return call(f, in[0], in[1], in[2], indexVectorAxis, update, inserted, axes, indicesAreSorted, uniqueIndices)
	})
}

func (f *function) ScatterMax(operand, indices, updates v, indexVectorAxis int, updateWindowAxes, insertedWindowAxes, scatterAxesToOperandAxes []int,
	indicesAreSorted, uniqueIndices bool) (v, error) {
	return f.scatter(compute.OpTypeScatterMax, compute.Function.ScatterMax, operand, indices, updates, indexVectorAxis,
		updateWindowAxes, insertedWindowAxes, scatterAxesToOperandAxes, indicesAreSorted, uniqueIndices)
}

func (f *function) ScatterMin(operand, indices, updates v, indexVectorAxis int, updateWindowAxes, insertedWindowAxes, scatterAxesToOperandAxes []int,
	indicesAreSorted, uniqueIndices bool) (v, error) {
	return f.scatter(compute.OpTypeScatterMin, compute.Function.ScatterMin, operand, indices, updates, indexVectorAxis,
		updateWindowAxes, insertedWindowAxes, scatterAxesToOperandAxes, indicesAreSorted, uniqueIndices)
}

func (f *function) ScatterSum(operand, indices, updates v, indexVectorAxis int, updateWindowAxes, insertedWindowAxes, scatterAxesToOperandAxes []int,
	indicesAreSorted, uniqueIndices bool) (v, error) {
	return f.scatter(compute.OpTypeScatterSum, compute.Function.ScatterSum, operand, indices, updates, indexVectorAxis,
		updateWindowAxes, insertedWindowAxes, scatterAxesToOperandAxes, indicesAreSorted, uniqueIndices)
}

// slicing holds the bounds of Slice, and its strides if there are any.
type slicing struct{ starts, limits, strides []int }

func (f *function) Slice(x v, starts, limits, strides []int) (v, error) {
	s := slicing{slices.Clone(starts), slices.Clone(limits), slices.Clone(strides)}
	return f.one(compute.OpTypeSlice, []v{x}, s, func(f compute.Function, in []v) (v, error) {
		return f.Slice(in[0], s.starts, s.limits, s.strides)
	})
}

// transposition holds the input axis of each output axis.
type transposition struct{ axes []int }

func (f *function) Transpose(x v, permutation ...int) (v, error) {
	axes := slices.Clone(permutation)
	return f.one(compute.OpTypeTranspose, []v{x}, transposition{axes}, func(f compute.Function, in []v) (v, error) {
		return f.Transpose(in[0], axes...)
	})
}

func (f *function) OptimizationBarrier(operands ...v) ([]v, error) {
	return f.do(compute.OpTypeOptimizationBarrier, operands, nil, func(f compute.Function, in []v) ([]v, error) {
		return f.OptimizationBarrier(in...)
	})
}

func (f *function) SchedulingBarrier(operand v, dependencies ...v) (v, error) {
	return f.one(compute.OpTypeSchedulingBarrier, append([]v{operand}, dependencies...), nil, func(f compute.Function, in []v) (v, error) {
		return f.SchedulingBarrier(in[0], in[1:]...)
	})
}
