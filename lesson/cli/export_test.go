package cli

import (
	"net"
	"os"
	"strings"
	"testing"
)

// With --force a file may be overwritten, but nothing else.
func TestCheckFree(t *testing.T) {
	t.Chdir(t.TempDir())
	listener, err := net.Listen("unix", "socket")
	if err != nil {
		t.Skip(err)
	}
	defer listener.Close()
	if err := os.WriteFile("file", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("file", "link"); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"socket": "socket is a device or a pipe", "file": "", "link": "", ".": ". is a folder", "new": ""} {
		if err := checkFree(path, true); (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("checkFree(%q, true): error %v, want %q", path, err, want)
		}
	}
}
