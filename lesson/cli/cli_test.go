package cli

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestQuoted(t *testing.T) {
	for path, want := range map[string]string{
		"runs/resnet20-fast_1.2": "runs/resnet20-fast_1.2",
		"läufe/größe":            "läufe/größe",
		"my runs/1":              "'my runs/1'",
		"it's":                   `'it'\''s'`,
		"$HOME":                  "'$HOME'",
		"":                       "''",
	} {
		if got := quoted(path); got != want {
			t.Errorf("quoted(%q) = %s, want %s", path, got, want)
		}
	}
}

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

func TestFreeRun(t *testing.T) {
	t.Chdir(t.TempDir())
	for i := 1; i <= 3; i++ {
		want := filepath.Join("runs", fmt.Sprintf("net-%d", i))
		if got := freeRun("net"); got != want {
			t.Errorf("the free run is %s, want %s", got, want)
		}
		if err := os.MkdirAll(want, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := freeRun("other"), filepath.Join("runs", "other-1"); got != want {
		t.Errorf("the free run is %s, want %s", got, want)
	}
}

// The search ends even where there can be no folder for runs.
func TestFreeRunEnds(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("runs", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	found := make(chan string)
	go func() { found <- freeRun("net") }()
	select {
	case got := <-found:
		if want := filepath.Join("runs", "net-1"); got != want {
			t.Errorf("the free run is %s, want %s", got, want)
		}
	case <-time.After(10 * time.Second):
		t.Error("the search for a free run does not end")
	}
}
