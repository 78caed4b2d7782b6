package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestWriteReplacesWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.txt")
	for _, content := range []string{"first, and longer", "second"} {
		if err := WriteBytes(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != content {
			t.Fatalf("read %q, %v; want %q", got, err, content)
		}
	}
}

func TestFailedWriteKeepsTheOldFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.txt")
	if err := WriteBytes(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	err := Write(path, func(w io.Writer) error {
		w.Write(make([]byte, 1<<20))
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatalf("error %v, want one that wraps boom", err)
	}
	if got, _ := os.ReadFile(path); string(got) != "old" {
		t.Errorf("after a failed write the file holds %q, want old", got)
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 1 {
		t.Errorf("a failed write left %d files behind, want 1", len(entries))
	}
}

func TestWriteIntoMissingFolder(t *testing.T) {
	err := WriteBytes(filepath.Join(t.TempDir(), "no", "a.txt"), nil)
	if !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("error %v, want one that wraps os.ErrNotExist", err)
	}
}

func TestPrepareSweeps(t *testing.T) {
	dir := t.TempDir()
	ended := exec.Command(os.Args[0], "-test.run=^$")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	gone, parent, self := ended.Process.Pid, os.Getppid(), os.Getpid()
	yesterday := time.Now().Add(-24 * time.Hour)
	for _, file := range []struct {
		name  string
		old   bool
		stays bool
	}{
		{fmt.Sprintf(".loss.png.tmp-%d-0", gone), false, false},
		{fmt.Sprintf(".loss.png.tmp-%d-12", gone), false, false},
		{fmt.Sprintf(".a.tmp-1-1.tmp-%d-0", gone), false, false},
		{fmt.Sprintf(".loss.png.tmp-%d-0", parent), true, true}, // its process is running
		{fmt.Sprintf(".loss.png.tmp-%d-0", self), false, true},
		{fmt.Sprintf(".loss.svg.tmp-%d-0", self), true, false}, // of an earlier process with the same id
		{fmt.Sprintf("loss.png.tmp-%d-0", gone), true, true},
		{fmt.Sprintf(".loss.png.tmp-%d", gone), true, true},
		{".loss.png.tmp-x-0", true, true},
		{"loss.png", true, true},
	} {
		path := filepath.Join(dir, file.name)
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if file.old {
			if err := os.Chtimes(path, yesterday, yesterday); err != nil {
				t.Fatal(err)
			}
		}
		if err := Prepare(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); (err == nil) != file.stays {
			t.Errorf("%s: present %t, want %t", file.name, err == nil, file.stays)
		}
	}
	if trials, _ := filepath.Glob(filepath.Join(dir, ".trial*")); len(trials) > 0 {
		t.Errorf("Prepare left %q", trials)
	}
}

func TestPrepareFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "folder")} {
		if err := Prepare(dir); err == nil || !strings.Contains(err.Error(), "cannot write to the folder "+dir) {
			t.Errorf("error %v, want one that names the folder %s", err, dir)
		}
	}
	if os.Geteuid() == 0 {
		return // root may write everywhere
	}
	closed := t.TempDir()
	if err := os.Chmod(closed, 0o555); err != nil {
		t.Fatal(err)
	}
	if err := Prepare(closed); !errors.Is(err, os.ErrPermission) {
		t.Errorf("error %v for a read-only folder, want %v", err, os.ErrPermission)
	}
}
