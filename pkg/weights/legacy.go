package weights

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"

	"github.com/residual-go/residual/pkg/weights/internal/pickle"
)

// readPickle reads what torch.save wrote from PyTorch 0.1.10 to 1.5, and writes if told so:
// five pickles, which are a magic number, the number of the protocol, what there is to know of
// the machine, the object that was saved, and the keys of its storages; then for each key the
// number of numbers in eight bytes, and the numbers.
func readPickle(r io.ReaderAt, size int64) (*File, error) {
	host := &pytorch{storages: map[string]*storage{}}
	decoder := pickle.NewDecoder(io.NewSectionReader(r, 0, size), size, host)
	magic, err := decoder.Decode()
	if err != nil {
		return nil, err
	}
	if n, ok := magic.(*big.Int); !ok || n.Text(16) != "1950a86a20f9469cfc6c" {
		return nil, errors.New("a pickle of Python, but not one that torch.save wrote; save model.state_dict() with torch.save")
	}
	protocol, err := decoder.Decode()
	if err != nil {
		return nil, err
	}
	if n, ok := protocol.(int64); !ok || n != 1001 {
		return nil, errors.New("written by torch.save in a protocol that is not known, want 1001")
	}
	machine, err := decoder.Decode()
	if err != nil {
		return nil, err
	}
	if about, ok := machine.(*pickle.Dict); ok {
		if little, ok := about.Get("little_endian"); ok && little != true {
			return nil, errors.New("its numbers are in the byte order big, want little; save it anew on a usual machine")
		}
	}
	root, err := decoder.Decode()
	if err != nil {
		return nil, err
	}
	tensors, err := stateDict(root)
	if err != nil {
		return nil, err
	}
	keys, err := decoder.Decode()
	if err != nil {
		return nil, err
	}
	extents, err := findStorages(r, size, decoder.Offset(), keys, host.storages)
	if err != nil {
		return nil, err
	}
	f := &File{Format: "PyTorch pickle"}
	return f, readTensors(f, r, size, tensors, func(s *storage) (extent, error) {
		place, ok := extents[s]
		if !ok {
			return extent{}, errors.New("damaged: its numbers are missing")
		}
		return place, nil
	})
}

// findStorages goes over the storages, which begin at offset, in the order of their keys.
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
			return nil, errors.New("damaged: it lists a storage that no tensor has")
		}
		if _, ok := extents[s]; ok {
			return nil, fmt.Errorf("damaged: it lists the storage %s twice", oneLine(key))
		}
		if size-offset < 8 {
			return nil, fmt.Errorf("cut short: it has %d of its %d storages", len(extents), len(list.Items))
		}
		var err error
		if count, err = readFull(r, count, offset, 8); err != nil {
			return nil, err
		}
		offset += 8
		if n := int64(binary.LittleEndian.Uint64(count)); n != s.count {
			return nil, fmt.Errorf("damaged: storage %s should have %d numbers and has %d", oneLine(key), s.count, n)
		}
		if s.count > (size-offset)/s.number.size {
			return nil, fmt.Errorf("cut short: storage %s has %d numbers of %d bytes, and %d bytes are there", oneLine(key), s.count, s.number.size, size-offset)
		}
		extents[s] = extent{offset: offset, length: s.count * s.number.size}
		offset += s.count * s.number.size
	}
	if offset != size {
		return nil, fmt.Errorf("damaged: %d bytes follow its last storage", size-offset)
	}
	return extents, nil
}
