package weights

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"testing"
)

// Builders of files as PyTorch writes them, or would not.

// text, integer, name and tuple are the instructions of a pickle that push such a value.
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

// dictionary pushes a dict of keys and values.
func dictionary(entries ...string) string { return "}(" + concat(entries) + "u" }

func concat(parts []string) string {
	var all string
	for _, part := range parts {
		all += part
	}
	return all
}

// stored pushes a storage, rebuilt a tensor.
func stored(class, key string, count int64) string {
	return tuple(text("storage"), name("torch", class), text(key), text("cpu"), integer(count)) + "Q"
}

func rebuilt(storage string, offset int64, shape, strides []int64) string {
	args := tuple(storage, integer(offset), integers64(shape), integers64(strides), "\x89", name("collections", "OrderedDict")+")R")
	return name("torch._utils", "_rebuild_tensor_v2") + args + "R"
}

func pickled(body string) string { return "\x80\x02" + body + "." }

// oneTensor is the pickle of a state dict of the tensor a, in six float32 numbers under key 0.
func oneTensor(offset int64, shape, strides []int64) string {
	return pickled(dictionary(text("a"), rebuilt(stored("FloatStorage", "0", 6), offset, shape, strides)))
}

// six are the numbers 0 … 5 as float32.
var six = []byte{0, 0, 0, 0, 0, 0, 0x80, 0x3f, 0, 0, 0, 0x40, 0, 0, 0x40, 0x40, 0, 0, 0x80, 0x40, 0, 0, 0xa0, 0x40}

// entry is one of a zip archive: its name and content, and what its header says if that is
// not true.
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

// archived is a zip archive of the pickle and the storage 0.
func archived(t testing.TB, pickle string, storage []byte, more ...entry) []byte {
	t.Helper()
	return zipped(t, append([]entry{{name: "x/data.pkl", content: pickle}, {name: "x/data/0", content: string(storage)}}, more...)...)
}

const (
	legacyMagic    = "\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
	legacyProtocol = "\x80\x02M\xe9\x03."
)

// legacy is a file of the older format of the pickle and of the storage 0, of count numbers.
func legacy(pickle string, count uint64, storage []byte) []byte {
	start := legacyMagic + legacyProtocol + pickled(dictionary(text("little_endian"), "\x88")) +
		pickle + pickled("]"+text("0")+"a")
	return append(binary.LittleEndian.AppendUint64([]byte(start), count), storage...)
}

// headed is a safetensors file of header and data.
func headed(header string, data []byte) []byte {
	file := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(file, header...), data...)
}

// declares is a header's entry of a tensor.
func declares(name, dtype, shape string, from, to uint64) string {
	return fmt.Sprintf(`%q:{"dtype":%q,"shape":%s,"data_offsets":[%d,%d]}`, name, dtype, shape, from, to)
}
