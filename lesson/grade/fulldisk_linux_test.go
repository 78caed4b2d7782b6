package grade

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestFullDisk fills the disk with the temporary folder while a class is graded. Nobody may get
// 0 points for that, and the next run must mark what this one could not.
func TestFullDisk(t *testing.T) {
	temporary := t.TempDir()
	if err := unix.Mount("tmpfs", temporary, "tmpfs", 0, "size=64m"); err != nil {
		t.Skip("cannot make a small disk:", err)
	}
	defer unix.Unmount(temporary, unix.MNT_DETACH)
	t.Setenv("TMPDIR", temporary)
	class := t.TempDir()
	for _, name := range []string{"ada", "bob", "cleo"} {
		put(t, class, name+"/outputsize.go", answer("outputsize", "", right+"\n// "+name))
	}
	put(t, class, "dan/outputsize.go", answer("outputsize", "", wrong))
	o := smallOptions(t, class)
	o.Exercises, o.workers = o.Exercises[:1], 1
	// The disk fills up after the solution was marked, and stays full although the grader removes files.
	filler := filepath.Join(temporary, "filler")
	full, ended := make(chan struct{}), make(chan struct{})
	var filling sync.WaitGroup
	o.Progress = func(done, _ int, _ string) {
		if done != 1 {
			return
		}
		filling.Go(func() {
			file, err := os.Create(filler)
			if err != nil {
				t.Error(err)
				close(full)
				return
			}
			defer file.Close()
			for first := true; ; first = false {
				if _, err := io.Copy(file, zeros{}); !errors.Is(err, unix.ENOSPC) {
					t.Errorf("filling the disk: %v", err)
				}
				if first {
					close(full)
				}
				select {
				case <-ended:
					return
				case <-time.After(time.Millisecond):
				}
			}
		})
		<-full
	}
	first, err := Run(t.Context(), o)
	close(ended)
	filling.Wait()
	if first == nil {
		t.Fatal(err)
	}
	if err != nil || first.NotGraded == 0 || first.Incomplete {
		t.Fatalf("%s, %d not graded, %v", marksOf(first), first.NotGraded, err)
	}
	for _, s := range first.Students {
		mark := s.Marks[0]
		if mark.given() && mark.Points != map[string]int{"ada": 10, "bob": 10, "cleo": 10, "dan": 4}[s.Name] {
			t.Errorf("%s: got %d points while the disk was full", s.Name, mark.Points)
		}
		if !mark.given() {
			expected{NotGraded, 0, "no space left on device"}.check(t, mark)
		}
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	o.Earlier, o.Progress = reread(t, first), nil
	second, err := Run(t.Context(), o)
	if err != nil || second.NotGraded != 0 || marksOf(second) != "ada 10, bob 10, cleo 10, dan 4" {
		t.Errorf("with room again: %s, %v", marksOf(second), err)
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestUnprotected runs a grader where Landlock is missing, and one where seccomp is.
func TestUnprotected(t *testing.T) {
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("has no filter for this architecture")
	}
	class := t.TempDir()
	put(t, class, "ada/outputsize.go", answer("outputsize", "", right))
	course := smallCourse(t)
	for missing, want := range map[string]string{
		"landlock": "could read, change and delete your files, under your account",
		"seccomp":  "could start and end programs, under your account",
	} {
		for _, flag := range []string{"", "anyway"} {
			cmd := exec.Command(os.Args[0], "without", missing, class, course, flag)
			output, err := cmd.CombinedOutput()
			if flag == "" && (err == nil || !strings.Contains(string(output), want)) {
				t.Errorf("without %s: %v, want that it stops with %q\n%s", missing, err, want, output)
			}
			if flag != "" && (err != nil || !strings.Contains(string(output), "ada 10")) {
				t.Errorf("without %s, but anyway: %v\n%s", missing, err, output)
			}
		}
	}
}

// hide makes the system calls of Landlock or seccomp fail, as on a system that lacks them, for
// this process and its children.
func hide(what string) error {
	const load, equal, give = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
	program := []unix.SockFilter{{Code: load, K: callNumber}}
	switch what {
	case "landlock":
		program = append(program,
			unix.SockFilter{Code: equal, Jf: 1, K: unix.SYS_LANDLOCK_CREATE_RULESET},
			unix.SockFilter{Code: give, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)})
	case "seccomp":
		program = append(program,
			unix.SockFilter{Code: equal, Jf: 3, K: unix.SYS_PRCTL},
			unix.SockFilter{Code: load, K: callArgument0},
			unix.SockFilter{Code: equal, Jf: 1, K: unix.PR_SET_SECCOMP},
			unix.SockFilter{Code: give, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EINVAL)})
	}
	program = append(program, unix.SockFilter{Code: give, K: unix.SECCOMP_RET_ALLOW})
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&filter))); errno != 0 {
		return errno
	}
	runtime.KeepAlive(program)
	return nil
}

func init() {
	if len(os.Args) != 6 || os.Args[1] != "without" {
		return
	}
	unprotected = func() error { return hide(os.Args[2]) }
}
