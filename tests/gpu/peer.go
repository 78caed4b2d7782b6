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

// peer is a process that measures. It takes a few steps and prints a record of event ready;
// then, for every line that it reads, a number of seconds, it takes steps for about that
// long and prints a record of event window. It ends when there is no more to read.
type peer struct {
	name   string
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout io.ReadCloser
	lines  chan []byte // what it prints; closed at the end
	log    *tail
}

// How long may be waited for a process: for all the compiling of its first step, and, beyond
// the seconds it was told, for a window.
const (
	startLimit  = 5 * time.Minute
	windowLimit = time.Minute
)

// startPeer starts a process, with the variables added to this one's environment.
func startPeer(ctx context.Context, name string, args, variables []string) (*peer, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), variables...)
	p := &peer{name: name, cmd: cmd, lines: make(chan []byte), log: &tail{}}
	cmd.Stderr = p.log
	// Ours removes what it has on the disk before it ends.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	// Helpers that it leaves running, as torch.compile's, must not be waited for.
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

// errEnded is what line and next return when the process has printed its last.
var errEnded = errors.New("ended")

// line returns the next line of JSON that the process prints. That it ended without an error
// is errEnded; a failure has the last line it printed on standard error, where programs put
// the reason.
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
		return nil, fmt.Errorf("%s said nothing for %v", p.name, limit)
	}
}

// next returns the next record that the process prints, in the way of line.
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

// measure has the process take steps for so many seconds.
func (p *peer) measure(seconds float64) (record, error) {
	// An error of this pipe is that of a process that has ended; next says why.
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

// close ends the process and waits until it, and so its memory on the device, is gone.
func (p *peer) close() {
	// It may have ended by itself, and then there is no more to do.
	_ = p.stdin.Close()
	late := time.AfterFunc(20*time.Second, func() {
		p.kill()
		_ = p.stdout.Close() // a helper that it left running may hold the other end
	})
	defer late.Stop()
	for range p.lines {
	}
	_ = p.cmd.Wait()
}

func (p *peer) kill() { _ = p.cmd.Process.Kill() }

// tail keeps the end of what is written to it.
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

// reason is the last line, or the last that says that memory ran out, which programs tend to
// follow with advice.
func (t *tail) reason() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := "it gave no reason"
	for line := range bytes.Lines(t.text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && !outOfMemory(last) {
			last = string(line)
		}
	}
	return fmt.Sprintf("%.400s", last)
}

// outOfMemory reports whether text is PyTorch's, JAX's or ours of that there was not enough
// memory on the device.
func outOfMemory(text string) bool {
	for _, mark := range []string{"out of memory", "Out of memory", "OutOfMemory", "RESOURCE_EXHAUSTED", "too little GPU memory"} {
		if strings.Contains(text, mark) {
			return true
		}
	}
	return false
}
