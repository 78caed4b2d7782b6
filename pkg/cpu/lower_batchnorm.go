package cpu

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// moments holds the attributes of kindMoments, whose input is [rows, features].
type moments struct{ features int }

func (m moments) at(int) shapes.Shape { return shapes.Make(dtypes.Float32, m.features) }

// lowerNorm lowers batch normalization and its gradient. Everything that is the same for all
// elements of a feature is computed once per feature, which leaves one multiplication and one
// addition per element, or two of each for the gradient.
func (g *graph) lowerNorm(n *node, in []*tensor) []*tensor {
	settings := n.attributes.(batchNorm)
	x, scale := in[0], in[1]
	dims := x.shape.Dimensions
	features := dims[settings.axis]
	count := x.shape.Size() / features
	rest := otherAxes(len(dims), []int{settings.axis})
	vector := shapes.Make(dtypes.Float32, features)
	broadcast := func(v *tensor) *tensor { return g.broadcast(v, x.shape, []int{settings.axis}) }
	bin := func(op opcode, a, b *tensor) *tensor { return g.element(op, dtypes.Float32, a, b) }
	number := func(value float64) *tensor { return g.broadcast(g.scalar(float32(value)), vector, nil) }
	inverse := func(variance *tensor) *tensor {
		return g.element(opRsqrt, dtypes.Float32, bin(opAdd, variance, number(float64(settings.epsilon))))
	}
	normalize := func(offset, mean, variance *tensor) *tensor {
		factor := bin(opMul, scale, inverse(variance))
		shift := bin(opSub, offset, bin(opMul, mean, factor))
		return bin(opAdd, bin(opMul, x, broadcast(factor)), broadcast(shift))
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
		sum := func(x *tensor) *tensor {
			if len(rest) == 0 {
				return x
			}
			return g.reduce(opAdd, x, rest, vector)
		}
		mean, variance, gradient := in[2], in[3], in[4]
		inv := inverse(variance)
		gradOffset := sum(gradient)
		along := sum(bin(opMul, gradient, bin(opSub, x, broadcast(mean))))
		gradScale := bin(opMul, along, inv)
		// γ/σ · (g − mean(g) − x̂·mean(g·x̂)) = g·a + x·b + c
		a := bin(opMul, scale, inv)
		b := g.element(opNeg, dtypes.Float32, bin(opMul, bin(opMul, a, inv), bin(opMul, gradScale, number(1/float64(count)))))
		c := g.element(opNeg, dtypes.Float32, bin(opAdd, bin(opMul, a, bin(opMul, gradOffset, number(1/float64(count)))), bin(opMul, mean, b)))
		gradOperand := bin(opAdd, bin(opMul, gradient, broadcast(a)), bin(opAdd, bin(opMul, x, broadcast(b)), broadcast(c)))
		return []*tensor{gradOperand, gradScale, gradOffset}
	}
}
