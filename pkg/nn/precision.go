package nn

import "github.com/gomlx/compute/dtypes"

// WeightType returns the dtype of the weights and statistics of a layer whose input has the given
// dtype: float32 if that is bfloat16 or float16, and the same dtype otherwise. This is mixed
// precision (Micikevicius et al. 2017, https://arxiv.org/abs/1710.03740): large tensors and
// products are in half precision, sums over many steps or many values are not.
func WeightType(input dtypes.DType) dtypes.DType {
	if input == dtypes.BFloat16 || input == dtypes.Float16 {
		return dtypes.Float32
	}
	return input
}
