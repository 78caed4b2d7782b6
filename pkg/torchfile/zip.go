package torchfile

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

	"github.com/residual-go/residual/pkg/printable"
	"github.com/residual-go/residual/pkg/tensorfile"
	"github.com/residual-go/residual/pkg/torchfile/internal/pickle"
)

// readZip reads what torch.save has written since PyTorch 1.6: an uncompressed zip archive
// with one folder of any name. In it are data.pkl, a pickle, and data/KEY, the bytes of each
// storage.
func readZip(r io.ReaderAt, size int64, key string) (*File, error) {
	entries, err := openZip(r, size)
	if err != nil {
		return nil, err
	}
	var folder string
	for name := range entries {
		if path.Base(name) == "data.pkl" && strings.Count(name, "/") == 1 {
			if folder != "" {
				return nil, errors.New("damaged or malicious: the zip archive has two data.pkl")
			}
			folder = path.Dir(name) + "/"
		}
	}
	if reason := notWeights(entries, folder); reason != "" {
		return nil, errors.New(reason)
	}
	if order, ok := entries[folder+"byteorder"]; ok {
		text, err := readEntry(r, size, order, 16)
		if err != nil {
			return nil, err
		}
		if string(text) != "little" {
			return nil, fmt.Errorf("its byte order is %s, want little; save it again on a little-endian machine", printable.Quote(string(text)))
		}
	}
	text, err := readEntry(r, size, entries[folder+"data.pkl"], 64<<20)
	if err != nil {
		return nil, err
	}
	h := newHost()
	root, err := pickle.NewDecoder(bytes.NewReader(text), int64(len(text)), h).Decode()
	if err != nil {
		return nil, err
	}
	f, found, err := newFile(Zip, h, root, key)
	if err != nil {
		return nil, err
	}
	f.Contents, err = readTensors(r, size, found, func(s *storage) (extent, error) {
		entry, ok := entries[folder+"data/"+s.key]
		if !ok {
			return extent{}, fmt.Errorf("damaged: its storage, data/%s, is missing", printable.Quote(s.key))
		}
		place, err := locate(entry, size)
		if err != nil {
			return extent{}, err
		}
		if place.length%s.dtype.Size() != 0 || place.length/s.dtype.Size() != s.count {
			return extent{}, fmt.Errorf("damaged: its storage should have %d elements of %d bytes and has %d bytes", s.count, s.dtype.Size(), place.length)
		}
		return place, nil
	})
	if err != nil {
		return nil, err
	}
	return f, nil
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
		name := strings.TrimSuffix(entry.Name, "/") // of a folder
		if !fs.ValidPath(name) || strings.ContainsAny(name, "\\:\x00") {
			return nil, fmt.Errorf("malicious: an entry of the zip archive is called %s", printable.Quote(entry.Name))
		}
		if _, ok := entries[name]; ok {
			return nil, fmt.Errorf("damaged or malicious: the zip archive has %s twice", printable.Quote(entry.Name))
		}
		entries[name] = entry
	}
	return entries, nil
}

// limited is a ReaderAt that fails after so many more bytes.
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

// notWeights says why torch.save did not write this archive, or not of weights; "" if it did.
func notWeights(entries map[string]*zip.File, folder string) string {
	for name := range entries {
		switch {
		case folder != "" && (name == folder+"constants.pkl" || strings.HasPrefix(name, folder+"code/")):
			return "a TorchScript program, which is not run; in Python, save torch.jit.load(path).state_dict() with torch.save"
		case folder == "" && strings.HasSuffix(name, ".npy"):
			return "NumPy arrays (.npz) instead of weights; save a state dict as safetensors, with PyTorch's names and layouts"
		case folder == "" && strings.HasSuffix(name, ".weights.h5"):
			return "a Keras model instead of PyTorch weights; save the weights as safetensors, with PyTorch's names and layouts"
		}
	}
	if folder == "" {
		return "a zip archive, but not PyTorch's: it has no data.pkl; are the weights inside it?"
	}
	return ""
}

// locate returns where in the file an entry's content is.
func locate(entry *zip.File, size int64) (extent, error) {
	const encrypted = 1
	if entry.Method != zip.Store || entry.Flags&encrypted != 0 || entry.CompressedSize64 != entry.UncompressedSize64 {
		return extent{}, fmt.Errorf("%s is compressed or encrypted, which it never is in PyTorch's archives", printable.Quote(entry.Name))
	}
	offset, err := entry.DataOffset()
	if err != nil {
		return extent{}, fmt.Errorf("a damaged zip archive: %s: %w", printable.Quote(entry.Name), err)
	}
	if offset > size || entry.UncompressedSize64 > uint64(size-offset) {
		return extent{}, fmt.Errorf("a zip archive that is cut short or damaged: %s reaches past its end", printable.Quote(entry.Name))
	}
	return extent{offset, int64(entry.UncompressedSize64), func(content []byte) error {
		if crc32.ChecksumIEEE(content) != entry.CRC32 {
			return fmt.Errorf("damaged: the checksum of %s does not match its content", printable.Quote(entry.Name))
		}
		return nil
	}}, nil
}

// readEntry returns the content of an entry of at most so many bytes.
func readEntry(r io.ReaderAt, size int64, entry *zip.File, most int64) ([]byte, error) {
	place, err := locate(entry, size)
	if err != nil {
		return nil, err
	}
	if place.length > most {
		return nil, fmt.Errorf("%s has %d bytes, want at most %d", printable.Quote(entry.Name), place.length, most)
	}
	content, err := tensorfile.ReadFull(r, nil, place.offset, place.length)
	if err != nil {
		return nil, err
	}
	return content, place.verify(content)
}
