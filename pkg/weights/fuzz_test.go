package weights

import (
	"encoding/binary"
	"path/filepath"
	"strings"
	"testing"
)

// checkRead fails if a file was read, or refused, in a way that it must not be.
func checkRead(t *testing.T, file []byte) {
	t.Helper()
	got, err := readBytes(file)
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
			t.Errorf("%q has shape %v and %d numbers", name, tensor.Shape, len(tensor.Data))
		}
		total += count
	}
	if total > len(file) {
		t.Errorf("%d numbers in a file of %d bytes", total, len(file))
	}
}

func addFormats(f *testing.F, pattern string) {
	f.Helper()
	files, err := filepath.Glob(filepath.Join(formats, pattern))
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds %s: %v", pattern, err)
	}
	for _, file := range files {
		f.Add(content(f, file))
	}
}

func FuzzReadFileZip(f *testing.F) {
	addFormats(f, "*.pth")
	addFormats(f, "*.pt")
	f.Fuzz(func(t *testing.T, file []byte) { checkRead(t, file) })
}

// The pickle in an archive, whose checksum would keep the fuzzer out.
func FuzzReadFileZipPickle(f *testing.F) {
	f.Add([]byte(oneTensor(0, []int64{6}, []int64{1})))
	f.Add([]byte(oneTensor(1, []int64{2, 2}, []int64{1, 2})))
	f.Fuzz(func(t *testing.T, pickle []byte) {
		checkRead(t, archived(t, string(pickle), six))
	})
}

func FuzzReadFileLegacy(f *testing.F) {
	addFormats(f, "*-old.pth")
	f.Add(legacy(oneTensor(1, []int64{2, 2}, []int64{1, 2}), 6, six))
	f.Fuzz(func(t *testing.T, file []byte) { checkRead(t, file) })
}

func FuzzReadFileSafetensors(f *testing.F) {
	whole := content(f, filepath.Join(formats, "numbers.safetensors"))
	length := 8 + binary.LittleEndian.Uint64(whole)
	f.Add(whole[8:length], whole[length:])
	f.Add([]byte("{"+declares("a", "F16", "[3,4]", 0, 24)+"}"), six)
	f.Fuzz(func(t *testing.T, header, data []byte) { checkRead(t, headed(string(header), data)) })
}
