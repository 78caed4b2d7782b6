package weights

import (
	"fmt"
	"io"

	"github.com/residual-go/residual/pkg/statedict"
)

// maxRank is the most axes of a tensor: a convolution over three dimensions has five.
const maxRank = 8

// A view is a tensor whose numbers are still in the file.
type view struct {
	number *number
	// shape and strides count numbers, as does offset, from the storage's first to the
	// tensor's.
	shape, strides []int64
	offset         int64
}

// elements returns how many numbers the tensor has. A tensor of more than most, of none, or
// with more than maxRank axes is an error.
func (v *view) elements(most int64) (int64, error) {
	if len(v.shape) > maxRank {
		return 0, fmt.Errorf("has %d axes, want %d at most", len(v.shape), maxRank)
	}
	count := int64(1)
	for _, dim := range v.shape {
		switch {
		case dim < 0:
			return 0, fmt.Errorf("has the shape %v", v.shape)
		case dim == 0:
			return 0, fmt.Errorf("is empty, of shape %v", v.shape)
		case dim > most/count:
			return 0, fmt.Errorf("is larger than its file: its shape is %v", v.shape)
		}
		count *= dim
	}
	return count, nil
}

// check compares the view with a storage of length bytes, which holds whole numbers of its
// type only. Of all tensors of a file, most numbers are left to hold; check returns how many
// this one has.
func (v *view) check(length, most int64) (int64, error) {
	count, err := v.elements(most)
	if err != nil {
		return 0, err
	}
	if v.number.floats == nil && (count != 1 || v.number.whole == nil) {
		return 0, fmt.Errorf("has type %s and shape %v; of whole numbers only single ones, as num_batches_tracked, have a use in a residual network", v.number.name, v.shape)
	}
	last := length/v.number.size - 1
	outside := func() error {
		return fmt.Errorf("reaches outside of its storage of %d numbers: offset %d, shape %v, strides %v", last+1, v.offset, v.shape, v.strides)
	}
	if len(v.strides) != len(v.shape) {
		return 0, fmt.Errorf("has shape %v and strides %v", v.shape, v.strides)
	}
	if v.offset < 0 || v.offset > last {
		return 0, outside()
	}
	left := last - v.offset
	for axis, dim := range v.shape {
		stride := v.strides[axis]
		if stride < 0 || dim > 1 && stride > left/(dim-1) {
			return 0, outside()
		}
		left -= (dim - 1) * stride
	}
	return count, nil
}

// into reads the tensor, of count numbers as check returned, from the content of its storage.
func (v *view) into(f *File, name string, count int64, content []byte) {
	if v.number.whole != nil {
		f.Counters[name] = v.number.whole(content[v.offset*v.number.size:])
		return
	}
	tensor := statedict.Tensor{Shape: make([]int, len(v.shape)), Data: make([]float32, count)}
	for axis, dim := range v.shape {
		tensor.Shape[axis] = int(dim)
	}
	f.Tensors[name] = tensor
	if v.contiguous() {
		v.number.floats(tensor.Data, content[v.offset*v.number.size:])
		return
	}
	index := make([]int64, len(v.shape))
	at := v.offset
	for i := range tensor.Data {
		v.number.floats(tensor.Data[i:i+1], content[at*v.number.size:])
		for axis := len(index) - 1; axis >= 0; axis-- {
			index[axis]++
			at += v.strides[axis]
			if index[axis] < v.shape[axis] {
				break
			}
			at -= v.strides[axis] * v.shape[axis]
			index[axis] = 0
		}
	}
}

// contiguous reports whether the numbers lie in the storage row by row without a gap.
func (v *view) contiguous() bool {
	step := int64(1)
	for axis := len(v.shape) - 1; axis >= 0; axis-- {
		if v.shape[axis] != 1 && v.strides[axis] != step {
			return false
		}
		step *= v.shape[axis]
	}
	return true
}

// readFull returns the length bytes of r at offset, in buffer if they fit.
func readFull(r io.ReaderAt, buffer []byte, offset, length int64) ([]byte, error) {
	if int64(cap(buffer)) < length {
		buffer = make([]byte, length)
	}
	buffer = buffer[:length]
	if n, err := r.ReadAt(buffer, offset); n < len(buffer) {
		return nil, fmt.Errorf("read %d bytes at byte %d: %w", length, offset, err)
	}
	return buffer, nil
}
