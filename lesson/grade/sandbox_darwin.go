package grade

import (
	"context"
	"syscall"

	"golang.org/x/sys/unix"
)

// systemSandbox is empty: the one that macOS has for an unsigned program,
// /usr/bin/sandbox-exec, is deprecated, and not used here.
type systemSandbox struct{}

func (systemSandbox) attributes(*syscall.SysProcAttr, bool) {}

// confine has nothing to confine with.
func confine(process) error { return nil }

// memoryLimits are none: macOS does not hold to those of setrlimit.
func memoryLimits(uint64) []resource { return nil }

// systemMemory is how much memory the machine has.
func systemMemory() uint64 {
	total, _ := unix.SysctlUint64("hw.memsize")
	return total
}

// newSandbox finds out what this system can do.
func newSandbox(context.Context) (*Sandbox, error) { return &Sandbox{}, nil }
