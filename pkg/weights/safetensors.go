package weights

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/residual-go/residual/pkg/statedict"
)

// isSafetensors reports whether a file that starts so is meant as safetensors: the length of
// the header in eight bytes, of which the upper are zero, and JSON.
func isSafetensors(start []byte) bool {
	return len(start) > 8 && start[8] == '{' && binary.LittleEndian.Uint64(start)>>40 == 0
}

// header is what a safetensors file says of one tensor.
type header struct {
	DType   string   `json:"dtype"`
	Shape   []uint64 `json:"shape"`
	Offsets []uint64 `json:"data_offsets"`
}

// readSafetensors reads tensor by tensor, so that the file is not held in memory beside its
// tensors, as the safetensors library does, and converts them.
func readSafetensors(r io.ReaderAt, size int64) (*File, error) {
	headers, metadata, data, err := readHeaders(r, size)
	if err != nil {
		return nil, err
	}
	f := &File{
		Format:  "safetensors",
		Tensors: map[string]statedict.Tensor{}, Counters: map[string]int64{}, Metadata: metadata,
	}
	views := make(map[string]*view, len(headers))
	counts := make(map[string]int64, len(headers))
	names := slices.Sorted(maps.Keys(headers))
	for _, name := range names {
		v, count, err := headers[name].view(size)
		if err != nil {
			return nil, fmt.Errorf("%s %w", oneLine(name), err)
		}
		views[name], counts[name] = v, count
	}
	want, checked := metadata[statedict.ChecksumKey]
	checksum := statedict.NewChecksum(metadata)
	var buffer []byte
	for _, name := range names { // in the order that the checksum wants
		h := headers[name]
		buffer, err = readFull(r, buffer, data+int64(h.Offsets[0]), int64(h.Offsets[1]-h.Offsets[0]))
		if err != nil {
			return nil, err
		}
		if checked {
			checksum.Add(name, h.Shape, buffer)
		}
		views[name].into(f, name, counts[name], buffer)
	}
	if checked && checksum.Sum() != want {
		return nil, errors.New("damaged: its checksum does not match its content")
	}
	return f, nil
}

// view returns the tensor and how many numbers it has, of which a file of size bytes has room.
func (h header) view(size int64) (*view, int64, error) {
	v := &view{number: h.number(), shape: make([]int64, len(h.Shape)), strides: make([]int64, len(h.Shape))}
	if v.number == nil {
		return nil, 0, fmt.Errorf("has type %s, want F32, F16, BF16 or F64", oneLine(h.DType))
	}
	step := int64(1)
	for axis := len(h.Shape) - 1; axis >= 0; axis-- {
		v.shape[axis], v.strides[axis] = int64(h.Shape[axis]), step
		step *= v.shape[axis]
	}
	length := int64(h.Offsets[1] - h.Offsets[0])
	count, err := v.check(length, size)
	if err == nil && count*v.number.size != length {
		err = fmt.Errorf("has %d bytes, which are not %s numbers of shape %v", length, v.number.name, h.Shape)
	}
	return v, count, err
}

// readHeaders returns what the file of size bytes says of its tensors, by name, its metadata,
// and where its data begins. The tensors' data lie one after another and fill the file.
func readHeaders(r io.ReaderAt, size int64) (headers map[string]header, metadata map[string]string, data int64, err error) {
	const most = 8 << 20 // ResNet-152's has 0.1 MB
	prefix, err := readFull(r, nil, 0, 8)
	if err != nil {
		return nil, nil, 0, err
	}
	length := binary.LittleEndian.Uint64(prefix)
	if length > uint64(size-8) {
		return nil, nil, 0, fmt.Errorf("cut short: its header has %d bytes, of which %d are there", length, size-8)
	}
	if length > most {
		return nil, nil, 0, fmt.Errorf("its header has %d bytes, want %d at most", length, most)
	}
	text, err := readFull(r, nil, 8, int64(length))
	if err != nil {
		return nil, nil, 0, err
	}
	var entries map[string]json.RawMessage
	if err := json.Unmarshal(text, &entries); err != nil {
		return nil, nil, 0, fmt.Errorf("its header is damaged: %s", oneLine(err.Error()))
	}
	headers = map[string]header{}
	for name, entry := range entries {
		if name == "__metadata__" {
			if err := json.Unmarshal(entry, &metadata); err != nil {
				return nil, nil, 0, fmt.Errorf("its metadata is damaged: %s", oneLine(err.Error()))
			}
			continue
		}
		var h header
		if err := json.Unmarshal(entry, &h); err != nil {
			return nil, nil, 0, fmt.Errorf("what its header says of %s is damaged: %s", oneLine(name), oneLine(err.Error()))
		}
		if len(h.Offsets) != 2 || h.Shape == nil || h.Offsets[0] > h.Offsets[1] {
			return nil, nil, 0, fmt.Errorf("what its header says of %s is damaged: no shape, or no offsets", oneLine(name))
		}
		headers[name] = h
	}
	data = int64(length) + 8
	names := slices.SortedFunc(maps.Keys(headers), func(a, b string) int {
		return slices.Compare(headers[a].Offsets, headers[b].Offsets)
	})
	end := uint64(0)
	for _, name := range names {
		offsets := headers[name].Offsets
		switch cmp.Compare(offsets[0], end) {
		case -1:
			return nil, nil, 0, fmt.Errorf("damaged: %s overlaps with another tensor", oneLine(name))
		case 1:
			return nil, nil, 0, fmt.Errorf("damaged: nothing owns the bytes before %s", oneLine(name))
		}
		end = offsets[1]
	}
	if have := uint64(size - data); end != have {
		return nil, nil, 0, fmt.Errorf("cut short or damaged: its tensors have %d bytes, of which %d are there", end, have)
	}
	return headers, metadata, data, nil
}

// number returns the type of numbers that the header names, or nil.
func (h header) number() *number {
	switch h.DType {
	case "F32":
		return float32Number
	case "F16":
		return float16Number
	case "BF16":
		return bfloat16Number
	case "F64":
		return float64Number
	case "I64":
		return int64Number
	case "I32":
		return int32Number
	case "I16":
		return int16Number
	case "I8":
		return int8Number
	case "U8":
		return uint8Number
	case "BOOL":
		return boolNumber
	}
	return nil
}
