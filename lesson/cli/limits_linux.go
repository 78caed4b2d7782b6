package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// A Go program that runs out of memory cannot recover: the runtime writes pages of stack traces to
// file descriptor 2 and exits. If memory is limited (ulimit -v), a second process reads what is written
// there and replaces the traces by one line. This works for every command, however much it needs.

// watchName is the name of the hidden command that the second process runs.
const watchName = "watch-memory"

// watchCommand reads what the runtime of the first process writes.
func watchCommand() *cobra.Command {
	return &cobra.Command{
		Use:    watchName,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// Signals are for the first process; this one exits after it.
			signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
			return watchMemory(cmd.InOrStdin(), os.Stderr, memoryLimit())
		},
	}
}

// memoryLimit returns the limit on this process's address space in bytes, or 0 if there is none.
func memoryLimit() uint64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_AS, &limit); err != nil || limit.Cur == unix.RLIM_INFINITY {
		return 0
	}
	return limit.Cur
}

// limitAdvice says how to raise the limit that led to the error. It returns "" if none did.
func limitAdvice(err error) string {
	switch {
	case errors.Is(err, unix.EMFILE):
		return "raise the limit on open files with: ulimit -n 1024"
	case errors.Is(err, unix.ENOMEM) && memoryLimit() > 0:
		return fmt.Sprintf("virtual memory is limited to %d MiB; %s", memoryLimit()>>20, moreMemory)
	}
	return ""
}

const moreMemory = "raise the limit with: ulimit -v unlimited"

// explainMemory starts the second process if memory is limited. From then on os.Stderr is not the
// descriptor that the runtime writes to. If the process cannot be started, the traces are not replaced.
func explainMemory() {
	if memoryLimit() == 0 || slices.Contains(os.Args, watchName) { // nobody watches the watcher
		return
	}
	program, err := os.Executable()
	if err != nil {
		return
	}
	read, write, err := os.Pipe()
	if err != nil {
		return
	}
	defer read.Close()
	defer write.Close()
	watch := exec.Command(program, watchName)
	watch.Stdin, watch.Stderr = read, os.Stderr
	descriptor, err := unix.FcntlInt(os.Stderr.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return
	}
	if err := watch.Start(); err != nil {
		unix.Close(descriptor)
		return
	}
	if err := unix.Dup3(int(write.Fd()), syscall.Stderr, 0); err != nil {
		unix.Close(descriptor)
		return
	}
	os.Stderr = os.NewFile(uintptr(descriptor), os.Stderr.Name())
}

// watchMemory copies r to w up to the first line that says that memory ran out. It replaces that line
// and everything after it by one line. limit is in bytes.
func watchMemory(r io.Reader, w io.Writer, limit uint64) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if outOfMemory(line) {
			fmt.Fprintf(w, "lesson: out of memory: virtual memory is limited to %d MiB; %s\n", limit>>20, moreMemory)
			_, err = io.Copy(io.Discard, lines)
			return err
		}
		if _, err := io.WriteString(w, line); err != nil {
			return err
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// outOfMemory reports whether a line from Go's runtime, cgo or C++ says that memory ran out. If a
// thread cannot be created, there is no memory for its stack.
func outOfMemory(line string) bool {
	for _, start := range []string{"fatal error: ", "runtime: ", "runtime/cgo: ", "terminate called "} {
		if !strings.HasPrefix(line, start) {
			continue
		}
		for _, part := range []string{"out of memory", "cannot allocate", "cannot map", "failed to reserve", "failed to create new OS thread", "pthread_create failed", "bad_alloc"} {
			if strings.Contains(line, part) {
				return true
			}
		}
	}
	return false
}
