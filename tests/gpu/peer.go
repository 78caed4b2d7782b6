package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// peer is a process that measures. First it takes a few steps and prints a record with the event
// "ready". Then it reads lines, each a number of seconds; for each it takes steps for about that long
// and prints a record with the event "window". It ends at the end of its input.
type peer struct {
	name   string
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout io.ReadCloser
	lines  chan []byte // its output; closed at the end
	log    *tail
}

// How long to wait for a process: until its first step is compiled, and beyond the length of a window.
const (
	startLimit  = 5 * time.Minute
	windowLimit = time.Minute
)

// startPeer starts a process with the variables added to this process's environment.
func startPeer(ctx context.Context, name string, args, variables []string) (*peer, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), variables...)
	p := &peer{name: name, cmd: cmd, lines: make(chan []byte), log: &tail{}}
	cmd.Stderr = p.log
	// Interrupted rather than killed: our process removes its files first.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	// Do not wait for helper processes that it leaves running, such as torch.compile's.
	cmd.WaitDelay = 5 * time.Second
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p.stdin, p.stdout = stdin, stdout
	go func() {
		defer close(p.lines)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if line := bytes.TrimSpace(lines.Bytes()); bytes.HasPrefix(line, []byte("{")) {
				p.lines <- bytes.Clone(line)
			}
		}
	}()
	return p, nil
}

// errEnded is the error of line and next at the end of the process's output.
var errEnded = errors.New("ended")

// line returns the next line of JSON that the process prints, or errEnded if it has ended without an
// error. The error for a failed process has the last line of its standard error, which usually says
// why.
func (p *peer) line(limit time.Duration) ([]byte, error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case line, more := <-p.lines:
		if more {
			return line, nil
		}
		if err := p.cmd.Wait(); err != nil {
			return nil, fmt.Errorf("%s: %w: %s", p.name, err, p.log.reason())
		}
		return nil, errEnded
	case <-timer.C:
		p.kill()
		return nil, fmt.Errorf("%s printed nothing for %v", p.name, limit)
	}
}

// next returns the next record that the process prints, with the errors of line.
func (p *peer) next(limit time.Duration) (record, error) {
	line, err := p.line(limit)
	if err != nil {
		return record{}, err
	}
	var r record
	if err := json.Unmarshal(line, &r); err != nil {
		return record{}, fmt.Errorf("%s printed %.80q, want a record: %w", p.name, line, err)
	}
	return r, nil
}

// measure lets the process take steps for the given number of seconds.
func (p *peer) measure(seconds float64) (record, error) {
	// Writing fails if the process has ended; next returns the reason.
	_, _ = fmt.Fprintln(p.stdin, seconds)
	r, err := p.next(windowLimit + time.Duration(seconds*float64(time.Second)))
	if err == errEnded {
		return r, fmt.Errorf("%s ended before it was told to: %s", p.name, p.log.reason())
	}
	if err == nil && (r.Steps < 1 || !(r.Seconds > 0)) {
		return r, fmt.Errorf("%s took %d steps in %g seconds", p.name, r.Steps, r.Seconds)
	}
	return r, err
}

// close ends the process and waits until it, and with it its memory on the device, is gone.
func (p *peer) close() {
	// An error means that it has ended already.
	_ = p.stdin.Close()
	late := time.AfterFunc(20*time.Second, func() {
		p.kill()
		_ = p.stdout.Close() // a helper process may still hold the other end
	})
	defer late.Stop()
	for range p.lines {
	}
	_ = p.cmd.Wait()
}

func (p *peer) kill() { _ = p.cmd.Process.Kill() }

// tail keeps the end of the data written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(text []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, text...)
	if n := len(t.text); n > 1<<16 {
		t.text = bytes.Clone(t.text[n-1<<15:])
	}
	return len(text), nil
}

// reason returns the last line or, since advice tends to follow it, the first line about a lack of
// memory.
func (t *tail) reason() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := "no reason given"
	for line := range bytes.Lines(t.text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && !outOfMemory(last) {
			last = string(line)
		}
	}
	return fmt.Sprintf("%.400s", last)
}

// outOfMemory reports whether text is an error of PyTorch, JAX or ours about a lack of memory on the
// device.
func outOfMemory(text string) bool {
	for _, mark := range []string{"out of memory", "Out of memory", "OutOfMemory", "RESOURCE_EXHAUSTED", "too little memory"} {
		if strings.Contains(text, mark) {
			return true
		}
	}
	return false
}
