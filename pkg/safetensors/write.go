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
		h := header{DType: "F32"}
		var shape []int64
		for _, dim := range tensor.Shape {
			h.Shape = append(h.Shape, uint64(dim))
			shape = append(shape, int64(dim))
		}
		h.Offsets = []uint64{end, end + 4*uint64(len(tensor.Data))}
		end = h.Offsets[1]
		entries[name] = h
		sum.begin(name, shape)
		if err := tensorfile.WriteFloats(sum, tensor.Data); err != nil {
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
		if err := tensorfile.WriteFloats(w, tensors[name].Data); err != nil {
			return err
		}
	}
	return nil
}
