package tensorfile

import "fmt"

// MaxRank is the largest number of axes a tensor may have. A convolution over three
// dimensions has five.
const MaxRank = 8

// A View is a tensor whose elements are still in the file, in a storage: a run of elements
// of one dtype that tensors may share.
type View struct {
	DType *DType
	// Shape, Strides and Offset count elements. Offset is the distance from the storage's
	// first element to the tensor's.
	Shape, Strides []int64
	Offset         int64
}

// RowMajor returns the view of a storage that holds one tensor of the given shape, row by row.
func RowMajor(dtype *DType, shape []int64) *View {
	strides := make([]int64, len(shape))
	step := int64(1)
	for axis := len(shape) - 1; axis >= 0; axis-- {
		strides[axis] = step
		step *= shape[axis]
	}
	return &View{DType: dtype, Shape: shape, Strides: strides}
}

// Check compares the view with a storage of length bytes, a multiple of the dtype's size,
// and returns the number of elements of the tensor. most limits how many more elements the
// file may contain. The errors continue a sentence that starts with the tensor's name.
func (v *View) Check(length, most int64) (elements int64, err error) {
	elements, err = v.elements(most)
	if err != nil {
		return 0, err
	}
	if v.DType.floats == nil && (elements != 1 || v.DType.integer == nil) {
		return 0, fmt.Errorf("has dtype %s and shape %v; the only integers a residual network stores are single counters such as num_batches_tracked", v.DType, v.Shape)
	}
	last := length/v.DType.size - 1
	outside := func() error {
		return fmt.Errorf("reaches outside its storage of %d elements: offset %d, shape %v, strides %v", last+1, v.Offset, v.Shape, v.Strides)
	}
	if len(v.Strides) != len(v.Shape) {
		return 0, fmt.Errorf("has shape %v but strides %v", v.Shape, v.Strides)
	}
	if v.Offset < 0 || v.Offset > last {
		return 0, outside()
	}
	left := last - v.Offset
	for axis, dim := range v.Shape {
		stride := v.Strides[axis]
		if stride < 0 || dim > 1 && stride > left/(dim-1) {
			return 0, outside()
		}
		left -= (dim - 1) * stride
	}
	return elements, nil
}

// elements returns the number of elements. It is an error if there are more than most or
// none, or more than MaxRank axes.
func (v *View) elements(most int64) (int64, error) {
	if len(v.Shape) > MaxRank {
		return 0, fmt.Errorf("has %d axes, want at most %d", len(v.Shape), MaxRank)
	}
	count := int64(1)
	for _, dim := range v.Shape {
		switch {
		case dim < 0:
			return 0, fmt.Errorf("has the impossible shape %v", v.Shape)
		case dim == 0:
			return 0, fmt.Errorf("is empty, of shape %v", v.Shape)
		case dim > most/count:
			return 0, fmt.Errorf("is larger than its file: its shape is %v", v.Shape)
		}
		count *= dim
	}
	return count, nil
}

// Read adds the tensor, or counter, to c under the given name. elements is the number that
// Check returned, and storage the content of the storage.
func (v *View) Read(c *Contents, name string, elements int64, storage []byte) {
	if v.DType.integer != nil {
		c.Counters[name] = v.DType.integer(storage[v.Offset*v.DType.size:])
		return
	}
	tensor := Tensor{Shape: make([]int, len(v.Shape)), Data: make([]float32, elements)}
	for axis, dim := range v.Shape {
		tensor.Shape[axis] = int(dim)
	}
	c.Tensors[name] = tensor
	if v.contiguous() {
		v.DType.floats(tensor.Data, storage[v.Offset*v.DType.size:])
		return
	}
	index := make([]int64, len(v.Shape))
	at := v.Offset
	for i := range tensor.Data {
		v.DType.floats(tensor.Data[i:i+1], storage[at*v.DType.size:])
		for axis := len(index) - 1; axis >= 0; axis-- {
			index[axis]++
			at += v.Strides[axis]
			if index[axis] < v.Shape[axis] {
				break
			}
			at -= v.Strides[axis] * v.Shape[axis]
			index[axis] = 0
		}
	}
}

// contiguous reports whether the elements lie in the storage row by row without a gap.
func (v *View) contiguous() bool {
	step := int64(1)
	for axis := len(v.Shape) - 1; axis >= 0; axis-- {
		if v.Shape[axis] != 1 && v.Strides[axis] != step {
			return false
		}
		step *= v.Shape[axis]
	}
	return true
}
