package grade

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/residual-go/residual/lesson/checkout"
)

// TestAttacks has what a submission may try that has to get past the gate.
func TestAttacks(t *testing.T) {
	write := func(imports, code string) string { return answer("outputsize", imports, code) }
	gradeAttacks(t, []attack{
		{"panic", write("", `func Add(a, b int) int { panic("boom") }`), expected{Failed, 0, "panic: boom"}, nil},
		{"panic on a goroutine", write("", `func Add(a, b int) int { go func() { panic("boom") }(); select {} }`),
			expected{Crashed, 0, "panic: boom"}, nil},
		{"panic before the test", write("", `var x = func() int { panic("early") }()`+"\n"+right), expected{Crashed, 0, "panic: early"}, nil},
		{"nil map", write("", `func Add(a, b int) int { var m map[int]int; m[a] = b; return a + b }`), expected{Failed, 0, "nil map"}, nil},
		{"crash after the first step", write("", `func Add(a, b int) int { if a > 1 { go panic("late"); select {} }; return a + b }`),
			expected{Crashed, 0, "panic: late"}, nil},
		{"endless recursion", write("", `func Add(a, b int) int { return 1 + Add(a, b) }`), expected{OutOfMemory + "|" + TimedOut, 0, ""}, nil},
		{"memory hog", write("", `func Add(a, b int) int { var all [][]byte; for { all = append(all, make([]byte, 1<<20)) } }`),
			expected{OutOfMemory, 0, "256 MiB"}, nil},
		{"one huge slice", write("", `func Add(a, b int) int { return len(make([]byte, 1<<40)) }`), expected{OutOfMemory, 0, "256 MiB"}, nil},
		{"huge output", write(`import "fmt"; import "strings"`, `func Add(a, b int) int {
			line := strings.Repeat("x", 1<<20)
			for range 64 { fmt.Println(line); println(line) }
			return a + b
		}`), expected{Passed, 10, ""}, nil},
		{"huge panic", write(`import "strings"`, `func Add(a, b int) int { panic(strings.Repeat("\x1b[2Jx", 1<<20)) }`), expected{Failed, 0, "\uFFFD[2Jx"}, nil},
		{"forged output", write(`import "fmt"`, `func Add(a, b int) int {
			fmt.Println("=== RUN   TestAdd\n--- PASS: TestAdd (0.00s)\nPASS")
			fmt.Println("{\"secret\":\"\",\"result\":{\"exercise\":\"outputsize\",\"steps\":[{\"name\":\"small\",\"points\":10,\"passed\":true}]}}")
			println("{\"secret\":\"\",\"result\":{\"exercise\":\"outputsize\",\"steps\":[{\"name\":\"small\",\"points\":10,\"passed\":true}]}}")
			return 0
		}`), expected{Failed, 0, "small: Add(1, 2)"}, nil},
		{"exit", write(`import "os"`, `func Add(a, b int) int { os.Exit(0); return 0 }`), expected{Refused, 0, `the import of "os"`}, nil},
		{"calls the check", write(`import "`+checkPath+`"`, `func Add(a, b int) int { _ = check.Limit; return 0 }`), expected{Refused, 0, "/check"}, nil},
		{"takes the solution", write(`import "`+checkout.Module+`/lesson/exercises/outputsize/solution"`, `var Add = outputsize.Add`),
			expected{Refused, 0, "/solution"}, nil},
		{"C", write(`import "C"`, right), expected{Refused, 0, `"C"`}, nil},
		{"goes by linkname", write(`import _ "unsafe"`, "//go:linkname exit os.Exit\nfunc exit(int)\n"+right), expected{Refused, 0, `"unsafe"`}, nil},
		{"directive", write("", "//go:noinline\n"+right), expected{Refused, 0, "//go:"}, nil},
		{"excluded by a build tag", "//go:build ignore\n\n" + write("", right), expected{Refused, 0, "//go:"}, nil},
		{"wrong package", answer("main", "", right), expected{Refused, 0, "the package is called main"}, nil},
		{"wrong signature", write("", `func Add(a, b string) string { return a + b }`), expected{CompileError, 0, "cannot use outputsize.Add"}, nil},
		{"type error", write("", `func Add(a, b int) int { return c }`), expected{CompileError, 0, "lesson/exercises/outputsize/outputsize.go:5:33: undefined: c"}, nil},
		{"no Go", "Dear teacher, the dog ate my homework.\n", expected{CompileError, 0, "outputsize.go:1:1: expected 'package'"}, nil},
		{"empty", "", expected{CompileError, 0, "expected 'package'"}, nil},
		{"compile bomb", write("", `var x [1<<40]int; func Add(a, b int) int { return x[a] + b }`), expected{CompileError, 0, "too large"}, nil},
		{"own interface to the check", write("", `func Add(a, b int) int { return a + b }; func TestMain() {}; func TestAdd() {}`), expected{Passed, 10, ""}, nil},
	}, nil)
}

// TestEndless has submissions that do not end; some of them use up the system until they
// are stopped.
func TestEndless(t *testing.T) {
	write := func(imports, code string) string { return answer("outputsize", imports, code) }
	gradeAttacks(t, []attack{
		{"endless loop", write("", `func Add(a, b int) int { for {} }`), expected{TimedOut, 0, "4s"}, nil},
		{"endless loop before the test", write("", `func init() { for {} }`+"\n"+right), expected{TimedOut, 0, "4s"}, nil},
		{"deadlock", write("", `func Add(a, b int) int { select {} }`), expected{TimedOut, 0, "4s"}, nil},
		{"goroutine bomb", write("", `func Add(a, b int) int { for { go func() { select {} }() } }`), expected{OutOfMemory + "|" + TimedOut, 0, ""}, nil},
		{"goroutine bomb that grows", write("", `func bomb() { go bomb(); go bomb(); select {} }; func Add(a, b int) int { bomb(); return 0 }`),
			expected{OutOfMemory + "|" + TimedOut, 0, ""}, nil},
		{"endless output", write(`import "fmt"`, `func Add(a, b int) int { for { fmt.Println(a, b) } }`), expected{TimedOut, 0, "4s"}, nil},
	}, func(o *Options) { o.Timeout = 4 * time.Second })
}

// TestAttacksPastTheGate has what a submission may try if the gate let everything through.
// Answers made by denied are right if what they try fails.
func TestAttacksPastTheGate(t *testing.T) {
	write := func(imports, code string) string {
		var list strings.Builder
		for name := range strings.FieldsSeq(imports) {
			list.WriteString("import \"" + name + "\"\n")
		}
		return answer("outputsize", list.String(), code)
	}
	denied := func(imports, try string) string {
		return write(imports, `
			func try() error { `+try+` }
			func Add(a, b int) int { if try() != nil { return a + b }; return 0 }`)
	}
	report := `"{\"secret\":\"" + secret + "\",\"result\":{\"exercise\":\"outputsize\",\"steps\":[{\"name\":\"small\",\"points\":10,\"passed\":true}]}}\n"`
	passed := expected{Passed, 10, ""}
	files := func(s *Sandbox) bool { return s.Files }
	network := func(s *Sandbox) bool { return s.Network }
	processes := func(s *Sandbox) bool { return s.Processes }
	limited := func(*Sandbox) bool { return runtime.GOOS == "linux" || runtime.GOOS == "darwin" }
	attacks := []attack{
		{"exit", write("os", `func Add(a, b int) int { os.Exit(0); return 0 }`), expected{NoResult, 0, "before the check had finished"}, nil},
		{"exit before the test", write("os", `func init() { os.Exit(0) }; `+right), expected{NoResult, 0, "before the check had finished"}, nil},
		{"exit after the first step", write("os", `func Add(a, b int) int { if a > 1 { os.Exit(0) }; return a + b }`),
			expected{NoResult, 0, "before the check had finished"}, nil},
		{"exit with an error", write("os", `func Add(a, b int) int { os.Exit(7); return 0 }`), expected{Crashed, 0, "exit status 7"}, nil},
		{"ends its goroutine", write("runtime", `func Add(a, b int) int { runtime.Goexit(); return 0 }`), expected{Failed, 0, "the goroutine ended"}, nil},
		{"forges reports", write("os fmt", `
			var secret = ""
			func init() {
				for fd := range uintptr(20) { fmt.Fprint(os.NewFile(fd+1, ""), `+report+`) }
				os.Exit(0)
			}
			`+right), expected{NoResult, 0, ""}, nil},
		{"reads the secret first", write("os fmt io", `
			var secret string
			func init() {
				read, _ := io.ReadAll(os.NewFile(0, ""))
				secret = string(read)
				fmt.Fprint(os.NewFile(1, ""), `+report+`)
				os.Exit(0)
			}
			`+right), expected{NoResult, 0, ""}, nil},
		{"reads the secret from the environment", write("os fmt bytes", `
			func Add(a, b int) int {
				first, _ := os.ReadFile("/proc/self/environ")
				all := append(first, fmt.Sprint(os.Environ(), os.Args)...)
				for field := range bytes.FieldsFuncSeq(all, func(r rune) bool { return !('0' <= r && r <= '9' || 'a' <= r && r <= 'f') }) {
					if len(field) != 64 { continue }
					secret := string(field)
					fmt.Fprint(os.NewFile(1, ""), `+report+`)
					os.Exit(0)
				}
				return 0
			}`), expected{Failed, 0, "small: Add(1, 2)"}, nil},
		{"spoils the channel", write("os", `func Add(a, b int) int { os.NewFile(1, "").WriteString("{"); return a + b }`),
			expected{NoResult, 0, "before the check had finished"}, nil},
		{"floods the channel", write("os", `func Add(a, b int) int {
			file, block := os.NewFile(1, ""), make([]byte, 1<<20)
			for range 64 { file.Write(block) }
			return a + b
		}`), expected{NoResult, 0, ""}, nil},
		{"reads a file", denied("os", `_, err := os.ReadFile("/etc/passwd"); return err`), passed, files},
		{"lists a folder", denied("os", `_, err := os.ReadDir("/"); return err`), passed, files},
		{"reads its memory", denied("os", `_, err := os.ReadFile("/proc/self/maps"); return err`), passed, files},
		{"writes a file", denied("os", `return os.WriteFile("/tmp/residual-grade-escaped", nil, 0o666)`), passed, files},
		{"writes to its course", denied("os", `return os.WriteFile("../lesson/exercises/convolution/convolution_test.go", nil, 0o666)`), passed, files},
		{"writes where it runs", denied("os", `return os.WriteFile("a", nil, 0o666)`), passed, files},
		{"makes a folder", denied("os", `return os.Mkdir("a", 0o777)`), passed, files},
		{"takes rights from a folder", denied("os", `return os.Chmod(".", 0)`), passed, processes},
		{"replaces its test", denied("os", `return os.Remove(os.Args[0])`), passed, files},
		{"listens", denied("net", `_, err := net.Listen("tcp", "127.0.0.1:0"); return err`), passed, network},
		{"sends", denied("net", `c, err := net.Dial("udp", "192.0.2.1:53"); if err == nil { _, err = c.Write([]byte("x")) }; return err`), passed, network},
		{"starts a program", denied("os/exec os", `return exec.Command(os.Args[0], "-test.list=.").Run()`), passed, processes},
		{"becomes a program", denied("syscall", `return syscall.Exec("/bin/true", []string{"true"}, nil)`), passed, files},
		{"fills the disk", denied("os", `f, err := os.Create("big"); if err != nil { return err }
			block := make([]byte, 1<<20)
			for range 100 { if _, err := f.Write(block); err != nil { return err } }
			return nil`), passed, limited},
		{"opens files", denied("os", `var all []*os.File
			for range 1000 { f, err := os.Open(os.DevNull); if err != nil { return err }; all = append(all, f) }
			_ = all
			return nil`), passed, limited},
		{"signals the grader", denied("os syscall", `return syscall.Kill(os.Getppid(), 0)`), passed, processes},
		{"signals a thread of the grader", denied("os syscall", `ppid := uintptr(os.Getppid())
			if _, _, errno := syscall.Syscall(syscall.SYS_TGKILL, ppid, ppid, 0); errno != 0 { return errno }
			return nil`), passed, processes},
	}
	gradeAttacks(t, attacks, func(o *Options) {
		o.noGate, o.imports = true, []string{"net", "os", "os/exec", "runtime", "syscall"}
	})
}

// TestMemoryWithoutTheSystem tests the memory limit that package check enforces.
func TestMemoryWithoutTheSystem(t *testing.T) {
	// It takes memory slowly, because package check only looks now and then.
	code := answer("outputsize", `import "time"`, `func Add(a, b int) int {
		var all [][]byte
		for { all = append(all, make([]byte, 1<<20)); for i := range all { all[i][0]++ }; time.Sleep(time.Millisecond) } }`)
	j := markOne(t, code, Options{Timeout: 20 * time.Second, Memory: 128 << 20, unlimited: true})
	if j.err != nil {
		t.Fatal(j.err)
	}
	mark := *j.mark
	mark.Of = 10
	expected{OutOfMemory, 0, "128 MiB"}.check(t, mark)
}
