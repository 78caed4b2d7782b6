package safetensors

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/residual-go/residual/pkg/printable"
	"github.com/residual-go/residual/pkg/tensorfile"
)

// Matches reports whether a file that starts with the given bytes is meant as safetensors:
// the length of the header in eight bytes, the upper three of which are zero, and JSON.
func Matches(start []byte) bool {
	return len(start) > 8 && start[8] == '{' && binary.LittleEndian.Uint64(start)>>40 == 0
}

// File is a safetensors file whose header has been read and checked.
type File struct {
	// Metadata is the header's __metadata__; nil if there is none.
	Metadata map[string]string
	// Entries are the tensors, in the order of their names.
	Entries []Entry

	r    io.ReaderAt
	data int64 // where the tensors' bytes start
}

// Entry is one tensor of a file.
type Entry struct {
	Name  string
	DType *tensorfile.DType
	Shape []int64

	offset, length int64 // bytes, from the start of the data
	elements       int64
}

// Open reads the header of the file in the size bytes of r. Every tensor must have a known
// dtype, at least one element, and as many bytes as its shape says; the tensors must fill the
// rest of the file without gaps or overlaps. Errors say what is wrong in one line.
func Open(r io.ReaderAt, size int64) (*File, error) {
	headers, metadata, data, err := readHeaders(r, size)
	if err != nil {
		return nil, err
	}
	f := &File{Metadata: metadata, r: r, data: data}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		e, err := headers[name].entry(name, size)
		if err != nil {
			return nil, fmt.Errorf("%s %w", printable.Quote(name), err)
		}
		f.Entries = append(f.Entries, e)
	}
	return f, nil
}

// Read reads all tensors, one at a time, so that the file is never in memory beside them. A
// file with the checksum of [Write] is checked against it.
func (f *File) Read() (*tensorfile.Contents, error) {
	contents := tensorfile.NewContents()
	want, checked := f.Metadata[ChecksumKey]
	sum := newChecksum(f.Metadata)
	var buffer []byte
	for _, e := range f.Entries { // in the order the checksum needs
		var err error
		if buffer, err = tensorfile.ReadFull(f.r, buffer, f.data+e.offset, e.length); err != nil {
			return nil, err
		}
		if checked {
			sum.begin(e.Name, e.Shape)
			sum.Write(buffer)
		}
		tensorfile.RowMajor(e.DType, e.Shape).Read(contents, e.Name, e.elements, buffer)
	}
	if checked && sum.hex() != want {
		return nil, errors.New("its checksum does not match its content, so it was changed or damaged")
	}
	return contents, nil
}

// header is the header's entry of one tensor.
type header struct {
	DType   string   `json:"dtype"`
	Shape   []uint64 `json:"shape"`
	Offsets []uint64 `json:"data_offsets"`
}

// entry checks what the header of a file of size bytes says about a tensor.
func (h header) entry(name string, size int64) (Entry, error) {
	e := Entry{Name: name, DType: dtypes[h.DType], offset: int64(h.Offsets[0]), length: int64(h.Offsets[1] - h.Offsets[0])}
	if e.DType == nil {
		return e, fmt.Errorf("has dtype %s, want F32, F16, BF16 or F64", printable.Quote(h.DType))
	}
	for _, dim := range h.Shape {
		e.Shape = append(e.Shape, int64(dim))
	}
	var err error
	e.elements, err = tensorfile.RowMajor(e.DType, e.Shape).Check(e.length, size)
	if err == nil && e.elements*e.DType.Size() != e.length {
		err = fmt.Errorf("has %d bytes, which is not the size of %s elements of shape %v", e.length, e.DType, h.Shape)
	}
	return e, err
}

// dtypes are the dtypes by the names that headers use.
var dtypes = map[string]*tensorfile.DType{
	"F32": tensorfile.Float32, "F16": tensorfile.Float16, "BF16": tensorfile.BFloat16, "F64": tensorfile.Float64,
	"I64": tensorfile.Int64, "I32": tensorfile.Int32, "I16": tensorfile.Int16, "I8": tensorfile.Int8,
	"U8": tensorfile.Uint8, "BOOL": tensorfile.Bool,
}

const (
	// metadataKey is the header's entry that is not a tensor.
	metadataKey = "__metadata__"
	// maxHeader bounds a header, in bytes. ResNet-152 needs 0.1 MB.
	maxHeader = 8 << 20
)

// readHeaders returns what the header of a file of size bytes says about its tensors, by
// name, its metadata, and where the data starts.
func readHeaders(r io.ReaderAt, size int64) (headers map[string]header, metadata map[string]string, data int64, err error) {
	if size < 8 {
		return nil, nil, 0, fmt.Errorf("cut short: %d bytes are too few for a header", size)
	}
	prefix, err := tensorfile.ReadFull(r, nil, 0, 8)
	if err != nil {
		return nil, nil, 0, err
	}
	length := binary.LittleEndian.Uint64(prefix)
	if length>>40 != 0 { // as in Matches
		return nil, nil, 0, errors.New("it does not begin with the length of a header")
	}
	if length > uint64(size-8) {
		return nil, nil, 0, fmt.Errorf("cut short: its header should have %d bytes, and %d are there", length, size-8)
	}
	if length > maxHeader {
		return nil, nil, 0, fmt.Errorf("its header has %d bytes, want at most %d", length, maxHeader)
	}
	text, err := tensorfile.ReadFull(r, nil, 8, int64(length))
	if err != nil {
		return nil, nil, 0, err
	}
	var entries map[string]json.RawMessage
	if err := json.Unmarshal(text, &entries); err != nil {
		return nil, nil, 0, fmt.Errorf("its header is damaged: %s", printable.Quote(err.Error()))
	}
	headers = map[string]header{}
	for name, entry := range entries {
		if name == metadataKey {
			if err := json.Unmarshal(entry, &metadata); err != nil {
				return nil, nil, 0, fmt.Errorf("its metadata is damaged: %s", printable.Quote(err.Error()))
			}
			continue
		}
		if headers[name], err = parseHeader(entry); err != nil {
			return nil, nil, 0, fmt.Errorf("the header's entry for %s is damaged: %s", printable.Quote(name), printable.Quote(err.Error()))
		}
	}
	data = int64(length) + 8
	return headers, metadata, data, checkOffsets(headers, uint64(size-data))
}

// parseHeader decodes the header's entry of one tensor. encoding/json would also take keys
// that differ in case, which other readers do not.
func parseHeader(entry json.RawMessage) (header, error) {
	var h header
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(entry, &keys); err != nil {
		return h, err
	}
	for _, key := range []string{"dtype", "shape", "data_offsets"} {
		if _, ok := keys[key]; !ok {
			return h, fmt.Errorf("no %s", key)
		}
	}
	if err := json.Unmarshal(entry, &h); err != nil {
		return h, err
	}
	if len(h.Offsets) != 2 || h.Shape == nil || h.Offsets[0] > h.Offsets[1] {
		return h, errors.New("no shape, or data_offsets that are not two numbers in order")
	}
	return h, nil
}

// checkOffsets returns an error unless the tensors fill the data, of length bytes, one after
// the other.
func checkOffsets(headers map[string]header, length uint64) error {
	names := slices.SortedFunc(maps.Keys(headers), func(a, b string) int {
		return cmp.Or(slices.Compare(headers[a].Offsets, headers[b].Offsets), strings.Compare(a, b))
	})
	end := uint64(0)
	for _, name := range names {
		offsets := headers[name].Offsets
		switch cmp.Compare(offsets[0], end) {
		case -1:
			return fmt.Errorf("%s overlaps with another tensor", printable.Quote(name))
		case 1:
			return fmt.Errorf("no tensor owns the bytes before %s", printable.Quote(name))
		}
		end = offsets[1]
	}
	if end != length {
		return fmt.Errorf("cut short or damaged: its tensors should have %d bytes, and %d are there", end, length)
	}
	return nil
}
