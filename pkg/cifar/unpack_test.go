package cifar

import (
	"archive/tar"
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestUnpack(t *testing.T) {
	for _, kind := range []Kind{CIFAR10, CIFAR100} {
		l := mustLayout(t, kind)
		archive, _ := smallArchive(t, l)
		dir := t.TempDir()
		files, err := l.unpack(context.Background(), bytes.NewReader(archive), dir)
		if err != nil {
			t.Fatal(err)
		}
		content := smallFiles(l, 2)
		if len(files) != len(content) || len(namesIn(t, dir)) != len(content) {
			t.Errorf("%v: unpacked %v, the folder contains %q", kind, files, namesIn(t, dir))
		}
		for _, file := range files {
			got, err := os.ReadFile(filepath.Join(dir, file.Name))
			if err != nil || !bytes.Equal(got, content[file.Name]) {
				t.Errorf("%s: %d bytes, %v", file.Name, len(got), err)
			}
			if file.SHA256 != sumOf(got) || file.Size != int64(len(got)) {
				t.Errorf("%s: marked %+v", file.Name, file)
			}
		}
	}
}

func TestUnpackHostile(t *testing.T) {
	l := mustLayout(t, CIFAR10)
	first := l.folder + "/" + l.train[0]
	link := func(kind byte, name, target string) entry {
		return entry{tar.Header{Name: name, Typeflag: kind, Linkname: target}, nil}
	}
	promise := func(name string, size int64) entry {
		return entry{tar.Header{Name: name, Typeflag: tar.TypeReg, Size: size}, nil}
	}
	for name, test := range map[string]struct {
		entry entry
		want  []string
	}{
		"dot dot":               {regular("../escaped", []byte("x")), []string{"../escaped", "leaves"}},
		"inner dot dot":         {regular(l.folder+"/../../escaped", []byte("x")), []string{"leaves"}},
		"dot dot in the middle": {regular(l.folder+"/x/../"+l.train[0], []byte("x")), []string{"leaves"}},
		"absolute":              {regular("/tmp/escaped", []byte("x")), []string{"/tmp/escaped", "leaves"}},
		"backslash":             {regular(`..\escaped`, []byte("x")), []string{"leaves"}},
		"drive":                 {regular("C:escaped", []byte("x")), []string{"leaves"}},
		"symbolic link":         {link(tar.TypeSymlink, first, "/etc/passwd"), []string{first, "link"}},
		"hard link":             {link(tar.TypeLink, first, "/etc/passwd"), []string{first, "link"}},
		"folder as link":        {link(tar.TypeSymlink, l.folder, "/tmp"), []string{"link"}},
		"pipe":                  {link(tar.TypeFifo, first, ""), []string{first, "special"}},
		"huge file":             {promise(first, 1<<40), []string{first, "too large"}},
		"one too many":          {promise(first, 10_000*3073+1), []string{first, "too large", "30730000"}},
		"huge names":            {promise(l.folder+"/batches.meta.txt", 1<<30), []string{"batches.meta.txt", "too large"}},
		"huge other":            {promise("other", math.MaxInt64), []string{"other", "too large"}},
		"pickles":               {regular("cifar-10-batches-py/data_batch_1", []byte("x")), []string{"Python pickles", "cifar-10-binary.tar.gz"}},
	} {
		t.Run(name, func(t *testing.T) {
			outer := t.TempDir()
			dir := filepath.Join(outer, "a", "b")
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			archive := gzipOf(t, tarOf(t, []entry{test.entry}))
			_, err := l.unpack(context.Background(), bytes.NewReader(archive), dir)
			wantError(t, err, test.want...)
			if names := append(namesIn(t, dir), append(namesIn(t, filepath.Dir(dir)), namesIn(t, outer)...)...); !slices.Equal(names, []string{"b", "a"}) {
				t.Errorf("files after the archive was refused: %q", names)
			}
		})
	}
}

func TestUnpackDamaged(t *testing.T) {
	l := mustLayout(t, CIFAR10)
	entries := wholeEntries(l)
	whole, _ := smallArchive(t, l)
	badSum := slices.Clone(whole)
	badSum[len(badSum)-5] ^= 1
	for name, test := range map[string]struct {
		archive []byte
		want    []string
	}{
		"empty":        {nil, []string{"not a gzip file"}},
		"no gzip":      {[]byte("<html>404</html>"), []string{"not a gzip file"}},
		"no tar":       {gzipOf(t, []byte("hello")), []string{"damaged archive"}},
		"cut":          {whole[:len(whole)/2], []string{"unexpected EOF"}},
		"checksum":     {badSum, []string{"checksum"}},
		"duplicate":    {gzipOf(t, tarOf(t, append(slices.Clone(entries), entries[3]))), []string{"appears twice"}},
		"missing file": {gzipOf(t, tarOf(t, slices.Delete(slices.Clone(entries), 4, 5))), []string{"no cifar-10-batches-bin/data_batch_3.bin"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := l.unpack(context.Background(), bytes.NewReader(test.archive), t.TempDir())
			wantError(t, err, test.want...)
		})
	}
}

// TestUnpackBomb unpacks far more zeros than a real archive has: as one ignored file after
// another, and after the end of the archive.
func TestUnpackBomb(t *testing.T) {
	l := mustLayout(t, CIFAR10)
	l.trainRecords, l.testRecords = 100, 100 // lowers the bound to about 3 MB
	zeros := make([]byte, 1<<20)
	file := tarOf(t, []entry{regular("zeros", zeros)})
	file = gzipOf(t, file[:len(file)-1024]) // without the end-of-archive marker
	// Concatenated gzip files are one stream, here of 10 GB.
	_, err := l.unpack(context.Background(), bytes.NewReader(bytes.Repeat(file, 10_000)), t.TempDir())
	wantError(t, err, "too large")

	whole, _ := smallArchive(t, l)
	endless := append(whole, bytes.Repeat(gzipOf(t, zeros), 10_000)...)
	_, err = l.unpack(context.Background(), bytes.NewReader(endless), t.TempDir())
	wantError(t, err, "more than", "when unpacked")
}

func TestUnpackStopsWithItsContext(t *testing.T) {
	l := mustLayout(t, CIFAR10)
	archive, _ := smallArchive(t, l)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := l.unpack(ctx, bytes.NewReader(archive), t.TempDir()); err != context.Canceled {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

// FuzzArchive should be run with -fuzzminimizetime 5x: otherwise minimising archives byte by
// byte takes all the time.
func FuzzArchive(f *testing.F) {
	l := mustLayout(f, CIFAR10)
	whole := tarOf(f, wholeEntries(l))
	f.Add(whole, true)
	f.Add(gzipOf(f, whole), false)
	f.Add(whole[:5000], true)
	f.Add(tarOf(f, []entry{regular("../x", []byte("x"))}), true)
	f.Add(tarOf(f, []entry{{tar.Header{Name: l.folder + "/data_batch_1.bin", Typeflag: tar.TypeSymlink, Linkname: "/etc"}, nil}}), true)
	f.Add(tarOf(f, []entry{{tar.Header{Name: l.folder + "/data_batch_1.bin", Typeflag: tar.TypeReg, Size: 1 << 30}, nil}}), true)
	f.Add(tarOf(f, []entry{regular("cifar-10-batches-py/x", nil)}), true)
	f.Fuzz(func(t *testing.T, content []byte, wrap bool) {
		if wrap { // the fuzzer mutates the uncompressed bytes
			content = gzipOf(t, content)
		}
		outer := t.TempDir()
		dir := filepath.Join(outer, "in")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		files, err := l.unpack(context.Background(), bytes.NewReader(content), dir)
		if names := namesIn(t, outer); len(names) != 1 {
			t.Fatalf("files outside the folder: %q", names)
		}
		for _, name := range namesIn(t, dir) {
			info, statErr := os.Lstat(filepath.Join(dir, name))
			if statErr != nil {
				t.Fatal(statErr)
			}
			if !slices.Contains(l.wanted(), name) || !info.Mode().IsRegular() || info.Size() > l.maxSize(name) {
				t.Fatalf("unpacked %s, %v, %d bytes", name, info.Mode(), info.Size())
			}
		}
		if err == nil && len(files) < len(l.required()) {
			t.Fatalf("no error with only %v", files)
		}
	})
}
