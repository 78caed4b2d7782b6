package cifar

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestReadFolders(t *testing.T) {
	for _, kind := range []Kind{CIFAR10, CIFAR100} {
		l := mustLayout(t, kind)
		outer := filepath.Join(t.TempDir(), "flags")
		inner := writeFiles(t, filepath.Join(outer, l.folder), smallFiles(l, 3))
		for dir, name := range map[string]string{
			outer: "images in flags (" + kind.String() + " layout)",
			inner: "images in " + l.folder + " (" + kind.String() + " layout)",
		} {
			train, test, err := Read(dir)
			if err != nil {
				t.Fatal(err)
			}
			if train.Len() != 3*len(l.train) || test.Len() != 3 {
				t.Errorf("%v: %d and %d images, want %d and 3", kind, train.Len(), test.Len(), 3*len(l.train))
			}
			if train.Name != name || test.Name != name {
				t.Errorf("names %q and %q, want %q", train.Name, test.Name, name)
			}
			if len(train.Classes) != l.classes() || train.Classes[1] != "class 1" {
				t.Errorf("%v: classes %q", kind, train.Classes)
			}
			for _, set := range []interface{ Validate() error }{train, test} {
				if err := set.Validate(); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

func TestReadKeepsTheOrderOfTheBatches(t *testing.T) {
	l := mustLayout(t, CIFAR10)
	files := smallFiles(l, 1)
	for i, name := range l.train {
		files[name] = record(l, byte(9-i))
	}
	train, _, err := Read(writeFiles(t, t.TempDir(), files))
	if err != nil {
		t.Fatal(err)
	}
	if want := []int32{9, 8, 7, 6, 5}; !slices.Equal(train.Labels, want) {
		t.Errorf("labels %v, want %v", train.Labels, want)
	}
}

func TestReadClassNames(t *testing.T) {
	l := mustLayout(t, CIFAR10)
	for name, text := range map[string][]byte{
		"missing": nil,
		"short":   []byte("cat\ndog\n"),
		"control": []byte("a\nb\nc\nd\ne\nf\ng\nh\ni\n\x1b[2J\n"),
		"huge":    make([]byte, maxText+1),
	} {
		files := smallFiles(l, 1)
		delete(files, l.classNames)
		if text != nil {
			files[l.classNames] = text
		}
		train, _, err := Read(writeFiles(t, t.TempDir(), files))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(train.Classes) != 10 || train.Classes[3] != "cat" || train.Classes[9] != "truck" {
			t.Errorf("%s: classes %q, want CIFAR-10's own", name, train.Classes)
		}
	}
}

func TestReadErrors(t *testing.T) {
	ten, hundred := mustLayout(t, CIFAR10), mustLayout(t, CIFAR100)
	without := func(l layout, names ...string) map[string][]byte {
		files := smallFiles(l, 1)
		for _, name := range names {
			delete(files, name)
		}
		return files
	}
	with := func(l layout, name string, content []byte) map[string][]byte {
		files := smallFiles(l, 1)
		files[name] = content
		return files
	}
	both := smallFiles(ten, 1)
	for name, content := range smallFiles(hundred, 1) {
		both[name] = content
	}
	pickles := map[string][]byte{"data_batch_1": {1}, "test_batch": {1}, "batches.meta": {1}}
	for name, test := range map[string]struct {
		files map[string][]byte
		want  []string
	}{
		"nothing":           {nil, []string{"holds no CIFAR data", ".bin"}},
		"both":              {both, []string{"both CIFAR-10 and CIFAR-100"}},
		"no batch":          {without(ten, "data_batch_4.bin"), []string{"data_batch_4.bin is missing"}},
		"no test batch":     {without(ten, "test_batch.bin"), []string{"test_batch.bin is missing"}},
		"names only":        {map[string][]byte{"batches.meta.txt": nil}, []string{"data_batch_1.bin is missing"}},
		"no train":          {without(hundred, "train.bin"), []string{"train.bin is missing"}},
		"no fine names":     {without(hundred, "fine_label_names.txt"), []string{"fine_label_names.txt", "class names"}},
		"few fine names":    {with(hundred, "fine_label_names.txt", []byte("apple\n")), []string{"fine_label_names.txt", "1 class names, want 100"}},
		"empty":             {with(ten, "data_batch_2.bin", nil), []string{"data_batch_2.bin", "empty"}},
		"cut short":         {with(ten, "test_batch.bin", record(ten, 0)[:99]), []string{"test_batch.bin", "cut short"}},
		"label":             {with(ten, "data_batch_5.bin", record(ten, 77)), []string{"data_batch_5.bin", "record 0", "label 77"}},
		"pickles":           {pickles, []string{"Python pickles", "cifar-10-binary.tar.gz"}},
		"CIFAR-100 pickles": {map[string][]byte{"train": {1}, "test": {1}, "meta": {1}}, []string{"Python pickles", "cifar-100-binary.tar.gz"}},
		"the archive":       {map[string][]byte{"cifar-10-binary.tar.gz": {1}}, []string{"cifar-10-binary.tar.gz is a file"}},
	} {
		t.Run(name, func(t *testing.T) {
			train, set, err := Read(writeFiles(t, t.TempDir(), test.files))
			wantError(t, err, test.want...)
			if got := errors.Is(err, ErrNoData); got != (name == "nothing") {
				t.Errorf("%v is ErrNoData: %v", err, got)
			}
			if train != nil || set != nil {
				t.Error("images were returned along with an error")
			}
		})
	}

	t.Run("pickles in their folder", func(t *testing.T) {
		dir := t.TempDir()
		writeFiles(t, filepath.Join(dir, "cifar-10-batches-py"), pickles)
		_, _, err := Read(dir)
		wantError(t, err, "cifar-10-batches-py", "cifar-10-binary.tar.gz")
	})
	t.Run("no folder", func(t *testing.T) {
		_, _, err := Read(filepath.Join(t.TempDir(), "nowhere"))
		wantError(t, err, "nowhere", "no such file")
	})
	t.Run("pickled archive", func(t *testing.T) {
		archive := gzipOf(t, tarOf(t, []entry{regular("cifar-100-python/train", []byte("x"))}))
		dir := writeFiles(t, t.TempDir(), map[string][]byte{"cifar-100-python.tar.gz": archive})
		for _, path := range []string{dir, filepath.Join(dir, "cifar-100-python.tar.gz")} {
			_, _, err := Read(path)
			wantError(t, err, "cifar-100-python.tar.gz", "Python pickles", "cifar-100-binary.tar.gz")
		}
	})
	t.Run("batch is a folder", func(t *testing.T) {
		dir := writeFiles(t, t.TempDir(), without(ten, "data_batch_3.bin"))
		if err := os.Mkdir(filepath.Join(dir, "data_batch_3.bin"), 0o755); err != nil {
			t.Fatal(err)
		}
		_, _, err := Read(dir)
		wantError(t, err, "data_batch_3.bin", "not a regular file")
	})
	t.Run("huge", func(t *testing.T) {
		dir := writeFiles(t, t.TempDir(), smallFiles(ten, 1))
		if err := os.Truncate(filepath.Join(dir, "data_batch_3.bin"), 1<<40); err != nil {
			t.Skipf("this file system has no sparse files: %v", err)
		}
		_, _, err := Read(dir)
		wantError(t, err, "data_batch_3.bin", "more than 100000 records")
	})
}

// TestNameNeedsTheMarker: images are called CIFAR-100 only with the marker of the official
// archive and unchanged files.
func TestNameNeedsTheMarker(t *testing.T) {
	l := mustLayout(t, CIFAR100)
	files := smallFiles(l, 1)
	dir := writeFiles(t, filepath.Join(t.TempDir(), "d"), files)
	mark := func(sum string) {
		m := marker{Archive: l.archive, SHA256: sum}
		for _, name := range l.required() {
			m.Files = append(m.Files, markedFile{name, int64(len(files[name])), sumOf(files[name])})
		}
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		writeFiles(t, dir, map[string][]byte{markerFile: text})
	}
	name := func() string {
		train, _, err := Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		return train.Name
	}
	const plain = "images in d (CIFAR-100 layout)"
	if got := name(); got != plain {
		t.Errorf("without a marker: %q", got)
	}
	mark(sumOf(nil))
	if got := name(); got != plain {
		t.Errorf("with the marker of another archive: %q", got)
	}
	mark(l.sum)
	if got := name(); got != "CIFAR-100" {
		t.Errorf("with the official marker: %q", got)
	}
	files[l.test][1000]++
	writeFiles(t, dir, files)
	if got := name(); got != plain {
		t.Errorf("with the official marker and a changed file: %q", got)
	}
}
