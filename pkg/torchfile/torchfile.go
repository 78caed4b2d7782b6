// Package torchfile reads the weights in files that torch.save wrote
// (https://pytorch.org/docs/stable/notes/serialization.html): a zip archive since PyTorch
// 1.6, a sequence of pickles before.
//
// A pickle is a program, and loading it in Python runs whatever functions it names. Nothing
// is run here: package pickle beneath this one interprets the program, and this package
// answers for the few functions that build tensors. A pickle that names anything else is
// refused.
//
// The file may hold a state dict, or a checkpoint that has one as "state_dict", "model" or
// "model_state_dict", which are tried in this order and before the root. Nothing is read of
// the rest, such as an optimiser's state. Whole networks (torch.save(model)), sparse and
// quantized tensors and TorchScript programs are refused.
//
// It is written by hand because github.com/nlpodyssey/gopickle panics on, or allocates
// gigabytes for, files made to do damage; see package pickle.
package torchfile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

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

// Read reads the weights in the size bytes of r and says which format they are in. All
// tensors together may have as many elements as the file has bytes. In a zip archive every
// byte of the weights is checked against the archive's CRCs. Errors say what is wrong in one
// line.
func Read(r io.ReaderAt, size int64) (format string, contents *tensorfile.Contents, err error) {
	start, err := tensorfile.ReadFull(r, nil, 0, min(size, 4))
	if err != nil {
		return "", nil, err
	}
	switch {
	case isZip(start):
		contents, err = readZip(r, size)
		return Zip, contents, err
	case isPickle(start):
		contents, err = readLegacy(r, size)
		return Legacy, contents, err
	}
	return "", nil, errors.New("neither a zip archive nor a pickle, so not written by torch.save")
}

// stateDict returns the tensors of the state dict in a pickle's value.
func stateDict(root any) (map[string]*tensor, error) {
	dict, ok := root.(*pickle.Dict)
	if !ok {
		return nil, fmt.Errorf("it holds a value of type %s instead of a state dict; in Python, save model.state_dict()", typeName(root))
	}
	for _, key := range []string{"state_dict", "model", "model_state_dict"} {
		if value, ok := dict.Get(key); ok {
			if nested, ok := value.(*pickle.Dict); ok {
				if found := tensorsIn(nested); len(found) > 0 {
					return found, nil
				}
			}
		}
	}
	if found := tensorsIn(dict); len(found) > 0 {
		return found, nil
	}
	var has strings.Builder
	for key, value := range dict.All() {
		const enough = 200
		if has.Len() > enough {
			has.WriteString(", …")
			break
		}
		fmt.Fprintf(&has, ", %s (%s)", printable.Quote(key), typeName(value))
	}
	return nil, fmt.Errorf("it has no state dict, neither as state_dict, model or model_state_dict nor at its root; it has %s",
		cmp.Or(strings.TrimPrefix(has.String(), ", "), "nothing"))
}

func tensorsIn(dict *pickle.Dict) map[string]*tensor {
	found := map[string]*tensor{}
	for name, value := range dict.All() {
		if t, ok := value.(*tensor); ok {
			found[name] = t
		}
	}
	return found
}

// typeName returns Python's name for the type of a pickled value.
func typeName(value any) string {
	switch value.(type) {
	case *tensor:
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
func readTensors(r io.ReaderAt, size int64, tensors map[string]*tensor, locate func(*storage) (extent, error)) (*tensorfile.Contents, error) {
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
	return contents, nil
}
