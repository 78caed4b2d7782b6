package weights

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/residual-go/residual/pkg/safetensors"
	"github.com/residual-go/residual/pkg/statedict"
	"github.com/residual-go/residual/pkg/tensorfile"
	"github.com/residual-go/residual/pkg/torchfile"
)

// File is the content of a file of weights, under the names it uses.
type File struct {
	Path string
	// Format is "safetensors", [torchfile.Zip] or [torchfile.Legacy].
	Format string
	// Tensors are the floating-point tensors (float16, bfloat16, float32 or float64),
	// converted to float32. None is empty; one without axes has one element.
	Tensors map[string]statedict.Tensor
	// Counters are the single integers (int32 or int64), such as num_batches_tracked.
	Counters map[string]int64
	// Metadata is the __metadata__ of a safetensors file; nil for PyTorch's formats.
	Metadata map[string]string
}

// ReadFile reads the weights in the file at path: safetensors, or what torch.save writes. The
// format is detected from the content, not from the file's name.
//
// Files are not trusted. Nothing in them is run, sizes are compared with the file's before
// memory is allocated, and a file that is damaged, or made to do damage, is an error of one
// line that starts with path. Files with the checksum of [safetensors.Write] are verified,
// and so are zip archives. See package torchfile for what is read of PyTorch's formats.
func ReadFile(path string) (*File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read weights: %w", err)
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for a writer
		return nil, fmt.Errorf("%s: a folder or a device, not a file of weights", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read weights: %w", err)
	}
	defer file.Close()
	f, err := read(file, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f.Path = path
	return f, nil
}

// read reads the weights in the size bytes of r.
func read(r io.ReaderAt, size int64) (*File, error) {
	start, err := tensorfile.ReadFull(r, nil, 0, min(size, 512))
	if err != nil {
		return nil, err
	}
	switch {
	case size == 0:
		return nil, errors.New("the file is empty")
	case safetensors.Matches(start):
		file, err := safetensors.Open(r, size)
		if err != nil {
			return nil, err
		}
		contents, err := file.Read()
		if err != nil {
			return nil, err
		}
		return &File{Format: "safetensors", Tensors: contents.Tensors, Counters: contents.Counters, Metadata: file.Metadata}, nil
	case torchfile.Matches(start):
		format, contents, err := torchfile.Read(r, size)
		if err != nil {
			return nil, err
		}
		return &File{Format: format, Tensors: contents.Tensors, Counters: contents.Counters}, nil
	}
	if format := recognize(start); format != "" {
		return nil, fmt.Errorf("not a file of weights but %s", format)
	}
	return nil, errors.New("not a file of weights: neither safetensors nor written by torch.save; is it complete, and not encrypted or compressed?")
}

// recognize says what a file that starts like this is, and what to do about it, if it is
// something that people mistake for weights; "" if not.
func recognize(start []byte) string {
	for _, known := range []struct {
		at     int
		prefix string
		what   string
	}{
		{257, "ustar", "a TAR archive, as PyTorch wrote before version 0.1.10; load it with PyTorch and save it again, or unpack it"},
		{0, "\x89HDF\r\n\x1a\n", "HDF5, as Keras writes; save the weights as safetensors, with PyTorch's names and layouts"},
		{0, "GGUF", "GGUF, a format for language models"},
		{0, "\x93NUMPY", "a single NumPy array; save a state dict as safetensors"},
		{0, "\x89PNG", "an image"},
		{0, "\xff\xd8\xff", "an image"},
		{0, "GIF8", "an image"},
		{0, "RIFF", "an image or sound"},
		{0, "\x1f\x8b", "compressed with gzip; unpack it first"},
		{0, "\x28\xb5\x2f\xfd", "compressed with zstd; unpack it first"},
		{0, "\xfd7zXZ", "compressed with xz; unpack it first"},
		{0, "BZh", "compressed with bzip2; unpack it first"},
		{0, "7z\xbc\xaf", "a 7-Zip archive; unpack it first"},
		{0, "PK\x05\x06", "an empty zip archive"},
		{0, "version https://git-lfs", "a Git LFS pointer to one; fetch the file with git lfs pull"},
	} {
		if len(start) > known.at && bytes.HasPrefix(start[known.at:], []byte(known.prefix)) {
			return known.what
		}
	}
	// ONNX is a protocol buffer: field 1, a version, and then usually field 2, the producer.
	if len(start) > 3 && start[0] == 0x08 && start[1] < 0x20 && (start[2] == 0x12 || start[2] == 0x3a) {
		return "ONNX; export a state dict from the program that made it"
	}
	text := strings.ToLower(strings.TrimSpace(strings.TrimPrefix(string(start), "\ufeff")))
	switch {
	case strings.HasPrefix(text, "<!doctype"), strings.HasPrefix(text, "<html"), strings.HasPrefix(text, "<?xml"), strings.HasPrefix(text, "<head"):
		return "a web page, perhaps a login or error page saved under the file's name; download it again"
	case strings.HasPrefix(text, "{"):
		return "JSON; the weights must be in another file"
	}
	return ""
}
