// Package torchfile reads the weights in files that torch.save wrote
// (https://pytorch.org/docs/stable/notes/serialization.html): a zip archive since PyTorch
// 1.6, a sequence of pickles before.
//
// A pickle is a program, and loading it in Python runs whatever functions it names. Nothing
// is run here: package pickle beneath this one interprets the program, and this package
// answers for the few functions that build tensors. Whatever else a pickle names becomes an
// object that does nothing and is never a tensor, so that a date or a path beside the weights
// does no harm. A pickle that names what only attacks have a use for, such as os.system, is
// refused.
//
// The file may hold a state dict, or a checkpoint that has one, in a dict in a dict if need
// be. It is found by what is in it: tensors of the shapes of convolutions. If there are
// several, [Read] chooses as timm does: state_dict_ema, model_ema, state_dict, model; and
// then any other moving average. Nothing is read of the rest, such as an optimiser's state.
// Whole networks (torch.save(model)) and TorchScript programs are refused, and sparse and
// quantized tensors are reported as unreadable.
//
// It is written by hand because github.com/nlpodyssey/gopickle panics on, or allocates
// gigabytes for, malicious files; see package pickle.
//
// # Where to find what
//
//	torchfile.go       Read, and reading the tensors' values
//	zip.go             the zip format
//	legacy.go          the format before PyTorch 1.6
//	host.go            what a pickle may name, and what becomes of it
//	find.go            finding the state dict
//	internal/pickle    the pickle machine
package torchfile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/residual-go/residual/pkg/printable"
	"github.com/residual-go/residual/pkg/tensorfile"
	"github.com/residual-go/residual/pkg/torchfile/internal/pickle"
)

// The formats, as [Read] returns them.
const (
	Zip    = "PyTorch zip"    // since PyTorch 1.6
	Legacy = "PyTorch pickle" // from 0.1.10 to 1.5, and later on request
)

// Matches reports whether a file that starts with the given bytes may have been written by
// torch.save: a zip archive or a pickle.
func Matches(start []byte) bool { return isZip(start) || isPickle(start) }

func isZip(start []byte) bool { return bytes.HasPrefix(start, []byte("PK\x03\x04")) }

func isPickle(start []byte) bool {
	const proto, newest = 0x80, 5
	return len(start) > 1 && start[0] == proto && start[1] <= newest
}

// File is what [Read] read.
type File struct {
	// Format is [Zip] or [Legacy].
	Format string
	*tensorfile.Contents
	// Key is where the state dict was found: keys with dots between them, or "" for the root.
	Key string
	// Others are the keys of the file's other state dicts.
	Others []string
	// Skipped are the classes of objects that were not read, such as argparse.Namespace.
	Skipped []string
}

// Read reads the weights in the size bytes of r. A key other than "" says which state dict:
// the keys that lead to it, with dots between them. It may go on with the beginning of the
// names that are meant, as in state_dict.encoder_q.
//
// All tensors together may have as many elements as the file has bytes. In a zip archive
// every byte of the weights is checked against the archive's CRCs. Errors say what is wrong
// in one line; if the file has several state dicts and none is the obvious one, the error is
// an [*AmbiguousError].
func Read(r io.ReaderAt, size int64, key string) (*File, error) {
	start, err := tensorfile.ReadFull(r, nil, 0, min(size, 4))
	if err != nil {
		return nil, err
	}
	switch {
	case isZip(start):
		return readZip(r, size, key)
	case isPickle(start):
		return readLegacy(r, size, key)
	}
	return nil, errors.New("neither a zip archive nor a pickle, so not written by torch.save")
}

// newFile returns the file of a state dict, with its contents but for the elements.
func newFile(format string, h *host, root any, key string) (*File, *stateDict, error) {
	found, others, err := find(root, key)
	if err != nil {
		return nil, nil, err
	}
	if len(found.tensors) == 0 {
		for _, name := range slices.Sorted(maps.Keys(found.unreadable)) {
			return nil, nil, fmt.Errorf("%s %s", printable.Quote(name), found.unreadable[name])
		}
	}
	f := &File{Format: format, Key: found.key(), Skipped: h.skipped()}
	for _, other := range others {
		f.Others = append(f.Others, other.key())
	}
	return f, found, nil
}

// typeName returns Python's name for the type of a pickled value.
func typeName(value any) string {
	switch value := value.(type) {
	case *object:
		return printable.Quote(value.class.name)
	case *tensor, *unreadable:
		return "Tensor"
	case *storage:
		return "Storage"
	}
	return pickle.TypeName(value)
}

// An extent is where the bytes of a storage are in the file.
type extent struct {
	offset, length int64
	// verify checks the content; nil if the format has no checksum.
	verify func(content []byte) error
}

// readTensors reads the tensors of a state dict from r, a file of size bytes. locate returns
// the place of a storage.
func readTensors(r io.ReaderAt, size int64, d *stateDict, locate func(*storage) (extent, error)) (*tensorfile.Contents, error) {
	tensors := d.tensors
	type part struct {
		name     string
		elements int64
	}
	parts := map[*storage][]part{} // the tensors of one storage are read together
	extents := map[*storage]extent{}
	var order []*storage
	elementsLeft, bytesLeft := size, size
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		t := tensors[name]
		if _, ok := extents[t.storage]; !ok {
			e, err := locate(t.storage)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", printable.Quote(name), err)
			}
			if bytesLeft -= e.length; bytesLeft < 0 {
				return nil, errors.New("damaged or malicious: its storages have more bytes than the file")
			}
			extents[t.storage] = e
			order = append(order, t.storage)
		}
		elements, err := t.Check(extents[t.storage].length, elementsLeft)
		if err != nil {
			return nil, fmt.Errorf("%s %w", printable.Quote(name), err)
		}
		elementsLeft -= elements
		parts[t.storage] = append(parts[t.storage], part{name, elements})
	}
	slices.SortFunc(order, func(a, b *storage) int { return cmp.Compare(extents[a].offset, extents[b].offset) })
	contents := tensorfile.NewContents()
	var buffer []byte
	for _, s := range order {
		e := extents[s]
		var err error
		if buffer, err = tensorfile.ReadFull(r, buffer, e.offset, e.length); err != nil {
			return nil, err
		}
		if e.verify != nil {
			if err := e.verify(buffer); err != nil {
				return nil, err
			}
		}
		for _, part := range parts[s] {
			tensors[part.name].Read(contents, part.name, part.elements, buffer)
		}
	}
	for _, name := range d.names {
		if _, ok := contents.Tensors[name]; ok {
			contents.Names = append(contents.Names, name)
		}
	}
	contents.Unreadable = d.unreadable
	return contents, nil
}
