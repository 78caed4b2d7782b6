package cpu

import (
	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	"github.com/pkg/errors"
)

// batchNorm holds the settings of the three batch normalization operations.
type batchNorm struct {
	epsilon float32
	axis    int // the feature axis
}

// normOp checks the operands that the three operations have in common: floats with a feature
// axis, and vectors of shape [features].
func (f *function) normOp(op compute.OpType, operand v, axis int, vectors ...v) error {
	shape, err := f.Shape(operand)
	if err != nil {
		return errors.WithMessagef(err, "%s", op)
	}
	if !shape.DType.IsFloat() {
		return errors.Errorf("%s: the operand is %s, want floats", op, shape)
	}
	if axis < 0 || axis >= shape.Rank() {
		return errors.Errorf("%s: the feature axis is %d, but the operand has shape %s", op, axis, shape)
	}
	want := shapes.Make(shape.DType, shape.Dimensions[axis])
	for i, vector := range vectors {
		got, err := f.Shape(vector)
		if err != nil {
			return errors.WithMessagef(err, "%s", op)
		}
		if !got.Equal(want) {
			return errors.Errorf("%s: input #%d has shape %s, want %s: one value for each feature of %s", op, i+1, got, want, shape)
		}
	}
	return nil
}

func (f *function) BatchNormForInference(operand, scale, offset, mean, variance v, epsilon float32, featureAxis int) (v, error) {
	const op = compute.OpTypeBatchNormForInference
	if err := f.normOp(op, operand, featureAxis, scale, offset, mean, variance); err != nil {
		return nil, err
	}
	return f.one(op, []v{operand, scale, offset, mean, variance}, batchNorm{epsilon, featureAxis},
		func(f compute.Function, in []v) (v, error) {
			c := &composer{f: f}
			x := c.over(in[0], featureAxis)
			y := x.normalize(in[0], in[1], in[2], in[3], in[4], epsilon)
			return y, c.err
		})
}

func (f *function) BatchNormForTraining(operand, scale, offset v, epsilon float32, featureAxis int) (normalized, mean, variance v, err error) {
	const op = compute.OpTypeBatchNormForTraining
	if err := f.normOp(op, operand, featureAxis, scale, offset); err != nil {
		return nil, nil, nil, err
	}
	outputs, err := f.do(op, []v{operand, scale, offset}, batchNorm{epsilon, featureAxis},
		func(f compute.Function, in []v) ([]v, error) {
			c := &composer{f: f}
			x := c.over(in[0], featureAxis)
			mean := x.mean(in[0])
			centred := c.binary(compute.Function.Sub, in[0], x.broadcast(mean))
			variance := x.mean(c.binary(compute.Function.Mul, centred, centred))
			y := x.normalize(in[0], in[1], in[2], mean, variance, epsilon)
			return []v{y, mean, variance}, c.err
		})
	if err != nil {
		return nil, nil, nil, err
	}
	return outputs[0], outputs[1], outputs[2], nil
}

func (f *function) BatchNormGradient(operand, scale, mean, variance, gradOutput v, epsilon float32, featureAxis int) (gradOperand, gradScale, gradOffset v, err error) {
	const op = compute.OpTypeBatchNormGradient
	if err := f.normOp(op, operand, featureAxis, scale, mean, variance); err != nil {
		return nil, nil, nil, err
	}
	shape, err := f.Shape(operand)
	if err != nil {
		return nil, nil, nil, err
	}
	if got, err := f.Shape(gradOutput); err != nil {
		return nil, nil, nil, err
	} else if !got.Equal(shape) {
		return nil, nil, nil, errors.Errorf("%s: the gradient has shape %s, want that of the operand, %s", op, got, shape)
	}
	outputs, err := f.do(op, []v{operand, scale, mean, variance, gradOutput}, batchNorm{epsilon, featureAxis},
		func(f compute.Function, in []v) ([]v, error) {
			operand, scale, mean, variance, gradient := in[0], in[1], in[2], in[3], in[4]
			c := &composer{f: f}
			x := c.over(operand, featureAxis)
			inverse := x.inverseStd(variance, epsilon)
			centred := c.binary(compute.Function.Mul, c.binary(compute.Function.Sub, operand, x.broadcast(mean)), x.broadcast(inverse))
			gradOffset := x.sum(gradient)
			gradScale := x.sum(c.binary(compute.Function.Mul, gradient, centred))
			// γ/σ · (g − mean(g) − x̂·mean(g·x̂)), as in Ioffe and Szegedy 2015, section 3.
			inner := c.binary(compute.Function.Sub, gradient, x.broadcast(x.overCount(gradOffset)))
			inner = c.binary(compute.Function.Sub, inner, c.binary(compute.Function.Mul, centred, x.broadcast(x.overCount(gradScale))))
			gradOperand := c.binary(compute.Function.Mul, inner, x.broadcast(c.binary(compute.Function.Mul, scale, inverse)))
			return []v{gradOperand, gradScale, gradOffset}, c.err
		})
	if err != nil {
		return nil, nil, nil, err
	}
	return outputs[0], outputs[1], outputs[2], nil
}

// composer builds batch normalization from simpler operations in the reference backend, which
// has no operation for it. It keeps the first error.
type composer struct {
	f   compute.Function
	err error
}

func (c *composer) keep(x v, err error) v {
	if c.err == nil {
		c.err = err
	}
	return x
}

func (c *composer) binary(op func(compute.Function, v, v) (v, error), a, b v) v {
	if c.err != nil {
		return nil
	}
	return c.keep(op(c.f, a, b))
}

// features reduces and broadcasts along all axes of a shape except the feature axis.
type features struct {
	*composer
	shape shapes.Shape
	axis  int
	rest  []int // the other axes
}

func (c *composer) over(operand v, axis int) *features {
	shape, err := c.f.Shape(operand)
	c.keep(nil, err)
	return &features{composer: c, shape: shape, axis: axis, rest: otherAxes(shape.Rank(), []int{axis})}
}

// broadcast broadcasts a vector of shape [features] to the full shape.
func (x *features) broadcast(vector v) v {
	if x.err != nil {
		return nil
	}
	return x.keep(x.f.BroadcastInDim(vector, x.shape, []int{x.axis}))
}

func (x *features) sum(full v) v {
	if x.err != nil || len(x.rest) == 0 {
		return full
	}
	return x.keep(x.f.ReduceSum(full, x.rest...))
}

// constant returns a vector of shape [features] that holds the value everywhere.
func (x *features) constant(value float64) v {
	if x.err != nil {
		return nil
	}
	scalar := x.keep(x.f.Constant([]float64{value}))
	if x.err != nil {
		return nil
	}
	scalar = x.keep(x.f.ConvertDType(scalar, x.shape.DType))
	if x.err != nil {
		return nil
	}
	return x.keep(x.f.BroadcastInDim(scalar, shapes.Make(x.shape.DType, x.shape.Dimensions[x.axis]), nil))
}

// overCount divides a vector by the number of elements of each feature.
func (x *features) overCount(vector v) v {
	count := x.shape.Size() / max(1, x.shape.Dimensions[x.axis])
	return x.binary(compute.Function.Div, vector, x.constant(float64(count)))
}

func (x *features) mean(full v) v { return x.overCount(x.sum(full)) }

func (x *features) inverseStd(variance v, epsilon float32) v {
	sum := x.binary(compute.Function.Add, variance, x.constant(float64(epsilon)))
	if x.err != nil {
		return nil
	}
	return x.keep(x.f.Rsqrt(sum))
}

func (x *features) normalize(operand, scale, offset, mean, variance v, epsilon float32) v {
	factor := x.binary(compute.Function.Mul, scale, x.inverseStd(variance, epsilon))
	y := x.binary(compute.Function.Mul, x.binary(compute.Function.Sub, operand, x.broadcast(mean)), x.broadcast(factor))
	return x.binary(compute.Function.Add, y, x.broadcast(offset))
}
