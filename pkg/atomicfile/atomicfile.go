// Package atomicfile writes files that are either complete or absent.
//
// A file is written under a temporary name in its folder, synced to disk and renamed to its final
// name. If the process is killed or the disk is full, the previous file stays as it was. A killed
// process leaves its temporary file behind; [Prepare] removes it.
//
// The package is hand-written because renameio, the library for this, does not support Windows.
package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"
)

// Write creates or replaces the file at path with what fill writes to the buffered writer w. The
// permissions are 0644 before the umask. On any error, including one of fill, the file at path stays
// as it was.
func Write(path string, fill func(w io.Writer) error) (err error) {
	dir, base := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	// Not os.CreateTemp, whose permissions are 0600: others read a teacher's figures and checkpoints.
	f, err := createTemp(dir, base)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			err = fmt.Errorf("write %s: %w", path, err)
		}
	}()
	buffered := bufio.NewWriterSize(f, 1<<16)
	if err := fill(buffered); err != nil {
		return err
	}
	if err := buffered.Flush(); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	syncDir(dir)
	return nil
}

// WriteBytes creates or replaces the file at path with content, as Write does.
func WriteBytes(path string, content []byte) error {
	return Write(path, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

func createTemp(dir, base string) (*os.File, error) {
	for i := 0; ; i++ {
		name := filepath.Join(dir, fmt.Sprintf(".%s.tmp-%d-%d", base, os.Getpid(), i))
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
		if os.IsExist(err) && i < 1000 {
			continue
		}
		return f, err
	}
}

// Prepare gets dir ready for writing: it creates the folder if necessary, checks that files can be
// created in it, and removes the temporary files of processes that were killed while writing there.
// A program that writes its results at the end calls it at the beginning, to fail early.
func Prepare(dir string) error {
	err := os.MkdirAll(dir, 0o755)
	if err == nil {
		err = tryCreate(dir)
	}
	if err == nil {
		err = sweep(dir)
	}
	if err != nil {
		return fmt.Errorf("cannot write to the folder %s: %w", dir, err)
	}
	return nil
}

func tryCreate(dir string) error {
	f, err := createTemp(dir, "trial")
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Remove(f.Name())
}

// tempName matches the names that createTemp makes. The first group is the process.
var tempName = regexp.MustCompile(`^\..+\.tmp-(\d+)-\d+$`)

// started is about when this process began. A second allows for the coarse clock of file systems.
var started = time.Now().Add(-time.Second)

// sweep removes the temporary files in dir whose process is gone. It leaves those of running
// processes alone, which may be writing to the same folder now.
func sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		match := tempName.FindStringSubmatch(entry.Name())
		if match == nil || !entry.Type().IsRegular() {
			continue
		}
		pid, err := strconv.Atoi(match[1])
		if err != nil {
			continue
		}
		if pid == os.Getpid() {
			// In a container, the process that was killed often had the id that this one has.
			if info, err := entry.Info(); err != nil || info.ModTime().After(started) {
				continue
			}
		} else if running(pid) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// running reports whether there is a process with this id. If the system does not say, it returns
// true.
func running(pid int) bool {
	process, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	defer process.Release()
	return !errors.Is(process.Signal(syscall.Signal(0)), os.ErrProcessDone)
}

// syncDir makes the rename durable. Not every file system supports that, and the file is in place
// either way, so a failure is not an error.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		d.Sync()
		d.Close()
	}
}
