//go:build linux

package programs

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func keyOf(name string) Key { return sha256.Sum256([]byte(name)) }

func write(t *testing.T, f Folder, name string, program []byte) {
	t.Helper()
	if err := f.Write(keyOf(name), program); err != nil {
		t.Fatal(err)
	}
}

func TestReadAndWrite(t *testing.T) {
	f := Folder{Path: filepath.Join(t.TempDir(), "not", "yet"), Limit: 1 << 20}
	if _, err := f.Read(keyOf("a")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read without a folder: %v, want fs.ErrNotExist", err)
	}
	for _, program := range [][]byte{[]byte("code"), {}, bytes.Repeat([]byte{0, 1}, 50_000)} {
		write(t, f, "a", program)
		if got, err := f.Read(keyOf("a")); err != nil || !bytes.Equal(got, program) {
			t.Errorf("Read returned %d bytes and %v, want the %d bytes written", len(got), err, len(program))
		}
	}
	if _, err := f.Read(keyOf("b")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read of another key: %v, want fs.ErrNotExist", err)
	}
}

// TestDamage checks that a file with any fault is an error, and that Write replaces it.
func TestDamage(t *testing.T) {
	program := []byte("the machine code of a program")
	for name, damage := range map[string]func(path string, content []byte) error{
		"empty":               func(path string, _ []byte) error { return os.WriteFile(path, nil, 0o644) },
		"header alone":        func(path string, c []byte) error { return os.WriteFile(path, c[:header], 0o644) },
		"half the header":     func(path string, c []byte) error { return os.WriteFile(path, c[:header/2], 0o644) },
		"truncated":           func(path string, c []byte) error { return os.WriteFile(path, c[:len(c)-1], 0o644) },
		"longer":              func(path string, c []byte) error { return os.WriteFile(path, append(c, 0), 0o644) },
		"a bit of the code":   func(path string, c []byte) error { c[len(c)-3] ^= 4; return os.WriteFile(path, c, 0o644) },
		"a bit of the sum":    func(path string, c []byte) error { c[header-1] ^= 1; return os.WriteFile(path, c, 0o644) },
		"another key":         func(path string, c []byte) error { c[len(magic)] ^= 1; return os.WriteFile(path, c, 0o644) },
		"another version":     func(path string, c []byte) error { c[len(magic)-1]++; return os.WriteFile(path, c, 0o644) },
		"larger than allowed": func(path string, _ []byte) error { return os.Truncate(path, 1<<30) },
		"a pipe": func(path string, _ []byte) error {
			return errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600))
		},
		"an empty folder": func(path string, _ []byte) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o755)) },
	} {
		t.Run(name, func(t *testing.T) {
			f := Folder{Path: t.TempDir(), Limit: 1 << 20}
			write(t, f, "a", program)
			path := f.file(keyOf("a"))
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := damage(path, content); err != nil {
				t.Fatal(err)
			}
			if got, err := f.Read(keyOf("a")); err == nil || !strings.HasPrefix(err.Error(), "read program: ") {
				t.Errorf("Read returned %q and %v, want an error", got, err)
			}
			if name == "an empty folder" {
				return // nothing that this package writes
			}
			write(t, f, "a", program)
			if got, err := f.Read(keyOf("a")); err != nil || !bytes.Equal(got, program) {
				t.Errorf("after writing it again, Read returned %q and %v", got, err)
			}
		})
	}
}

// A file that others could have put there is not executed.
func TestAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("skipping: needs root, to give a file to another user")
	}
	f := Folder{Path: t.TempDir(), Limit: 1 << 20}
	write(t, f, "a", []byte("code"))
	if err := os.Chown(f.file(keyOf("a")), 12345, -1); err != nil {
		t.Skip("skipping:", err)
	}
	if _, err := f.Read(keyOf("a")); err == nil || !strings.Contains(err.Error(), "belongs to another user") {
		t.Errorf("Read: %v, want an error", err)
	}
	write(t, f, "a", []byte("code"))
	if _, err := f.Read(keyOf("a")); err != nil {
		t.Error("after it was written again:", err)
	}
}

// TestLimit checks that the programs used least recently are removed, and that reading one is using it.
func TestLimit(t *testing.T) {
	f := Folder{Path: t.TempDir(), Limit: 3 * 1000}
	program := make([]byte, 1000-header)
	for i, name := range []string{"a", "b", "c"} {
		write(t, f, name, program)
		old := time.Now().Add(time.Duration(i-10) * time.Hour)
		if err := os.Chtimes(f.file(keyOf(name)), old, old); err != nil {
			t.Fatal(err)
		}
	}
	other := filepath.Join(f.Path, "README")
	if err := os.WriteFile(other, make([]byte, 5000), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read(keyOf("a")); err != nil {
		t.Fatal(err)
	}
	write(t, f, "d", program) // b was used the longest time ago
	for name, want := range map[string]bool{"a": true, "b": false, "c": true, "d": true} {
		if _, err := f.Read(keyOf(name)); (err == nil) != want {
			t.Errorf("Read %s: %v, want it there: %v", name, err, want)
		}
	}
	if _, err := os.Stat(other); err != nil {
		t.Error("a file that is no program:", err)
	}
	if err := f.Write(keyOf("e"), make([]byte, 3001-header)); err == nil || !strings.Contains(err.Error(), "more than the limit of 3000") {
		t.Errorf("a program larger than the limit: %v, want an error", err)
	}
	if _, err := f.Read(keyOf("a")); err != nil {
		t.Error("it pushed others out:", err)
	}
}

// TestNoRoom checks that folders that cannot be written to are errors.
func TestNoRoom(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(file, "below"), "/proc/programs"} {
		f := Folder{Path: path, Limit: 1 << 20}
		if err := f.Write(keyOf("a"), []byte("code")); err == nil || !strings.HasPrefix(err.Error(), "write program: ") {
			t.Errorf("Write to %s: %v, want an error", path, err)
		}
		if _, err := f.Read(keyOf("a")); err == nil {
			t.Errorf("Read from %s: no error", path)
		}
	}
}

// TestAtOnce reads and writes the same few programs from many goroutines, in a folder with room for two.
func TestAtOnce(t *testing.T) {
	f := Folder{Path: t.TempDir(), Limit: 2 * 1000}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 10 {
				name := string(rune('a' + (i+j)%3))
				program := bytes.Repeat([]byte(name), 1000-header)
				if err := f.Write(keyOf(name), program); err != nil {
					t.Error(err)
				}
				if got, err := f.Read(keyOf(name)); err == nil && !bytes.Equal(got, program) {
					t.Errorf("read %d bytes that were not written", len(got))
				} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := f.trim(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(f.Path)
	if err != nil || len(entries) != 2 {
		t.Errorf("%d files are left (%v), want 2", len(entries), err)
	}
}
