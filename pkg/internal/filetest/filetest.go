// Package filetest helps to test the readers of weight files: that they refuse what is
// damaged or malicious in one short line, and without allocating much memory.
package filetest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/tensorfile"
)

// Read opens a file with the package under test.
type Read func(r io.ReaderAt, size int64) (*tensorfile.Contents, error)

// Bytes reads a file that is in memory.
func (read Read) Bytes(file []byte) (*tensorfile.Contents, error) {
	return read(bytes.NewReader(file), int64(len(file)))
}

// CheckRefused fails the test unless err is one line that contains all of the texts.
func CheckRefused(t testing.TB, what string, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", what)
		return
	}
	for _, text := range append(texts, "") {
		if !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %q, want one line with %q", what, err, text)
		}
	}
}

// CheckRefusedCheaply fails the test unless the file is refused in one short line that
// contains the texts, with no more memory than a small multiple of the file's size.
func (read Read) CheckRefusedCheaply(t testing.TB, what string, file []byte, texts ...string) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := read.Bytes(file)
	runtime.ReadMemStats(&after)
	CheckRefused(t, what, err, texts...)
	if err != nil && len(err.Error()) > 600 {
		t.Errorf("%s: an error of %d bytes", what, len(err.Error()))
	}
	if used, most := after.TotalAlloc-before.TotalAlloc, uint64(1<<18+100*len(file)); used > most {
		t.Errorf("%s: %d bytes were allocated for a file of %d", what, used, len(file))
	}
}

// Check fails the test if the file is read to tensors that cannot be in it, or refused in
// more than one short line. It is for fuzzing.
func (read Read) Check(t testing.TB, file []byte) {
	t.Helper()
	got, err := read.Bytes(file)
	if err != nil {
		if strings.Contains(err.Error(), "\n") || len(err.Error()) > 4096 {
			t.Errorf("the error %q", err)
		}
		return
	}
	total := 0
	for name, tensor := range got.Tensors {
		count := 1
		for _, dim := range tensor.Shape {
			count *= dim
		}
		if count < 1 || count != len(tensor.Data) {
			t.Errorf("%q has shape %v and %d elements", name, tensor.Shape, len(tensor.Data))
		}
		total += count
	}
	if total > len(file) {
		t.Errorf("%d elements in a file of %d bytes", total, len(file))
	}
}

// Formats is the folder, seen from a package's tests, with the files that PyTorch wrote.
var Formats = filepath.Join("..", "tensorfile", "testdata", "formats")

// Format returns the content of one of these files.
func Format(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(Formats, name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// Six are the numbers 0 … 5 as float32.
func Six() []byte {
	var content []byte
	for _, bits := range []uint32{0, 0x3f800000, 0x40000000, 0x40400000, 0x40800000, 0x40a00000} {
		content = binary.LittleEndian.AppendUint32(content, bits)
	}
	return content
}

// Safetensors returns a safetensors file of a header and data.
func Safetensors(header string, data []byte) []byte {
	file := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(file, header...), data...)
}

// Entry returns a safetensors header's entry of a tensor.
func Entry(name, dtype, shape string, from, to uint64) string {
	return fmt.Sprintf(`%q:{"dtype":%q,"shape":%s,"data_offsets":[%d,%d]}`, name, dtype, shape, from, to)
}
