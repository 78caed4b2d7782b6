package cli

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/gofrs/flock"
)

// Mistakes that are found before anything is graded.
func TestGradeMistakes(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"no folder of submissions given":              {},
		"another folder with --out":                   {"--out", file, dir},
		"has no folders":                              {"--out", dir, dir},
		"find the submissions: ":                      {"--out", dir, filepath.Join(dir, "absent")},
		`there is no exercise "x"; the exercises are`: {"--out", dir, "--exercises", "x", dir},
		"leaves no time":                              {"--out", dir, "--timeout", "0s", dir},
		"memory limit of 1 MiB is too low":            {"--out", dir, "--memory", "1", dir},
	} {
		if err := gradeError(args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("grade %q: %v, want %q", args, err, want)
		}
	}
	t.Chdir(dir)
	if err := gradeError([]string{dir}); err == nil || !strings.Contains(err.Error(), "is not in a checkout of the course") {
		t.Errorf("outside of the course: %v", err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left %v, %v", left, err)
	}
}

// Two processes that grade into one folder would overwrite each other's grades.
func TestGradeLock(t *testing.T) {
	out := t.TempDir()
	path := filepath.Join(out, gradesLock)
	other := flock.New(path)
	if locked, err := other.TryLock(); !locked || err != nil {
		t.Fatal(locked, err)
	}
	absent := filepath.Join(out, "absent")
	if err := gradeError([]string{"--out", out, absent}); err == nil || !strings.Contains(err.Error(), "another process is grading into "+out) {
		t.Errorf("while another process grades: %v", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the other process's lock file: %v", err)
	}
	if err := other.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := gradeError([]string{"--out", out, absent}); err == nil || !strings.Contains(err.Error(), "find the submissions: ") {
		t.Errorf("after the other process has ended: %v", err)
	}
	if left, err := os.ReadDir(out); len(left) > 0 && runtime.GOOS != "windows" || err != nil {
		t.Errorf("left %v, %v", left, err)
	}
}

func gradeError(args []string) error {
	cmd := Command()
	cmd.SetArgs(append([]string{"grade"}, args...))
	cmd.SetOut(io.Discard)
	cmd.SetErr(io.Discard)
	return cmd.Execute()
}
