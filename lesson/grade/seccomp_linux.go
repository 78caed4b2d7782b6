//go:build linux && (amd64 || arm64)

package grade

import (
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// deniedCalls are system calls that no exercise needs: those that reach other processes or the
// network, that could undo the sandbox, or that change files without opening them, which not
// every version of Landlock prevents.
var deniedCalls = append([]uint32{
	unix.SYS_SOCKET, unix.SYS_SOCKETPAIR, unix.SYS_IO_URING_SETUP,
	unix.SYS_KILL, unix.SYS_TKILL, unix.SYS_RT_SIGQUEUEINFO, unix.SYS_RT_TGSIGQUEUEINFO, unix.SYS_PIDFD_SEND_SIGNAL,
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PIDFD_OPEN,
	unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_MOUNT, unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN,
	unix.SYS_USERFAULTFD, unix.SYS_ADD_KEY, unix.SYS_KEYCTL, unix.SYS_REQUEST_KEY,
	unix.SYS_FCHMOD, unix.SYS_FCHMODAT, unix.SYS_FCHMODAT2, unix.SYS_FCHOWN, unix.SYS_FCHOWNAT, unix.SYS_TRUNCATE, unix.SYS_UTIMENSAT,
	unix.SYS_SETXATTR, unix.SYS_LSETXATTR, unix.SYS_FSETXATTR, unix.SYS_REMOVEXATTR, unix.SYS_LREMOVEXATTR, unix.SYS_FREMOVEXATTR,
}, architectureCalls...)

// The offsets in the kernel's struct seccomp_data of what the filter looks at. The argument
// is read as 32 bits: these machines are little-endian.
const (
	callNumber       = 0
	callArchitecture = 4
	callArgument0    = 16
)

// filterCalls makes the denied system calls fail with EPERM, for this thread and the program
// that it becomes. It allows clone only for threads and signals only to the process itself.
// It reports whether the system supports that.
func filterCalls() bool {
	const (
		load  = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		least = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
		bits  = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
		give  = unix.BPF_RET | unix.BPF_K
		deny  = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	)
	program := []unix.SockFilter{
		{Code: load, K: callArchitecture},
		{Code: equal, Jt: 1, K: architecture},
		{Code: give, K: deny}, // the calls of a 32-bit program
		{Code: load, K: callNumber},
		{Code: least, Jf: 1, K: 0x40000000}, // the calls of x32 on amd64
		{Code: give, K: deny},
		// A filter cannot read the flags of clone3. After ENOSYS, callers fall back to clone.
		{Code: equal, Jf: 1, K: unix.SYS_CLONE3},
		{Code: give, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
		{Code: equal, Jf: 4, K: unix.SYS_CLONE},
		{Code: load, K: callArgument0},
		{Code: bits, Jf: 1, K: unix.CLONE_THREAD},
		{Code: give, K: unix.SECCOMP_RET_ALLOW},
		{Code: give, K: deny},
		// Go sends signals to its own threads. The program will keep this process's ID.
		{Code: equal, Jf: 4, K: unix.SYS_TGKILL},
		{Code: load, K: callArgument0},
		{Code: equal, Jf: 1, K: uint32(os.Getpid())},
		{Code: give, K: unix.SECCOMP_RET_ALLOW},
		{Code: give, K: deny},
	}
	for _, call := range deniedCalls {
		program = append(program,
			unix.SockFilter{Code: equal, Jf: 1, K: call},
			unix.SockFilter{Code: give, K: deny})
	}
	program = append(program, unix.SockFilter{Code: give, K: unix.SECCOMP_RET_ALLOW})
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&filter)), 0, 0)
	runtime.KeepAlive(program)
	return err == nil
}
