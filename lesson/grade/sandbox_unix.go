//go:build linux || darwin

package grade

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// command returns the command that runs the process: this program, with ChildCommand, which
// limits itself and then becomes the process.
func (s *Sandbox) command(ctx context.Context, p process) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program, to run it again: %w", err)
	}
	order, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encode what to run: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, ChildCommand, string(order))
	cmd.Env = []string{} // the environment of the process is in the order
	// A separate session has no terminal and can be ended as a whole.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	s.system.attributes(cmd.SysProcAttr, p.Limits.Shut)
	return cmd, nil
}

// endAll ends the command and everything that is left in its process group.
func endAll(cmd *exec.Cmd) error {
	if cmd.Process == nil {
		return nil
	}
	err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) || errors.Is(err, syscall.EPERM) { // EPERM: macOS, if all are dead
		return os.ErrProcessDone
	}
	return err
}

// ending returns the most memory that a process had, in bytes, and whether SIGKILL ended it.
func ending(state *os.ProcessState) (peak uint64, killed bool) {
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
		peak = uint64(usage.Maxrss) * maxrssUnit
	}
	status, ok := state.Sys().(syscall.WaitStatus)
	return peak, ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// Child limits this process as the order says and becomes the program in it. The order is
// the JSON of a process. Only the grader calls it, in a process of its own.
func Child(order string) {
	err := become(order)
	fmt.Fprintln(os.Stderr, childPrefix+err.Error())
	os.Exit(childFailed)
}

// become returns only if it fails.
func become(order string) error {
	var p process
	if err := json.Unmarshal([]byte(order), &p); err != nil {
		return fmt.Errorf("read the order: %w", err)
	}
	// Some of the limits apply to a thread. They stay when that thread becomes the program.
	runtime.LockOSThread()
	if err := setLimits(p.Limits); err != nil {
		return err
	}
	if err := confine(p); err != nil {
		return err
	}
	return fmt.Errorf("start %s: %w", p.Path, syscall.Exec(p.Path, append([]string{p.Path}, p.Args...), p.Env))
}

func setLimits(l limits) error {
	for _, limit := range append(memoryLimits(l.Memory),
		resource{"processor time", unix.RLIMIT_CPU, l.Processor},
		resource{"file size", unix.RLIMIT_FSIZE, l.FileSize},
		resource{"open files", unix.RLIMIT_NOFILE, l.Files}) {
		if limit.max == 0 {
			continue
		}
		if err := lower(limit); err != nil {
			return err
		}
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("limit core dumps: %w", err)
	}
	return nil
}

// resource is a limit of setrlimit.
type resource struct {
	name string
	id   int
	max  uint64
}

// lower sets a limit, unless a lower one is in force.
func lower(r resource) error {
	var now unix.Rlimit
	if err := unix.Getrlimit(r.id, &now); err != nil {
		return fmt.Errorf("limit %s: %w", r.name, err)
	}
	// syscall, not unix: the runtime restores the limit on open files before exec unless it was
	// set through syscall.
	limit := min(r.max, now.Max)
	if err := syscall.Setrlimit(r.id, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
		return fmt.Errorf("limit %s: %w", r.name, err)
	}
	return nil
}
