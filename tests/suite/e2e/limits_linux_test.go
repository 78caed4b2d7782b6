package e2e

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// limited runs the lesson command in a folder of its own, under a limit set by the shell.
func limited(t *testing.T, limit string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := exec.Command("sh", append([]string{"-c", "ulimit " + limit + ` && exec "$0" "$@"`, binary}, args...)...)
	cmd.Dir = t.TempDir()
	var out, errOut strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err = cmd.Run()
	return out.String(), errOut.String(), err
}

// TestFewFiles checks that too few open files are an error in one line.
func TestFewFiles(t *testing.T) {
	t.Parallel()
	for files := 5; files < 16; files++ { // with fewer, the system's loader may fail
		limit := strconv.Itoa(files)
		_, stderr, err := limited(t, "-n "+limit, "summary")
		if want := "lesson: open files are limited to " + limit + ", "; err == nil || !strings.HasPrefix(stderr, want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("with %d open files: %v, got\n%s", files, err, stderr)
		}
	}
	train := []string{"train", "--model", "resnet8", "--data", "builtin", "--subset", "10/class", "--batch", "50", "--epochs", "1", "--run", "run"}
	if _, stderr, err := limited(t, "-n 16", train...); err != nil {
		t.Errorf("with 16 open files: %v, got\n%s", err, stderr)
	}
}

// TestLittleMemory checks that commands work with the memory they need, and that running out of it is
// an error in one line.
func TestLittleMemory(t *testing.T) {
	t.Parallel()
	if stdout, stderr, err := limited(t, "-v 1500000", "summary", "--model", "resnet18"); err != nil || !strings.Contains(stdout, "layer4.1") || stderr != "" {
		t.Errorf("a summary: %v, got\n%s%s", err, stdout, stderr)
	}
	big := []string{"train", "--model", "resnet50", "--data", "builtin", "--subset", "60/class", "--batch", "512", "--epochs", "1", "--run", "run"}
	_, stderr, err := limited(t, "-v 1600000", big...)
	if err == nil || !strings.HasPrefix(stderr, "lesson: ") || strings.Count(stderr, "\n") != 1 ||
		!strings.Contains(stderr, "virtual memory is limited to 1562 MiB; raise the limit with: ulimit -v unlimited") {
		t.Errorf("a training that needs more: %v, got\n%s", err, stderr)
	}
	// Output that is not about memory is not changed.
	if _, stderr, err := limited(t, "-v 3000000", "summary", "--model", "resnet19"); err == nil || !strings.HasPrefix(stderr, "lesson: ") || strings.Contains(stderr, "memory") {
		t.Errorf("a mistake in a flag: %v, got\n%s", err, stderr)
	}
}
