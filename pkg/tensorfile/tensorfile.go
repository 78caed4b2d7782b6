// Package tensorfile is what the readers of weight files share: the tensors that come out,
// the dtypes that files use, and a strided view of a tensor whose elements are still in the
// file.
//
// Package safetensors and package torchfile are such readers. Files are not trusted: a view
// is checked against the size of its storage before any memory is allocated for it.
package tensorfile

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// Tensor is a float32 tensor in row-major order.
type Tensor struct {
	Shape []int
	Data  []float32
}

// Validate returns an error unless the tensor has at least one axis, no empty axis, and as
// many elements as its shape says.
func (t Tensor) Validate() error {
	size := 1
	for _, dim := range t.Shape {
		size *= max(0, dim)
	}
	if size == 0 || size != len(t.Data) || len(t.Shape) == 0 {
		return fmt.Errorf("has shape %v and %d elements", t.Shape, len(t.Data))
	}
	return nil
}

// Contents is what a file holds, under the names it uses.
type Contents struct {
	// Tensors are the floating-point tensors (float16, bfloat16, float32 or float64),
	// converted to float32. None is empty; one without axes has one element.
	Tensors map[string]Tensor
	// Counters are the single integers (int32 or int64), such as num_batches_tracked.
	Counters map[string]int64
	// Names are the names of Tensors in the order of the file, if it has an order that says
	// something: PyTorch's files have that in which the layers were made.
	Names []string
	// Unreadable are the tensors that cannot be read, such as quantized ones, and why not: a
	// phrase that follows the name.
	Unreadable map[string]string
}

// NewContents returns empty Contents.
func NewContents() *Contents {
	return &Contents{Tensors: map[string]Tensor{}, Counters: map[string]int64{}}
}

// ReadFull returns the length bytes of r at offset. It uses buffer if they fit into it.
func ReadFull(r io.ReaderAt, buffer []byte, offset, length int64) ([]byte, error) {
	if int64(cap(buffer)) < length {
		buffer = make([]byte, length)
	}
	buffer = buffer[:length]
	if n, err := r.ReadAt(buffer, offset); n < len(buffer) {
		return nil, fmt.Errorf("read %d bytes at byte %d: %w", length, offset, err)
	}
	return buffer, nil
}

// WriteFloats writes data to w as little-endian dtype, Float32 or Float16, in pieces of 64 KiB, so
// that no second copy of a large tensor is made. Values are rounded to the nearest.
func WriteFloats(w io.Writer, dtype *DType, data []float32) error {
	const piece = 1 << 14
	buffer := make([]byte, 0, 4*min(piece, len(data)))
	for from := 0; from < len(data); from += piece {
		buffer = buffer[:0]
		for _, x := range data[from:min(from+piece, len(data))] {
			if dtype == Float16 {
				buffer = binary.LittleEndian.AppendUint16(buffer, toFloat16(x))
			} else {
				buffer = binary.LittleEndian.AppendUint32(buffer, math.Float32bits(x))
			}
		}
		if _, err := w.Write(buffer); err != nil {
			return err
		}
	}
	return nil
}
