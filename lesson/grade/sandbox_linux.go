package grade

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// systemSandbox has the namespaces that the system lets us create, as flags of clone.
type systemSandbox struct {
	namespaces uintptr
}

// attributes sets the namespaces of a new process. In its user namespace the process is the
// user nobody, which outside stands for the user who runs the grader.
func (s systemSandbox) attributes(a *syscall.SysProcAttr, shut bool) {
	a.Pdeathsig = syscall.SIGKILL // in case the grader is killed
	if !shut {
		return
	}
	a.Cloneflags = s.namespaces
	if s.namespaces&unix.CLONE_NEWUSER != 0 {
		const nobody = 65534
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Geteuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getegid(), Size: 1}}
	}
}

// maxrssUnit is the unit, in bytes, in which the system counts the memory of a process.
const maxrssUnit = 1 << 10

// newSandbox finds out what this system can do by trying it.
func newSandbox(ctx context.Context) (*Sandbox, error) {
	const apart = unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWIPC
	var last error
	// Without a user namespace only root can create the others. Containers and some
	// distributions allow neither.
	for _, namespaces := range []uintptr{unix.CLONE_NEWUSER | apart, apart, 0} {
		s := &Sandbox{system: systemSandbox{namespaces}}
		result, err := s.run(ctx, process{Path: probe, Limits: limits{Memory: 1 << 30, Shut: true}})
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err == nil {
			err = json.Unmarshal(result.output, s)
		}
		if err == nil {
			s.Network = s.Network || namespaces != 0
			return s, nil
		}
		last = err
		if result != nil && result.failedToStart() != nil {
			last = result.failedToStart()
		}
	}
	return nil, fmt.Errorf("try the sandbox: %w", last)
}

// probe, as the program of a process, makes the child report what is in force.
const probe = "probe"

// memoryLimits returns limits on the memory that a process can write to and, with room to
// spare, on its address space: Go reserves about 1 GiB of addresses that it never uses.
func memoryLimits(bytes uint64) []resource {
	if bytes == 0 {
		return nil
	}
	return []resource{{"memory", unix.RLIMIT_DATA, bytes}, {"address space", unix.RLIMIT_AS, bytes + 4<<30}}
}

// confine makes this thread, and the program that it becomes, end when the grader ends. If
// the process is to be shut, confine also shuts it off from files, the network and other
// processes, as far as the system can.
func confine(p process) error {
	// The grader asked for this when it started the process (Pdeathsig), but it applies to
	// the first thread, and this may be another one.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("ask for a signal when the grader ends: %w", err)
	}
	// If the system runs out of memory, it should end this process before the grader. Not
	// every system has this file.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
	if !p.Limits.Shut {
		return nil
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up new privileges: %w", err)
	}
	done := Sandbox{Memory: true}
	var err error
	if done.Files, err = shutFiles(p); err != nil {
		return err
	}
	if err := dropCapabilities(); err != nil {
		return err
	}
	if filterCalls() {
		done.Network, done.Processes = true, true
	}
	if p.Path == probe {
		if err := json.NewEncoder(os.Stdout).Encode(done); err != nil {
			return err
		}
		os.Exit(0)
	}
	return nil
}

// dropCapabilities takes root's rights from the thread. Without a user namespace it has all
// those of the grader. The program that it becomes gets none back, because it cannot get new
// privileges.
func dropCapabilities() error {
	for capability := range uintptr(unix.CAP_LAST_CAP + 1) {
		// It fails without the right to drop a capability, or if the system does not know it.
		// Neither does harm.
		_ = unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	return nil
}

// systemMemory returns the number of bytes of memory for this process, or 0 if unknown.
func systemMemory() uint64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0
	}
	total := uint64(info.Totalram) * uint64(info.Unit)
	text, _ := os.ReadFile("/sys/fs/cgroup/memory.max") // the limit of a container; "max" means none
	if limit, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64); err == nil {
		total = min(total, limit)
	}
	return total
}

// shutFiles lets the thread open the program and /dev/null but no other file, with Landlock. It
// reports whether the system has Landlock.
func shutFiles(p process) (bool, error) {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return false, nil
	}
	const read, run = unix.LANDLOCK_ACCESS_FS_READ_FILE, unix.LANDLOCK_ACCESS_FS_EXECUTE
	rules := unix.LandlockRulesetAttr{Access_fs: unix.LANDLOCK_ACCESS_FS_MAKE_SYM<<1 - 1} // all rights of the first version
	if version >= 2 {
		rules.Access_fs |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if version >= 3 {
		rules.Access_fs |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if version >= 4 {
		rules.Access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if version >= 5 {
		rules.Access_fs |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	if version >= 6 {
		rules.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	}
	ruleset, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&rules)), unsafe.Sizeof(rules), 0)
	if errno != 0 {
		return false, fmt.Errorf("create a Landlock ruleset: %w", errno)
	}
	defer unix.Close(int(ruleset))
	for _, allowed := range []struct {
		path   string
		access uint64
	}{
		{p.Path, read | run},
		{os.DevNull, read | unix.LANDLOCK_ACCESS_FS_WRITE_FILE},
	} {
		if allowed.path == probe {
			continue
		}
		if err := allowBeneath(int(ruleset), allowed.path, allowed.access); err != nil {
			return false, fmt.Errorf("add a Landlock rule for %s: %w", allowed.path, err)
		}
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0, 0); errno != 0 {
		return false, fmt.Errorf("apply the Landlock ruleset: %w", errno)
	}
	return true, nil
}

// allowBeneath adds a rule to a Landlock ruleset: access to path and everything below it.
func allowBeneath(ruleset int, path string, access uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	rule := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(fd)}
	if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH,
		uintptr(unsafe.Pointer(&rule)), 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}
