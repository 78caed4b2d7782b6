package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

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
