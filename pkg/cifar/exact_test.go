package cifar

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// exactData returns the folder with the first records of the official CIFAR-10 files.
func exactData(t *testing.T) string {
	t.Helper()
	data := os.Getenv("RESIDUAL_TEST_DATA")
	if data == "" {
		t.Skip("RESIDUAL_TEST_DATA is not set: the folder with cifar10-exact, the first records of the official CIFAR-10 files")
	}
	return filepath.Join(data, "cifar10-exact")
}

func TestReadExactRecords(t *testing.T) {
	train, test, err := Read(exactData(t))
	if err != nil {
		t.Fatal(err)
	}
	if train.Len() != 5*1017 || test.Len() != 500 {
		t.Errorf("%d and %d images, want 5085 and 500", train.Len(), test.Len())
	}
	for _, set := range []struct{ got, want any }{
		{train.Name, "CIFAR-10 (subset)"},
		{test.Name, "CIFAR-10 (subset)"},
		{train.Classes[6], "frog"},
	} {
		if set.got != set.want {
			t.Errorf("got %q, want %q", set.got, set.want)
		}
	}
	if want := []int32{6, 9, 9, 4, 1, 1, 2, 7, 8, 3, 4, 7}; !slices.Equal(train.Labels[:12], want) {
		t.Errorf("training labels %v, want %v", train.Labels[:12], want)
	}
	if want := []int32{3, 8, 8, 0, 6, 6, 1, 6, 3, 1, 0, 9}; !slices.Equal(test.Labels[:12], want) {
		t.Errorf("test labels %v, want %v", test.Labels[:12], want)
	}
	for _, pixel := range []struct {
		name string
		got  []byte
		want []byte
	}{
		{"training image 0, top left", train.Image(0), []byte{59, 62, 63}},
		{"training image 0, bottom right", train.Image(0)[(32*32-1)*3:], []byte{123, 92, 72}},
		{"training image 1, row 16, column 5", train.Image(1)[(16*32+5)*3:], []byte{242, 244, 245}},
		{"test image 0, top left", test.Image(0), []byte{158, 112, 49}},
		{"test image 1, bottom right", test.Image(1)[(32*32-1)*3:], []byte{186, 200, 199}},
	} {
		if !slices.Equal(pixel.got[:3], pixel.want) {
			t.Errorf("%s: %v, want %v", pixel.name, pixel.got[:3], pixel.want)
		}
	}
}

// TestNameOfExactRecords changes real records and their number, and checks the name.
func TestNameOfExactRecords(t *testing.T) {
	source := filepath.Join(exactData(t), "cifar-10-batches-bin")
	l := mustLayout(t, CIFAR10)
	dir := filepath.Join(t.TempDir(), "d")
	if err := os.CopyFS(dir, os.DirFS(source)); err != nil {
		t.Fatal(err)
	}
	check := func(what, want string) {
		t.Helper()
		if got := l.verifiedName(dir, dir, l.records()); got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	resize := func(name string, records int64) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		// A file grows by zeros, which are records with label 0.
		if err := os.Truncate(path, records*l.recordSize()); err != nil {
			t.Fatal(err)
		}
	}
	const plain = "images in d (CIFAR-10 layout)"
	check("the first records", "CIFAR-10 (subset)")
	for _, name := range l.records() {
		resize(name, 10_000)
	}
	check("10,000 records in each file", "CIFAR-10")
	resize("data_batch_2.bin", 100)
	check("one file of 100 records", "CIFAR-10 (subset)")
	resize("data_batch_2.bin", 99)
	check("one file of 99 records", plain)
	resize("data_batch_2.bin", 10_000)
	check("one file with a record of zeros among the first 100", plain)
	resize("data_batch_2.bin", 0)
	if err := os.CopyFS(filepath.Join(dir, "again"), os.DirFS(source)); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "again", "data_batch_2.bin"), filepath.Join(dir, "data_batch_2.bin")); err != nil {
		t.Fatal(err)
	}
	resize("test_batch.bin", 10_001)
	check("one file of 10,001 records", plain)
}
