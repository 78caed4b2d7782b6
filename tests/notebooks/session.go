package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// session is a run of Jupyter with a folder of its own for everything temporary: the files by
// which kernels are reached, and what GoNB compiles. Kernels are in process groups of their own, so
// they survive a Jupyter that is killed; the session ends them too.
type session struct {
	dir string
}

func newSession() (*session, error) {
	dir, err := os.MkdirTemp("", "notebooks-")
	if err != nil {
		return nil, fmt.Errorf("temporary folder for Jupyter: %w", err)
	}
	for _, name := range []string{"runtime", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
	}
	return &session{dir}, nil
}

// jupyter returns the command of [course.jupyter] inside the session. When the context is done,
// Jupyter is asked to stop, which ends its kernels, and is killed if it does not.
func (s *session) jupyter(ctx context.Context, c *course, args ...string) *exec.Cmd {
	cmd := c.jupyter(ctx, args...)
	cmd.Env = append(cmd.Env,
		"JUPYTER_RUNTIME_DIR="+filepath.Join(s.dir, "runtime"),
		"TMPDIR="+filepath.Join(s.dir, "tmp"),
	)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// end ends the processes of the session that are still running, and removes its folder.
func (s *session) end() error {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		for range 30 {
			left := s.processes()
			if len(left) == 0 {
				break
			}
			for _, process := range left {
				_ = process.Signal(signal) // an error means that it has just ended
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("remove Jupyter's temporary files: %w", err)
	}
	return nil
}

// processes returns the running processes whose command line names a file of the session, as those
// of kernels and compiled cells do. Where there is no /proc it finds none, and Jupyter alone has to
// end its kernels.
func (s *session) processes() []*os.Process {
	paths, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	var found []*os.Process
	for _, path := range paths {
		line, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(line, []byte(s.dir+string(filepath.Separator))) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil || pid == os.Getpid() {
			continue
		}
		if process, err := os.FindProcess(pid); err == nil {
			found = append(found, process)
		}
	}
	return found
}
