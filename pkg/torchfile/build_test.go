package torchfile

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"testing"

	"github.com/residual-go/residual/pkg/internal/filetest"
	"github.com/residual-go/residual/pkg/tensorfile"
)

// These functions build files like PyTorch's, and files that PyTorch would not write.

// read is Read for filetest.
var read filetest.Read = func(r io.ReaderAt, size int64) (*tensorfile.Contents, error) {
	file, err := Read(r, size, "")
	if err != nil {
		return nil, err
	}
	return file.Contents, nil
}

// text, integer, name and tuple return the pickle instructions that push such a value.
func text(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

func integer(n int64) string {
	return "\x8a\x08" + string(binary.LittleEndian.AppendUint64(nil, uint64(n)))
}

func name(module, name string) string { return "c" + module + "\n" + name + "\n" }

func tuple(items ...string) string { return "(" + concat(items) + "t" }

func integers64(numbers []int64) string {
	var items []string
	for _, n := range numbers {
		items = append(items, integer(n))
	}
	return tuple(items...)
}

// dictionary returns the instructions that push a dict of keys and values.
func dictionary(entries ...string) string { return "}(" + concat(entries) + "u" }

func concat(parts []string) string {
	var all string
	for _, part := range parts {
		all += part
	}
	return all
}

// stored returns the instructions that push a storage, and rebuilt those for a tensor.
func stored(class, key string, count int64) string {
	return tuple(text("storage"), name("torch", class), text(key), text("cpu"), integer(count)) + "Q"
}

func rebuilt(storage string, offset int64, shape, strides []int64) string {
	args := tuple(storage, integer(offset), integers64(shape), integers64(strides), "\x89", name("collections", "OrderedDict")+")R")
	return name("torch._utils", "_rebuild_tensor_v2") + args + "R"
}

func pickled(body string) string { return "\x80\x02" + body + "." }

// oneTensor returns the pickle of a state dict with the tensor a, in a storage of six float32
// elements under key 0.
func oneTensor(offset int64, shape, strides []int64) string {
	return pickled(dictionary(text("a"), rebuilt(stored("FloatStorage", "0", 6), offset, shape, strides)))
}

// six are the numbers 0 … 5 as float32.
var six = filetest.Six()

// entry is an entry of a zip archive: its name and content, and a change to its header, to
// make it lie.
type entry struct {
	name, content string
	change        func(h *zip.FileHeader)
}

func zipped(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var file bytes.Buffer
	w := zip.NewWriter(&file)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, CRC32: crc32.ChecksumIEEE([]byte(e.content)),
			CompressedSize64: uint64(len(e.content)), UncompressedSize64: uint64(len(e.content))}
		if e.change != nil {
			e.change(h)
		}
		into, err := w.CreateRaw(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(into, e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// archived returns a zip archive of the pickle and the storage 0.
func archived(t testing.TB, pickle string, storage []byte, more ...entry) []byte {
	t.Helper()
	return zipped(t, append([]entry{{name: "x/data.pkl", content: pickle}, {name: "x/data/0", content: string(storage)}}, more...)...)
}

const (
	legacyMagic    = "\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
	legacyProtocol = "\x80\x02M\xe9\x03."
)

// legacy returns a file in the older format, of the pickle and the storage 0 of count elements.
func legacy(pickle string, count uint64, storage []byte) []byte {
	start := legacyMagic + legacyProtocol + pickled(dictionary(text("little_endian"), "\x88")) +
		pickle + pickled("]"+text("0")+"a")
	return append(binary.LittleEndian.AppendUint64([]byte(start), count), storage...)
}
