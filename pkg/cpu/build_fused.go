package cpu

import (
	"slices"

	"github.com/gomlx/compute"
)

// The fused operations of compute.FusedOps. None has a native step: the reference backend runs
// them, one by one.

func (f *function) FusedSoftmax(x v, axis int) (v, error) {
	return f.one(compute.OpTypeFusedSoftmax, []v{x}, nil, func(f compute.Function, in []v) (v, error) {
		return f.FusedSoftmax(in[0], axis)
	})
}

func (f *function) FusedGelu(x v, exact bool) (v, error) {
	return f.one(compute.OpTypeFusedGelu, []v{x}, nil, func(f compute.Function, in []v) (v, error) {
		return f.FusedGelu(in[0], exact)
	})
}

func (f *function) FusedLayerNorm(x v, axes []int, epsilon float64, gamma, beta v) (v, error) {
	own := slices.Clone(axes)
	return f.one(compute.OpTypeFusedLayerNorm, []v{x, gamma, beta}, nil, func(f compute.Function, in []v) (v, error) {
		return f.FusedLayerNorm(in[0], own, epsilon, in[1], in[2])
	})
}

func (f *function) FusedDense(x, weight, bias v, options compute.DenseConfig) (v, error) {
	return f.one(compute.OpTypeFusedDense, []v{x, weight, bias}, nil, func(f compute.Function, in []v) (v, error) {
		return f.FusedDense(in[0], in[1], in[2], options)
	})
}

// The remaining fused operations may have values among their settings. The reference backend
// runs the whole graph that contains one.

// referenceOf returns the reference backend's value of x, or nil if x is nil.
func (f *function) referenceOf(op compute.OpType, x v) (v, error) {
	references, _, err := f.unwrap(op, []v{x})
	if err != nil {
		return nil, err
	}
	return references[0], nil
}

// attention returns a copy of options with the values of the reference backend.
func (f *function) attention(op compute.OpType, options *compute.ScaledDotProductAttentionConfig) (*compute.ScaledDotProductAttentionConfig, error) {
	if options == nil {
		return nil, nil
	}
	own := *options
	for _, x := range []*v{&own.QuerySeqLen, &own.KeyValueSeqLen, &own.Bias, &own.Mask} {
		var err error
		if *x, err = f.referenceOf(op, *x); err != nil {
			return nil, err
		}
	}
	return &own, nil
}

// quantization returns a copy of q with the values of the reference backend.
func (f *function) quantization(op compute.OpType, q *compute.Quantization) (*compute.Quantization, error) {
	if q == nil {
		return nil, nil
	}
	own := *q
	for _, x := range []*v{&own.Scale, &own.ZeroPoint} {
		var err error
		if *x, err = f.referenceOf(op, *x); err != nil {
			return nil, err
		}
	}
	return &own, nil
}

func (f *function) FusedScaledDotProductAttention(query, key, value v, layout compute.AttentionAxesLayout,
	options *compute.ScaledDotProductAttentionConfig) (output v, states []v, err error) {
	const op = compute.OpTypeFusedScaledDotProductAttention
	own, err := f.attention(op, options)
	if err != nil {
		return nil, nil, err
	}
	outputs, err := f.doDelegated(op, []v{query, key, value}, func(f compute.Function, in []v) ([]v, error) {
		output, states, err := f.FusedScaledDotProductAttention(in[0], in[1], in[2], layout, own)
		return append([]v{output}, states...), err
	})
	if err != nil {
		return nil, nil, err
	}
	return outputs[0], outputs[1:], nil
}

func (f *function) FusedScaledDotProductAttentionVJP(query, key, value v, layout compute.AttentionAxesLayout,
	options *compute.ScaledDotProductAttentionConfig, output v, states []v, gradient v) (dQuery, dKey, dValue v, err error) {
	const op = compute.OpTypeFusedScaledDotProductAttentionVJP
	own, err := f.attention(op, options)
	if err != nil {
		return nil, nil, nil, err
	}
	inputs := append([]v{query, key, value, output, gradient}, states...)
	outputs, err := f.doDelegated(op, inputs, func(f compute.Function, in []v) ([]v, error) {
		dQuery, dKey, dValue, err := f.FusedScaledDotProductAttentionVJP(in[0], in[1], in[2], layout, own, in[3], in[5:], in[4])
		return []v{dQuery, dKey, dValue}, err
	})
	if err != nil {
		return nil, nil, nil, err
	}
	return outputs[0], outputs[1], outputs[2], nil
}

func (f *function) QuantizedEmbeddingLookup(data, indices v, dataQuantization *compute.Quantization) (v, error) {
	const op = compute.OpTypeQuantizedEmbeddingLookup
	own, err := f.quantization(op, dataQuantization)
	if err != nil {
		return nil, err
	}
	f.builder.delegateAll = true
	return f.one(op, []v{data, indices}, nil, func(f compute.Function, in []v) (v, error) {
		return f.QuantizedEmbeddingLookup(in[0], in[1], own)
	})
}

func (f *function) FusedQuantizedDense(x, weights, bias v, weightsQuantization *compute.Quantization, activation compute.ActivationType) (v, error) {
	const op = compute.OpTypeFusedQuantizedDense
	own, err := f.quantization(op, weightsQuantization)
	if err != nil {
		return nil, err
	}
	f.builder.delegateAll = true
	return f.one(op, []v{x, weights, bias}, nil, func(f compute.Function, in []v) (v, error) {
		return f.FusedQuantizedDense(in[0], in[1], in[2], own, activation)
	})
}

func (f *function) FusedAttentionQKVProjection(x, wQKV, biasQ, biasK, biasV v, queryDim, keyValueDim int) (query, key, value v, err error) {
	outputs, err := f.doDelegated(compute.OpTypeFusedAttentionQKVProjection, []v{x, wQKV, biasQ, biasK, biasV},
		func(f compute.Function, in []v) ([]v, error) {
			query, key, value, err := f.FusedAttentionQKVProjection(in[0], in[1], in[2], in[3], in[4], queryDim, keyValueDim)
			return []v{query, key, value}, err
		})
	if err != nil {
		return nil, nil, nil, err
	}
	return outputs[0], outputs[1], outputs[2], nil
}
