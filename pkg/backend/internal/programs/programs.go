//go:build linux

// Package programs keeps compiled programs in a folder. When the folder is full, the programs that have
// not been used for the longest time are removed.
//
// A file has a header of 72 bytes: eight that say what it is, the key, and the program's SHA-256. The
// program follows. The header is checked because a plugin may crash on a damaged program.
package programs

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/residual-go/residual/pkg/atomicfile"
)

// A Key is a SHA-256 of everything that a compiled program depends on.
type Key [sha256.Size]byte

// Folder is a folder of compiled programs. Several goroutines and processes may use it at once.
type Folder struct {
	Path  string // created when the first program is written
	Limit int64  // bytes that the files may have together
}

// magic is the start of every file. The last byte is the version of the format.
const magic = "resXLA\x00\x01"

const (
	suffix = ".program"
	header = len(magic) + len(Key{}) + sha256.Size
)

func (f Folder) file(key Key) string { return filepath.Join(f.Path, hex.EncodeToString(key[:])+suffix) }

// Read returns the program with the given key. The error wraps [fs.ErrNotExist] if there is none.
//
// A program is machine code, so a file that belongs to another user is an error, unless that is root.
func (f Folder) Read(key Key) ([]byte, error) {
	path := f.file(key)
	content, err := f.read(path, key)
	if err != nil {
		return nil, fmt.Errorf("read program: %w", err)
	}
	now := time.Now()
	os.Chtimes(path, now, now) // fails in a folder of another user, where nothing is ever removed either
	return content, nil
}

func (f Folder) read(path string, key Key) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // opening a pipe would wait for a writer
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	switch size := info.Size(); {
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case !trusted(info):
		return nil, fmt.Errorf("%s belongs to another user", path)
	case size < int64(header) || size > f.Limit:
		return nil, fmt.Errorf("%s has %d bytes, want %d to %d", path, size, header, f.Limit)
	}
	content := make([]byte, info.Size())
	if _, err := io.ReadFull(file, content); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	head, program := content[:header], content[header:]
	if !bytes.Equal(head, headerOf(key, program)) {
		return nil, fmt.Errorf("%s is damaged, or is not the program asked for", path)
	}
	return program, nil
}

// trusted reports whether the file belongs to this user or to root.
func trusted(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && (stat.Uid == 0 || int(stat.Uid) == os.Geteuid())
}

func headerOf(key Key, program []byte) []byte {
	sum := sha256.Sum256(program)
	return slices.Concat([]byte(magic), key[:], sum[:])
}

// Write creates or replaces the program with the given key. If the folder then has more bytes than its
// limit, Write removes the programs that were used least recently.
func (f Folder) Write(key Key, program []byte) error {
	if size := int64(header + len(program)); size > f.Limit {
		return fmt.Errorf("write program: it has %d bytes, more than the limit of %d", size, f.Limit)
	}
	if err := atomicfile.Prepare(f.Path); err != nil {
		return fmt.Errorf("write program: %w", err)
	}
	if err := atomicfile.Write(f.file(key), func(w io.Writer) error {
		_, err := w.Write(headerOf(key, program))
		if err == nil {
			_, err = w.Write(program)
		}
		return err
	}); err != nil {
		return fmt.Errorf("write program: %w", err)
	}
	return f.trim()
}

// trim removes the programs used least recently until the others fit into the limit.
func (f Folder) trim() error {
	entries, err := os.ReadDir(f.Path)
	if err != nil {
		return fmt.Errorf("remove old programs: %w", err)
	}
	var files []fs.FileInfo
	var total int64
	for _, e := range entries {
		// One that has just been removed by another process is no longer there.
		if info, err := e.Info(); err == nil && filepath.Ext(e.Name()) == suffix && info.Mode().IsRegular() {
			files = append(files, info)
			total += info.Size()
		}
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int {
		return cmp.Or(a.ModTime().Compare(b.ModTime()), cmp.Compare(a.Name(), b.Name()))
	})
	for _, file := range files {
		if total <= f.Limit {
			break
		}
		if err := os.Remove(filepath.Join(f.Path, file.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove old programs: %w", err)
		}
		total -= file.Size()
	}
	return nil
}
