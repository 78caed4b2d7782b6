package weights

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"path"
	"strings"

	"github.com/residual-go/residual/pkg/weights/internal/pickle"
)

// readZip reads what torch.save writes since PyTorch 1.6: a zip archive, nothing in it
// compressed, with one folder of any name, in it data.pkl, a pickle, and data/KEY, the bytes
// of each storage.
func readZip(r io.ReaderAt, size int64) (*File, error) {
	entries, err := openZip(r, size)
	if err != nil {
		return nil, err
	}
	var folder string
	for name := range entries {
		if path.Base(name) == "data.pkl" && strings.Count(name, "/") == 1 {
			if folder != "" {
				return nil, errors.New("damaged, or made to do damage: a zip archive with two data.pkl")
			}
			folder = path.Dir(name) + "/"
		}
	}
	if what := strangeZip(entries, folder); what != "" {
		return nil, errors.New(what)
	}
	if order, ok := entries[folder+"byteorder"]; ok {
		text, err := readEntry(r, size, order, 16)
		if err != nil {
			return nil, err
		}
		if string(text) != "little" {
			return nil, fmt.Errorf("its numbers are in the byte order %s, want little; save it anew on a usual machine", oneLine(string(text)))
		}
	}
	text, err := readEntry(r, size, entries[folder+"data.pkl"], 64<<20)
	if err != nil {
		return nil, err
	}
	host := &pytorch{storages: map[string]*storage{}}
	root, err := pickle.NewDecoder(bytes.NewReader(text), int64(len(text)), host).Decode()
	if err != nil {
		return nil, err
	}
	tensors, err := stateDict(root)
	if err != nil {
		return nil, err
	}
	f := &File{Format: "PyTorch zip"}
	return f, readTensors(f, r, size, tensors, func(s *storage) (extent, error) {
		entry, ok := entries[folder+"data/"+s.key]
		if !ok {
			return extent{}, fmt.Errorf("damaged: its numbers, data/%s, are missing", oneLine(s.key))
		}
		place, err := locate(entry, size)
		if err != nil {
			return extent{}, err
		}
		if place.length%s.number.size != 0 || place.length/s.number.size != s.count {
			return extent{}, fmt.Errorf("damaged: its storage should have %d numbers of %d bytes and has %d bytes", s.count, s.number.size, place.length)
		}
		return place, nil
	})
}

// openZip returns the archive's entries by name.
func openZip(r io.ReaderAt, size int64) (map[string]*zip.File, error) {
	const most = 4 << 20 // bytes of the directory: ResNet-152's has 0.1 MB
	directory := &limited{r, most}
	archive, err := zip.NewReader(directory, size)
	if err != nil {
		return nil, fmt.Errorf("a zip archive that is cut short or damaged: %w", err)
	}
	directory.left = math.MaxInt64
	entries := make(map[string]*zip.File, len(archive.File))
	for _, entry := range archive.File {
		name := strings.TrimSuffix(entry.Name, "/") // a folder's
		if !fs.ValidPath(name) || strings.ContainsAny(name, "\\:\x00") {
			return nil, fmt.Errorf("made to do damage: an entry of the zip archive is called %s", oneLine(entry.Name))
		}
		if _, ok := entries[name]; ok {
			return nil, fmt.Errorf("damaged, or made to do damage: the zip archive has %s twice", oneLine(entry.Name))
		}
		entries[name] = entry
	}
	return entries, nil
}

// limited is a ReaderAt that gives so many bytes more.
type limited struct {
	io.ReaderAt
	left int64
}

func (l *limited) ReadAt(p []byte, offset int64) (int, error) {
	if l.left -= int64(len(p)); l.left < 0 {
		return 0, errors.New("its directory is too large")
	}
	return l.ReaderAt.ReadAt(p, offset)
}

// strangeZip says why an archive is not one that torch.save writes of weights; "" if it is one.
func strangeZip(entries map[string]*zip.File, folder string) string {
	for name := range entries {
		switch {
		case folder != "" && (name == folder+"constants.pkl" || strings.HasPrefix(name, folder+"code/")):
			return "a TorchScript program, which is not run; in Python, save torch.jit.load(path).state_dict() with torch.save"
		case folder == "" && strings.HasSuffix(name, ".npy"):
			return "no file of weights but arrays of NumPy (.npz); save a state dict as safetensors, with the names and layouts of PyTorch"
		case folder == "" && strings.HasSuffix(name, ".weights.h5"):
			return "no file of weights but a model of Keras; save the weights as safetensors, with the names and layouts of PyTorch"
		}
	}
	if folder == "" {
		return "a zip archive, but none of PyTorch's: it has no data.pkl; is the file of weights inside?"
	}
	return ""
}

// locate returns where in the file an entry is.
func locate(entry *zip.File, size int64) (extent, error) {
	const encrypted = 1
	if entry.Method != zip.Store || entry.Flags&encrypted != 0 || entry.CompressedSize64 != entry.UncompressedSize64 {
		return extent{}, fmt.Errorf("%s is compressed or encrypted, which PyTorch's archives never are; not read", oneLine(entry.Name))
	}
	offset, err := entry.DataOffset()
	if err != nil {
		return extent{}, fmt.Errorf("a zip archive that is damaged: %s: %w", oneLine(entry.Name), err)
	}
	if offset > size || entry.UncompressedSize64 > uint64(size-offset) {
		return extent{}, fmt.Errorf("a zip archive that is cut short or damaged: %s reaches past its end", oneLine(entry.Name))
	}
	return extent{offset, int64(entry.UncompressedSize64), func(content []byte) error {
		if crc32.ChecksumIEEE(content) != entry.CRC32 {
			return fmt.Errorf("damaged: the checksum of %s does not match its content", oneLine(entry.Name))
		}
		return nil
	}}, nil
}

// readEntry returns the content of an entry of most bytes at most.
func readEntry(r io.ReaderAt, size int64, entry *zip.File, most int64) ([]byte, error) {
	place, err := locate(entry, size)
	if err != nil {
		return nil, err
	}
	if place.length > most {
		return nil, fmt.Errorf("%s has %d bytes, want %d at most", oneLine(entry.Name), place.length, most)
	}
	content, err := readFull(r, nil, place.offset, place.length)
	if err != nil {
		return nil, err
	}
	return content, place.verify(content)
}
