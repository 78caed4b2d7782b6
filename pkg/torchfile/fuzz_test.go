package torchfile

import (
	"path/filepath"
	"testing"

	"github.com/residual-go/residual/pkg/internal/filetest"
)

func addFormats(f *testing.F, pattern string) {
	f.Helper()
	files, err := filepath.Glob(filepath.Join(filetest.Formats, pattern))
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds %s: %v", pattern, err)
	}
	for _, file := range files {
		f.Add(filetest.Format(f, filepath.Base(file)))
	}
}

func FuzzReadZip(f *testing.F) {
	addFormats(f, "*.pth")
	addFormats(f, "*.pt")
	f.Fuzz(func(t *testing.T, file []byte) { read.Check(t, file) })
}

// FuzzReadZipPickle fuzzes the pickle in an archive: the archive's checksum would stop a fuzzer
// that changed the file itself.
func FuzzReadZipPickle(f *testing.F) {
	f.Add([]byte(oneTensor(0, []int64{6}, []int64{1})))
	f.Add([]byte(oneTensor(1, []int64{2, 2}, []int64{1, 2})))
	f.Fuzz(func(t *testing.T, pickle []byte) {
		read.Check(t, archived(t, string(pickle), six))
	})
}

func FuzzReadLegacy(f *testing.F) {
	addFormats(f, "*-old.pth")
	f.Add(legacy(oneTensor(1, []int64{2, 2}, []int64{1, 2}), 6, six))
	f.Fuzz(func(t *testing.T, file []byte) { read.Check(t, file) })
}
