package statedict

import (
	"slices"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

// For each rank, the axes of one layout in the order of the other. Ranks that are not there
// have the same layout in both.
var (
	fromModel = map[int][]int{2: {1, 0}, 4: {3, 2, 0, 1}}
	toModel   = map[int][]int{2: {1, 0}, 4: {2, 3, 1, 0}}
)

// modelTensor returns t in the layout of the model.
func modelTensor(t Tensor) *tensors.Tensor {
	order := toModel[len(t.Shape)]
	return tensors.FromFlatDataAndDimensions(transpose(t.Data, t.Shape, order), permute(t.Shape, order)...)
}

// pytorchShape returns the shape of a variable in PyTorch's layout.
func pytorchShape(variable *model.Variable) []int {
	return permute(variable.Shape().Dimensions, fromModel[variable.Shape().Rank()])
}

// permute returns the shape with its axes in the given order.
func permute(shape, order []int) []int {
	if order == nil {
		return slices.Clone(shape)
	}
	permuted := make([]int, len(shape))
	for i, axis := range order {
		permuted[i] = shape[axis]
	}
	return permuted
}

// transpose returns data, of the given shape, with its axes in the given order.
func transpose(data []float32, shape, order []int) []float32 {
	if order == nil {
		return slices.Clone(data)
	}
	strides := make([]int, len(shape))
	stride := 1
	for axis := len(shape) - 1; axis >= 0; axis-- {
		strides[axis] = stride
		stride *= shape[axis]
	}
	to := permute(shape, order)
	step := permute(strides, order)
	out := make([]float32, 0, len(data))
	index := make([]int, len(to))
	for from := 0; len(out) < len(data); {
		out = append(out, data[from])
		for axis := len(to) - 1; axis >= 0; axis-- {
			index[axis]++
			from += step[axis]
			if index[axis] < to[axis] {
				break
			}
			from -= step[axis] * to[axis]
			index[axis] = 0
		}
	}
	return out
}
