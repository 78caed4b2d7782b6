package grade

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/residual-go/residual/pkg/printable"
)

// limits are the limits of a process; 0 means no limit.
type limits struct {
	// Time is the time limit, by the clock.
	Time time.Duration `json:"-"`
	// Memory and FileSize are in bytes, Processor in seconds, added up over all processors,
	// and Files is the number of open files.
	Memory, Processor, FileSize, Files uint64
	// Shut is whether to shut the process off from files, the network and other processes.
	Shut bool
}

// process is a program to run with limits.
type process struct {
	// Path is the program, Args are its arguments, Env is its whole environment.
	Path string
	Args []string
	Env  []string
	// Dir is the working folder. A process that is Shut cannot write there either.
	Dir string `json:"-"`
	// Input is the standard input.
	Input  []byte `json:"-"`
	Limits limits
}

// outcome is how a process ended.
type outcome struct {
	// exit is the exit code, or −1 if a signal ended the process.
	exit int
	// how says the same in words.
	how string
	// killed is whether it was ended by SIGKILL, and peak the most memory that it had, in bytes,
	// or 0 if unknown.
	killed bool
	peak   uint64
	// timedOut is whether the process was ended for taking too long.
	timedOut bool
	// output and errors are what it wrote to the standard output and the standard error, up
	// to maxOutput and maxErrors bytes.
	output, errors []byte
}

// How many bytes are kept of what a process writes.
const (
	maxOutput = 4 << 20
	maxErrors = 64 << 10
)

// run runs the process to its end and ends all of its children that are left. A program that
// fails or takes too long is not an error.
func (s *Sandbox) run(ctx context.Context, p process) (*outcome, error) {
	limited := ctx
	if p.Limits.Time > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, p.Limits.Time)
		defer cancel()
	}
	cmd, err := s.command(limited, p)
	if err != nil {
		return nil, err
	}
	output, errs := &capture{limit: maxOutput}, &capture{limit: maxErrors, keepEnd: true}
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = p.Dir, bytes.NewReader(p.Input), output, errs
	cmd.Cancel = func() error { return endAll(cmd) }
	cmd.WaitDelay = 2 * time.Second // a child may hold the output open
	if err := cmd.Start(); err != nil {
		if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
			// A machine so busy that the time was up before the start.
			return &outcome{exit: -1, how: "not started in time", timedOut: true}, nil
		}
		return nil, fmt.Errorf("start %s: %w", p.Path, err)
	}
	// If the program fails, ProcessState says how, so Wait's error is not needed.
	waited := cmd.Wait()
	_ = endAll(cmd) // ends children that are left
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if cmd.ProcessState == nil {
		return nil, fmt.Errorf("wait for %s: %w", p.Path, waited)
	}
	peak, killed := ending(cmd.ProcessState)
	return &outcome{
		peak: peak, killed: killed,
		exit: cmd.ProcessState.ExitCode(), how: cmd.ProcessState.String(),
		timedOut: errors.Is(limited.Err(), context.DeadlineExceeded),
		output:   output.kept(), errors: errs.kept(),
	}, nil
}

// capture is a writer that keeps at most limit bytes: the first ones or, with keepEnd, half of
// them from the beginning and half from the end. It drops the rest, so that a process that
// writes without end neither blocks nor fills the memory.
type capture struct {
	limit   int
	keepEnd bool

	begin, end []byte
	dropped    bool
}

func (c *capture) Write(p []byte) (int, error) {
	first := c.limit
	if c.keepEnd {
		first /= 2
	}
	rest := p
	if room := first - len(c.begin); room > 0 {
		n := min(room, len(rest))
		c.begin = append(c.begin, rest[:n]...)
		rest = rest[n:]
	}
	if !c.keepEnd {
		return len(p), nil
	}
	last := c.limit - first
	if len(rest) > last {
		rest, c.dropped, c.end = rest[len(rest)-last:], true, c.end[:0]
	}
	if over := len(c.end) + len(rest) - last; over > 0 {
		c.end, c.dropped = append(c.end[:0], c.end[over:]...), true
	}
	c.end = append(c.end, rest...)
	return len(p), nil
}

// kept returns the bytes that were kept.
func (c *capture) kept() []byte {
	if c.dropped {
		return []byte(string(c.begin) + "\n…\n" + string(c.end))
	}
	return append(c.begin, c.end...)
}

// fatal returns what Go printed if a panic or a fatal error ended the process.
func (o *outcome) fatal() string {
	lines := strings.Split(string(o.errors), "\n")
	for i, line := range lines {
		for _, begin := range []string{"panic: ", "fatal error: "} {
			if !strings.HasPrefix(line, begin) {
				continue
			}
			end := i + 1
			for end < len(lines) && end < i+5 && lines[end] != "" {
				end++
			}
			return strings.Join(lines[i:end], "\n")
		}
	}
	return ""
}

// failedToStart returns why a child could not become its program, or nil if it did.
func (o *outcome) failedToStart() error {
	message, ok := strings.CutPrefix(string(o.errors), childPrefix)
	if !ok || o.exit != childFailed {
		return nil
	}
	return errors.New(printable.Line(message))
}
