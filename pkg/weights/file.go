package weights

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/residual-go/residual/pkg/statedict"
)

// File is what a file of weights holds, under the names it has there.
type File struct {
	Path string
	// Format is "safetensors", "PyTorch zip", or "PyTorch pickle", as torch.save wrote before
	// version 1.6.
	Format string
	// Tensors are those of floating-point numbers (float16, bfloat16, float32, float64),
	// converted to float32, row by row. None is empty; one without axes has one number.
	Tensors map[string]statedict.Tensor
	// Counters are the single whole numbers (int32, int64), as num_batches_tracked.
	Counters map[string]int64
	// Metadata is the __metadata__ of a safetensors file; nil for PyTorch's.
	Metadata map[string]string
}

// ReadFile reads the weights in the file at path. What format it has is told by its content,
// not by its name: safetensors (https://github.com/huggingface/safetensors#format), or what
// torch.save writes (https://pytorch.org/docs/stable/notes/serialization.html), today a zip
// archive and before PyTorch 1.6 a row of pickles.
//
// A file of PyTorch's may be a state dict, or a checkpoint that has one as "state_dict",
// "model" or "model_state_dict", looked for in this order and before the root. Of all else
// in it, such as an optimizer's state, no number is read. Nothing that a pickle asks for is
// run: it may name the few functions that make tensors and some classes whose objects are
// inert here (argparse.Namespace, NumPy's numbers), and one that names anything else
// anywhere is refused, with the name. So are whole networks (torch.save(model)), sparse and
// quantized tensors, TorchScript programs, and files of other programs.
//
// Files are not trusted. Sizes are compared with the file's before memory is allocated, all
// of a file's tensors together may have as many numbers as it has bytes, and one that is
// damaged, or made to do damage, is an error of one line that begins with path. In safetensors
// files with the checksum of [statedict.Dict.Save], and in zip archives, every byte of the
// weights is checked.
func ReadFile(path string) (*File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read weights: %w", err)
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for a writer
		return nil, fmt.Errorf("%s: not a file of weights but a folder or a device", path)
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
	start := make([]byte, min(size, 512))
	if _, err := readFull(r, start, 0, int64(len(start))); err != nil {
		return nil, err
	}
	switch {
	case size == 0:
		return nil, errors.New("the file is empty")
	case isSafetensors(start):
		return readSafetensors(r, size)
	case bytes.HasPrefix(start, []byte("PK\x03\x04")):
		return readZip(r, size)
	case start[0] == 0x80 && len(start) > 1 && start[1] <= 5: // a pickle's protocol
		return readPickle(r, size)
	}
	if what := recognize(start); what != "" {
		return nil, fmt.Errorf("no file of weights but %s", what)
	}
	return nil, errors.New("no file of weights: neither safetensors nor what torch.save writes; is it whole, and not encrypted or compressed?")
}

// recognize says what a file that starts so is, and what to do about it, if people take such
// files for weights.
func recognize(start []byte) string {
	for _, known := range []struct {
		at     int
		prefix string
		what   string
	}{
		{257, "ustar", "a TAR archive, as PyTorch wrote before version 0.1.10; load it with PyTorch and save it anew, or unpack it"},
		{0, "\x89HDF\r\n\x1a\n", "HDF5, as Keras writes; save the weights as safetensors, with the names and layouts of PyTorch"},
		{0, "GGUF", "GGUF, a format of language models"},
		{0, "\x93NUMPY", "a single array of NumPy; save a state dict as safetensors"},
		{0, "\x89PNG", "a picture"},
		{0, "\xff\xd8\xff", "a picture"},
		{0, "GIF8", "a picture"},
		{0, "RIFF", "a picture or sound"},
		{0, "\x1f\x8b", "compressed with gzip; unpack it first"},
		{0, "\x28\xb5\x2f\xfd", "compressed with zstd; unpack it first"},
		{0, "\xfd7zXZ", "compressed with xz; unpack it first"},
		{0, "BZh", "compressed with bzip2; unpack it first"},
		{0, "7z\xbc\xaf", "a 7-Zip archive; unpack it first"},
		{0, "PK\x05\x06", "an empty zip archive"},
		{0, "version https://git-lfs", "a pointer of Git LFS to one; fetch it with git lfs pull"},
	} {
		if len(start) > known.at && bytes.HasPrefix(start[known.at:], []byte(known.prefix)) {
			return known.what
		}
	}
	// ONNX is a protocol buffer: field 1, a version; then most often field 2, the program.
	if len(start) > 3 && start[0] == 0x08 && start[1] < 0x20 && (start[2] == 0x12 || start[2] == 0x3a) {
		return "ONNX; export a state dict from the program that made it"
	}
	text := strings.ToLower(strings.TrimSpace(strings.TrimPrefix(string(start), "\ufeff")))
	switch {
	case strings.HasPrefix(text, "<!doctype"), strings.HasPrefix(text, "<html"), strings.HasPrefix(text, "<?xml"), strings.HasPrefix(text, "<head"):
		return "a web page, perhaps a login or an error page saved under the file's name; download it again"
	case strings.HasPrefix(text, "{"):
		return "JSON; the weights must be in another file"
	}
	return ""
}
