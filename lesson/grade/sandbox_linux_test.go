package grade

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestKilledGrader kills a grader as nothing can prepare for: what it runs ends with it.
func TestKilledGrader(t *testing.T) {
	scratch := t.TempDir()
	running := func() bool {
		commands, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, path := range commands {
			if command, err := os.ReadFile(path); err == nil && bytes.Contains(command, []byte("\x00wait\x00"+scratch)) {
				return true
			}
		}
		return false
	}
	within := func(limit time.Duration, what string, done func() bool) {
		t.Helper()
		for start := time.Now(); !done(); time.Sleep(20 * time.Millisecond) {
			if time.Since(start) > limit {
				t.Fatal("waited in vain for " + what)
			}
		}
	}
	grader := exec.Command(os.Args[0], "run", scratch)
	if err := grader.Start(); err != nil {
		t.Fatal(err)
	}
	defer grader.Wait()
	defer grader.Process.Kill()
	within(20*time.Second, "its program to run", running)
	if err := grader.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	within(20*time.Second, "its program to end", func() bool { return !running() })
}

// TestSandboxSays what it is, whatever the system has.
func TestSandboxSays(t *testing.T) {
	for want, s := range map[string]Sandbox{
		"submissions are kept from the network, files, other processes":                                                                  {Network: true, Files: true, Processes: true},
		"this system cannot keep them from the network, files, other processes, only the list of imports does":                           {},
		"submissions are kept from the network, other processes; this system cannot keep them from files, only the list of imports does": {Network: true, Processes: true},
	} {
		if got := s.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
