package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/residual-go/residual/pkg/tensorfile"
)

// Write writes tensors as float32, in the order of their names, with metadata, to which it
// adds a checksum and the "format" that PyTorch's readers look for. Equal tensors and
// metadata give equal bytes. Nothing is written if a tensor's shape does not match its data.
func Write(w io.Writer, tensors map[string]tensorfile.Tensor, metadata map[string]string) error {
	return write(w, tensors, metadata, func(tensorfile.Tensor) *tensorfile.DType { return tensorfile.Float32 })
}

// WriteFloat16 is like [Write] but writes tensors with two or more axes, such as the weights of
// convolutions, as float16, which halves the size of the file. Tensors with one axis, such as running
// statistics, remain float32: they are small, and their range may be larger. A magnitude above 65504,
// the largest float16, is an error.
func WriteFloat16(w io.Writer, tensors map[string]tensorfile.Tensor, metadata map[string]string) error {
	for name, tensor := range tensors {
		if at := slices.IndexFunc(tensor.Data, func(x float32) bool { return x > maxFloat16 || x < -maxFloat16 }); at >= 0 && len(tensor.Shape) > 1 {
			return fmt.Errorf("%s has the value %g, which is too large for float16", name, tensor.Data[at])
		}
	}
	return write(w, tensors, metadata, func(tensor tensorfile.Tensor) *tensorfile.DType {
		if len(tensor.Shape) > 1 {
			return tensorfile.Float16
		}
		return tensorfile.Float32
	})
}

// maxFloat16 is the largest finite float16.
const maxFloat16 = 65504

// write writes each tensor with the dtype that choose returns for it.
func write(w io.Writer, tensors map[string]tensorfile.Tensor, metadata map[string]string, choose func(tensorfile.Tensor) *tensorfile.DType) error {
	names := slices.Sorted(maps.Keys(tensors))
	for _, name := range names {
		if err := tensors[name].Validate(); err != nil {
			return fmt.Errorf("%s %w", name, err)
		}
	}
	metadata = maps.Clone(metadata)
	if metadata == nil {
		metadata = map[string]string{}
	}
	metadata["format"] = "pt"

	entries := map[string]any{metadataKey: metadata}
	sum := newChecksum(metadata)
	end := uint64(0)
	for _, name := range names {
		tensor := tensors[name]
		dtype := choose(tensor)
		h := header{DType: "F32"}
		if dtype == tensorfile.Float16 {
			h.DType = "F16"
		}
		var shape []int64
		for _, dim := range tensor.Shape {
			h.Shape = append(h.Shape, uint64(dim))
			shape = append(shape, int64(dim))
		}
		h.Offsets = []uint64{end, end + uint64(dtype.Size())*uint64(len(tensor.Data))}
		end = h.Offsets[1]
		entries[name] = h
		sum.begin(name, shape)
		if err := tensorfile.WriteFloats(sum, dtype, tensor.Data); err != nil {
			return err
		}
	}
	metadata[ChecksumKey] = sum.hex()

	text, err := json.Marshal(entries)
	if err != nil {
		return fmt.Errorf("encode the header: %w", err)
	}
	const alignment = 8 // of the data
	text = append(text, bytes.Repeat([]byte(" "), (alignment-len(text)%alignment)%alignment)...)
	start := binary.LittleEndian.AppendUint64(nil, uint64(len(text)))
	if _, err := w.Write(append(start, text...)); err != nil {
		return err
	}
	for _, name := range names {
		if err := tensorfile.WriteFloats(w, choose(tensors[name]), tensors[name].Data); err != nil {
			return err
		}
	}
	return nil
}
