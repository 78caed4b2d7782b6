package torchfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"

	"github.com/residual-go/residual/pkg/printable"
	"github.com/residual-go/residual/pkg/tensorfile"
	"github.com/residual-go/residual/pkg/torchfile/internal/pickle"
)

// readLegacy reads what torch.save wrote from PyTorch 0.1.10 to 1.5, and still writes on
// request. Five pickles follow one another: a magic number, the protocol's number, facts
// about the machine, the object that was saved, and the keys of its storages. Then, for each
// key, the number of elements in eight bytes and the elements.
func readLegacy(r io.ReaderAt, size int64, key string) (*File, error) {
	h := newHost()
	decoder := pickle.NewDecoder(io.NewSectionReader(r, 0, size), size, h)
	magic, err := decoder.Decode()
	if err != nil {
		return nil, err
	}
	if n, ok := magic.(*big.Int); !ok || n.Text(16) != "1950a86a20f9469cfc6c" {
		if h.classes["torch.storage._load_from_bytes"] != nil {
			return nil, errors.New("it was written by pickle.dump; write it with torch.save")
		}
		return nil, errors.New("a Python pickle, but not one that torch.save wrote; save model.state_dict() with torch.save")
	}
	protocol, err := decoder.Decode()
	if err != nil {
		return nil, err
	}
	if n, ok := protocol.(int64); !ok || n != 1001 {
		return nil, errors.New("written by torch.save in an unknown protocol, want 1001")
	}
	machine, err := decoder.Decode()
	if err != nil {
		return nil, err
	}
	if about, ok := machine.(*pickle.Dict); ok {
		if little, ok := about.Get("little_endian"); ok && little != true {
			return nil, errors.New("its byte order is big, want little; save it again on a little-endian machine")
		}
	}
	root, err := decoder.Decode()
	if err != nil {
		return nil, err
	}
	f, found, err := newFile(Legacy, h, root, key)
	if err != nil {
		return nil, err
	}
	keys, err := decoder.Decode()
	if err != nil {
		return nil, err
	}
	extents, err := findStorages(r, size, decoder.Offset(), keys, h.storages)
	if err != nil {
		return nil, err
	}
	f.Contents, err = readTensors(r, size, found, func(s *storage) (extent, error) {
		place, ok := extents[s]
		if !ok {
			return extent{}, errors.New("damaged: its storage is missing")
		}
		return place, nil
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// findStorages returns the places of the storages, which start at offset and lie in the
// order of their keys.
func findStorages(r io.ReaderAt, size, offset int64, keys any, storages map[string]*storage) (map[*storage]extent, error) {
	list, ok := keys.(*pickle.List)
	if !ok {
		return nil, errors.New("damaged: it has no list of its storages")
	}
	extents := map[*storage]extent{}
	var count []byte
	for _, item := range list.Items {
		key, ok := item.(string)
		s, known := storages[key]
		if !ok || !known {
			return nil, errors.New("damaged: it lists a storage that no tensor uses")
		}
		if _, ok := extents[s]; ok {
			return nil, fmt.Errorf("damaged: it lists storage %s twice", printable.Quote(key))
		}
		if size-offset < 8 {
			return nil, fmt.Errorf("cut short: it has %d of its %d storages", len(extents), len(list.Items))
		}
		var err error
		if count, err = tensorfile.ReadFull(r, count, offset, 8); err != nil {
			return nil, err
		}
		offset += 8
		if n := int64(binary.LittleEndian.Uint64(count)); n != s.count {
			return nil, fmt.Errorf("damaged: storage %s should have %d elements and has %d", printable.Quote(key), s.count, n)
		}
		if s.count > (size-offset)/s.dtype.Size() {
			return nil, fmt.Errorf("cut short: storage %s has %d elements of %d bytes, and %d bytes are there", printable.Quote(key), s.count, s.dtype.Size(), size-offset)
		}
		extents[s] = extent{offset: offset, length: s.count * s.dtype.Size()}
		offset += s.count * s.dtype.Size()
	}
	if offset != size {
		return nil, fmt.Errorf("damaged: %d bytes follow its last storage", size-offset)
	}
	return extents, nil
}
