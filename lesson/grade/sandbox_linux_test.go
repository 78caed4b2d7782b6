package grade

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// waiter builds a program that waits and, like a submission, needs no other file.
func waiter(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	put(t, dir, "wait.go", "package main\n\nimport \"time\"\n\nfunc main() { time.Sleep(time.Minute) }\n")
	program := filepath.Join(dir, "wait")
	build := exec.Command("go", "build", "-o", program, "wait.go")
	build.Dir, build.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return program
}

// running returns the folder below /proc of the process that runs the program, "" if none does.
func running(program string) string {
	commands, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range commands {
		if command, err := os.ReadFile(path); err == nil && bytes.HasPrefix(command, []byte(program+"\x00")) {
			return filepath.Dir(path)
		}
	}
	return ""
}

func within(t *testing.T, limit time.Duration, what string, done func() bool) {
	t.Helper()
	for start := time.Now(); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Since(start) > limit {
			t.Fatalf("waited %v for %s", limit, what)
		}
	}
}

// TestKilledGrader kills a grader, which it cannot handle: what it runs must end too.
func TestKilledGrader(t *testing.T) {
	program := waiter(t)
	grader := exec.Command(os.Args[0], "run", program)
	if err := grader.Start(); err != nil {
		t.Fatal(err)
	}
	defer grader.Wait()
	defer grader.Process.Kill()
	within(t, 20*time.Second, "its program to run", func() bool { return running(program) != "" })
	if err := grader.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	within(t, 20*time.Second, "its program to end", func() bool { return running(program) == "" })
}

// TestRightsInTheSandbox looks at the rights of a program in the sandbox, with namespaces and
// without: it has no capabilities, and it is the first to be ended when memory runs out.
func TestRightsInTheSandbox(t *testing.T) {
	program := waiter(t)
	best, err := newSandbox(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, sandbox := range []*Sandbox{best, {}} {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			_, err := sandbox.run(ctx, process{Path: program, Limits: limits{Shut: true}})
			ended <- err
		}()
		var process string
		within(t, 20*time.Second, "the program to run", func() bool { process = running(program); return process != "" })
		status, err := os.ReadFile(filepath.Join(process, "status"))
		if err != nil {
			t.Error(err)
		}
		for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
			if !strings.Contains(string(status), "\n"+set+":\t0000000000000000\n") {
				t.Errorf("namespaces %x: some of %s are left:\n%s", sandbox.system.namespaces, set, status)
			}
		}
		if score, err := os.ReadFile(filepath.Join(process, "oom_score_adj")); err != nil || string(score) != "1000\n" {
			t.Errorf("namespaces %x: oom_score_adj %q, %v", sandbox.system.namespaces, score, err)
		}
		cancel()
		if err := <-ended; err != context.Canceled {
			t.Errorf("ended with %v", err)
		}
	}
}

// TestSandboxString tests the description of a sandbox.
func TestSandboxString(t *testing.T) {
	for want, s := range map[string]Sandbox{
		"submissions are kept from the network, files and other processes":                                                                          {Network: true, Files: true, Processes: true},
		"this system cannot keep submissions from the network, files and other processes; only the list of allowed imports does":                    {},
		"submissions are kept from the network and other processes; this system cannot keep them from files, only the list of allowed imports does": {Network: true, Processes: true},
	} {
		if got := s.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
