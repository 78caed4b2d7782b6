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

// limits are those of a process. Zero is no limit.
type limits struct {
	// Time is by the clock.
	Time time.Duration `json:"-"`
	// Memory is in bytes, Processor in seconds on all processors together, FileSize in
	// bytes, Files in open files.
	Memory, Processor, FileSize, Files uint64
	// Shut is whether the process is shut off from files, the network and other processes.
	Shut bool
}

// process is a program to run with limits.
type process struct {
	// Path is the program, Args what it is given, Env all of its environment.
	Path string
	Args []string
	Env  []string
	// Dir is the folder it runs in. If it is Shut it may not write there either.
	Dir string `json:"-"`
	// Input is its standard input.
	Input  []byte `json:"-"`
	Limits limits
}

// outcome is how a process ended.
type outcome struct {
	// exit is its code, or −1 if a signal ended it.
	exit int
	// how says the same in words.
	how string
	// timedOut is whether it was ended for taking too long.
	timedOut bool
	// output and errors are what it wrote, each up to a limit.
	output, errors []byte
}

// Of what a process writes, this much is kept.
const (
	maxOutput = 4 << 20
	maxErrors = 64 << 10
)

// run runs the process to its end and leaves none of its children behind. The error is of
// the grader: that the program failed, or was ended for taking too long, is none.
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
	cmd.WaitDelay = 2 * time.Second // for what a child of the process may hold open
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.Path, err)
	}
	// What Wait says of a program that failed is in ProcessState.
	waited := cmd.Wait()
	_ = endAll(cmd) // children of it that are left
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if cmd.ProcessState == nil {
		return nil, fmt.Errorf("wait for %s: %w", p.Path, waited)
	}
	return &outcome{
		exit: cmd.ProcessState.ExitCode(), how: cmd.ProcessState.String(),
		timedOut: errors.Is(limited.Err(), context.DeadlineExceeded),
		output:   output.kept(), errors: errs.kept(),
	}, nil
}

// capture keeps up to limit of the bytes written to it: the first ones or, with keepEnd,
// half of it the first ones and half the last. It takes the rest and drops it, so that a
// process that writes without end is neither held up nor kept.
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

// kept returns what is left of what was written.
func (c *capture) kept() []byte {
	if c.dropped {
		return []byte(string(c.begin) + "\n…\n" + string(c.end))
	}
	return append(c.begin, c.end...)
}

// fatal returns what Go said when the process ended by a panic or a fatal error.
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

// failedToStart is why a child did not become its program, nil if it did.
func (o *outcome) failedToStart() error {
	message, ok := strings.CutPrefix(string(o.errors), childPrefix)
	if !ok || o.exit != childFailed {
		return nil
	}
	return errors.New(printable.Line(message))
}
