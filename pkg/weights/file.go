package weights

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/residual-go/residual/pkg/printable"
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
	// Names are the names of Tensors in the order of the file, if that says something: in
	// PyTorch's formats it is the order in which the layers were made.
	Names []string
	// Unreadable are the tensors that cannot be read, such as quantized ones, and why not: a
	// phrase that follows the name.
	Unreadable map[string]string
	// Key is where the weights were found in a file of PyTorch's: the keys of dicts, with dots
	// between them.
	Key string
	// Others are the keys of the other sets of weights in the file.
	Others []string
	// Notes tell the user what was chosen and what was passed over.
	Notes []string
	// Metadata is the __metadata__ of a safetensors file; nil for PyTorch's formats.
	Metadata map[string]string

	newHead bool
}

// WithNewHead returns the file for a network that will get a new head: [File.Model] then
// accepts any head, or none, and puts one of zeros in its place unless it is a single linear
// layer.
func (f *File) WithNewHead() *File {
	replaced := *f
	replaced.newHead = true
	return &replaced
}

// fullKey returns what [ReadFileKey] takes to keep the tensors whose names begin with prefix.
func (f *File) fullKey(prefix string) string {
	if f.Key == "" {
		return prefix
	}
	return f.Key + "." + prefix
}

// ReadFile reads the weights in the file at path: safetensors, or what torch.save writes. The
// format is detected from the content, not from the file's name.
//
// Files are not trusted. Nothing in them is run, sizes are compared with the file's before
// memory is allocated, and a damaged or malicious file is an error of one
// line that starts with path. A file with several sets of weights none of which is the
// obvious one is a [*torchfile.AmbiguousError]; see [ReadFileKey]. Files with the checksum of [safetensors.Write] are verified,
// and so are zip archives. See package torchfile for what is read of PyTorch's formats.
func ReadFile(path string) (*File, error) { return ReadFileKey(path, "") }

// ReadFileKey is ReadFile for a file with several sets of weights. The key says which: the
// keys of the dicts that lead to it, as in checkpoint.model_ema, or what the names of its
// tensors begin with, as in state_dict.encoder_q. Without a key, averaged weights are
// preferred to the weights themselves, as in timm; see [torchfile.Read].
func ReadFileKey(path, key string) (*File, error) {
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
	f, err := read(file, info.Size(), key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f.Path = path
	return f, nil
}

// read reads the weights in the size bytes of r.
func read(r io.ReaderAt, size int64, key string) (*File, error) {
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
		f := &File{Format: "safetensors", Tensors: contents.Tensors, Counters: contents.Counters, Metadata: file.Metadata}
		return f, f.keep(key)
	case torchfile.Matches(start):
		file, err := torchfile.Read(r, size, key)
		if err != nil {
			return nil, err
		}
		f := &File{Format: file.Format, Tensors: file.Tensors, Counters: file.Counters,
			Names: file.Names, Unreadable: file.Unreadable, Key: file.Key, Others: file.Others}
		f.note(file, key)
		return f, nil
	}
	if format := recognize(start); format != "" {
		return nil, fmt.Errorf("not a file of weights but %s", format)
	}
	return nil, errors.New("not a file of weights: neither safetensors nor written by torch.save; is it complete, and not encrypted or compressed?")
}

// keep drops the tensors whose names do not begin with key and a dot, and these from the
// names of the others. It does nothing without a key.
func (f *File) keep(key string) error {
	if key == "" {
		return nil
	}
	tensors := map[string]statedict.Tensor{}
	for name, tensor := range f.Tensors {
		if rest, ok := strings.CutPrefix(name, key+"."); ok {
			tensors[rest] = tensor
		}
	}
	if len(tensors) == 0 {
		return fmt.Errorf("it has no weights whose names begin with %s", printable.Quote(key+"."))
	}
	f.Tensors, f.Metadata = tensors, nil // which is about the whole file
	var names []string
	for _, name := range f.Names {
		if rest, ok := strings.CutPrefix(name, key+"."); ok {
			names = append(names, rest)
		}
	}
	f.Names = names
	return nil
}

// note adds notes on where in a file of torch.save the weights were found, and what else
// there is.
func (f *File) note(file *torchfile.File, key string) {
	if file.Key != "" && key == "" {
		f.Notes = append(f.Notes, "the weights were found under "+printable.Quote(file.Key))
	}
	if len(file.Others) > 0 {
		var others []string
		for _, other := range file.Others {
			others = append(others, cmp.Or(printable.Quote(other), "its root"))
		}
		f.Notes = append(f.Notes, fmt.Sprintf("the file has other weights under %s, which may be better or worse; the choice is timm's, averaged weights (EMA) first",
			few(others)))
	}
	if len(file.Skipped) > 0 {
		f.Notes = append(f.Notes, "objects beside the weights were passed over, and nothing in them was run: "+few(file.Skipped))
	}
}

// few joins the first of the items and says how many more there are.
func few(items []string) string {
	const shown = 20
	if more := len(items) - shown; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(items[:shown], ", "), more)
	}
	return strings.Join(items, ", ")
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
		{4, "TFL3", "a TensorFlow Lite model (.tflite); save the weights as safetensors, with PyTorch's names and layouts, from the program that made it"},
		{0, "\x12\x01\x00\x00\x00\x00\x00\x00", "MXNet's parameters; save the weights as safetensors, with PyTorch's names and layouts"},
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
