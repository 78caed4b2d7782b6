package nn

import "github.com/gomlx/compute/dtypes"

// WeightType is the type of the weights and statistics of a layer whose input is of the given
// type: float32 for half precision, bfloat16 and float16, and the input's type itself
// otherwise. That is mixed precision (Micikevicius et al. 2017,
// https://arxiv.org/abs/1710.03740): the large tensors and the products are in half precision,
// and what is summed up over many steps or many values is not.
func WeightType(input dtypes.DType) dtypes.DType {
	if input == dtypes.BFloat16 || input == dtypes.Float16 {
		return dtypes.Float32
	}
	return input
}
