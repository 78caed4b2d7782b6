//go:build cgo

package e2e

import (
	"os/exec"
	"strings"
	"testing"
)

// Limits under which Go's runtime cannot start are an error in one line.
func TestLimits(t *testing.T) {
	t.Parallel()
	for limit, want := range map[string]string{
		"-v 500000":  "virtual memory is limited to 488 MiB",
		"-v 1500000": "virtual memory is limited to 1464 MiB",
		"-n 6":       "open files are limited to 6",
	} {
		output, err := exec.Command("sh", "-c", "ulimit "+limit+" && exec "+binary+" summary").CombinedOutput()
		if text := string(output); err == nil || !strings.HasPrefix(text, "lesson: "+want) || strings.Count(text, "\n") != 1 {
			t.Errorf("under ulimit %s: %v, got\n%s", limit, err, text)
		}
	}
}
