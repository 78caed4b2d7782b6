package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// left requires that a run of Jupyter has left nothing behind: no process that names a file in the
// temporary folder, and no file there or in Jupyter's own folder. It returns the function that
// checks this.
func left(t *testing.T) (check func()) {
	t.Helper()
	temporary, data := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", temporary)
	t.Setenv("JUPYTER_DATA_DIR", data)
	return func() {
		t.Helper()
		for _, process := range (&session{temporary}).processes() {
			line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", process.Pid))
			t.Errorf("process %d is still running %s", process.Pid, line)
			_ = process.Kill()
		}
		for _, dir := range []string{temporary, filepath.Join(data, "runtime")} {
			entries, _ := os.ReadDir(dir)
			for _, entry := range entries {
				t.Errorf("%s is left in %s", entry.Name(), dir)
			}
		}
	}
}

// A kernel that Jupyter has not ended is ended with the session.
func TestSessionEndsItsProcesses(t *testing.T) {
	if _, err := os.Stat("/proc/self/cmdline"); err != nil {
		t.Skip("there is no /proc")
	}
	nothing := left(t)
	s, err := newSession()
	if err != nil {
		t.Fatal(err)
	}
	// The shell ignores SIGTERM, as a kernel that hangs does.
	kernel := exec.Command("sh", "-c", "trap '' TERM; while :; do sleep 0.1; done", filepath.Join(s.dir, "runtime", "kernel.json"))
	if err := kernel.Start(); err != nil {
		t.Fatal(err)
	}
	go kernel.Wait()
	if found := s.processes(); len(found) != 1 || found[0].Pid != kernel.Process.Pid {
		t.Errorf("found %v, want process %d", found, kernel.Process.Pid)
	}
	if err := s.end(); err != nil {
		t.Error(err)
	}
	nothing()
}

// Neither a notebook that is interrupted nor Jupyter's server leave a kernel or files behind.
func TestJupyterLeavesNothing(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	c := ready(t, ctx)
	t.Run("an interrupted notebook", func(t *testing.T) {
		nothing := left(t)
		path := filepath.Join(t.TempDir(), "sleep.ipynb")
		started := filepath.Join(t.TempDir(), "started")
		writeNotebook(t, path, "import (\n\"os\"\n\"time\"\n)\n\n%%\nos.WriteFile(\""+started+"\", nil, 0o644)\ntime.Sleep(time.Hour)")
		ctx, interrupt := context.WithCancel(ctx)
		go func() {
			for ctx.Err() == nil {
				if _, err := os.Stat(started); err == nil {
					interrupt()
				}
				time.Sleep(50 * time.Millisecond)
			}
		}()
		_, err := c.run(ctx, path)
		if err == nil {
			t.Error("no error for an interrupted notebook")
		}
		if _, statErr := os.Stat(started); statErr != nil {
			t.Errorf("the notebook ended before its cell ran: %v", err)
		}
		nothing()
	})
	t.Run("a server", func(t *testing.T) {
		nothing := left(t)
		t.Run("with a kernel", func(t *testing.T) {
			address := serve(t, ctx, c, t.TempDir())
			request, err := http.NewRequestWithContext(ctx, "POST", address+"api/kernels", bytes.NewReader([]byte(`{"name": "gonb"}`)))
			if err != nil {
				t.Fatal(err)
			}
			// Jupyter wants to see that the sender can read its cookie.
			request.AddCookie(&http.Cookie{Name: "_xsrf", Value: "ab"})
			request.Header.Set("X-XSRFToken", "ab")
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != http.StatusCreated {
				t.Fatalf("start a kernel: %s", response.Status)
			}
			time.Sleep(time.Second) // the kernel makes its folder
		})
		nothing()
	})
}
