package cifar

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func mustLayout(t testing.TB, kind Kind) layout {
	t.Helper()
	l, err := layoutOf(kind)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// record returns a record whose pixel at row y, column x is (y, x, label).
func record(l layout, label byte) []byte {
	var r []byte
	for range len(l.labelClasses) - 1 {
		r = append(r, 1)
	}
	r = append(r, label)
	for plane := range planes {
		for y := range side {
			for x := range side {
				r = append(r, []byte{byte(y), byte(x), label}[plane])
			}
		}
	}
	return r
}

// smallFiles returns the files of a complete data set with n records in each file. Record i
// has label i modulo 10.
func smallFiles(l layout, n int) map[string][]byte {
	files := make(map[string][]byte)
	for _, name := range l.records() {
		for i := range n {
			files[name] = append(files[name], record(l, byte(i%10))...)
		}
	}
	var names strings.Builder
	for i := range l.classes() {
		fmt.Fprintf(&names, "class %d\n", i)
	}
	files[l.classNames] = []byte(names.String() + "\n")
	for _, name := range l.unread {
		files[name] = []byte("coarse\n")
	}
	return files
}

// writeFiles writes files into dir and returns dir.
func writeFiles(t testing.TB, dir string, files map[string][]byte) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

type entry struct {
	header  tar.Header
	content []byte
}

func regular(name string, content []byte) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content))}, content}
}

// wholeEntries returns the entries of a complete small archive, in a fixed order. Like the
// official one it has an entry for the folder and a read-me.
func wholeEntries(l layout) []entry {
	files := smallFiles(l, 2)
	entries := []entry{
		{tar.Header{Name: l.folder + "/", Typeflag: tar.TypeDir, Mode: 0o755}, nil},
		regular(l.folder+"/readme.html", []byte("<p>read me")),
	}
	for _, name := range l.wanted() {
		entries = append(entries, regular(l.folder+"/"+name, files[name]))
	}
	return entries
}

func tarOf(t testing.TB, entries []entry) []byte {
	t.Helper()
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	for _, e := range entries {
		if err := w.WriteHeader(&e.header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.content); err != nil {
			t.Fatal(err)
		}
	}
	// Close would fail for entries that announce more bytes than they have.
	if err := w.Flush(); err == nil {
		w.Close()
	}
	return buffer.Bytes()
}

func gzipOf(t testing.TB, content []byte) []byte {
	t.Helper()
	var buffer bytes.Buffer
	w := gzip.NewWriter(&buffer)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

// smallArchive returns a complete small tar.gz and its SHA-256.
func smallArchive(t testing.TB, l layout) (archive []byte, sum string) {
	archive = gzipOf(t, tarOf(t, wholeEntries(l)))
	return archive, sumOf(archive)
}

func sumOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// wantError fails unless err is one line that contains all of parts.
func wantError(t testing.TB, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one that contains %q", parts)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("the error has more than one line: %q", err)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not contain %q", err, part)
		}
	}
}

// namesIn returns the names of everything in dir, including hidden files.
func namesIn(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// fileSize returns the size of the file at path, or 0 if there is none.
func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
