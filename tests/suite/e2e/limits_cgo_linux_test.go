//go:build cgo

package e2e

import (
	"strings"
	"testing"
)

// TestTooLittleMemoryToStart checks the check that is written in C.
func TestTooLittleMemoryToStart(t *testing.T) {
	t.Parallel()
	for limit, want := range map[string]string{
		"-v 100000":  "virtual memory is limited to 97 MiB",
		"-v 500000":  "virtual memory is limited to 488 MiB",
		"-v 1250000": "virtual memory is limited to 1220 MiB",
	} {
		_, stderr, err := limited(t, limit, "summary")
		if err == nil || !strings.HasPrefix(stderr, "lesson: "+want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("under ulimit %s: %v, got\n%s", limit, err, stderr)
		}
	}
}
