package grade

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/residual-go/residual/lesson/exercises"
	"github.com/residual-go/residual/lesson/exercises/check"
)

// reported returns what a test writes that reports steps.
func reported(t *testing.T, secret string, steps ...check.Step) []byte {
	t.Helper()
	line, err := json.Marshal(check.Report{Secret: secret, Result: check.Result{Exercise: "outputsize", Steps: steps}})
	if err != nil {
		t.Fatal(err)
	}
	return append(line, '\n')
}

// TestJudge has the ways in which a test can end, and whose doing each is.
func TestJudge(t *testing.T) {
	const memory = 1 << 30
	hint := func(name string) *check.Hint { return &check.Hint{Name: name, Text: "\x1b[2Jforged"} }
	small, large := check.Step{Name: "small", Points: 4, Passed: true}, check.Step{Name: "large", Points: 6, Passed: true}
	failed := check.Step{Name: "large", Points: 6, Message: "no\x1b[2J", Hint: hint("wraps")}
	with := func(step check.Step, change func(*check.Step)) check.Step { change(&step); return step }
	report := func(steps ...check.Step) []byte { return reported(t, "secret", steps...) }
	for name, c := range map[string]struct {
		outcome
		status Status // "" if the answer is not graded
		points int
		says   string
	}{
		"passed":               {outcome{output: report(small, large)}, Passed, 10, ""},
		"failed":               {outcome{exit: 1, output: report(small, failed)}, Failed, 4, "large: no\uFFFD[2J"},
		"prints out of memory": {outcome{exit: 1, output: report(small, failed), errors: []byte("fatal error: out of memory")}, Failed, 4, "large"},
		"prints it, is right":  {outcome{output: report(small, large), errors: []byte("out of memory\n")}, Passed, 10, ""},
		"other exit code":      {outcome{exit: 2, how: "exit status 2", output: report(small, large)}, Crashed, 0, "exit status 2"},
		"two reports":          {outcome{output: append(report(small, large), report(small, large)...)}, NoResult, 0, "more than once"},
		"no report":            {outcome{}, NoResult, 0, "before the check"},
		"wrong secret":         {outcome{output: reported(t, "?", small, large)}, NoResult, 0, "before the check"},
		"report, then stopped": {outcome{exit: -1, timedOut: true, killed: true, output: report(small, large)}, TimedOut, 0, "stopped after 1m"},

		// What a forged report may not say.
		"1000 points":          {outcome{output: report(with(small, func(s *check.Step) { s.Points = 1000 }), large)}, NoResult, 0, "the steps in the report are not those"},
		"negative points":      {outcome{output: report(with(small, func(s *check.Step) { s.Points = -4 }), large)}, NoResult, 0, "the steps in the report are not those"},
		"one step more":        {outcome{output: report(small, large, large)}, NoResult, 0, "the steps in the report are not those"},
		"one step less":        {outcome{output: report(large)}, NoResult, 0, "the steps in the report are not those"},
		"no steps":             {outcome{output: report()}, NoResult, 0, "the steps in the report are not those"},
		"a step's other name":  {outcome{output: report(with(small, func(s *check.Step) { s.Name = "\x1b[2J" }), large)}, NoResult, 0, "the steps in the report are not those"},
		"passes after failing": {outcome{exit: 1, output: report(with(small, func(s *check.Step) { s.Passed = false }), large)}, NoResult, 0, "after one that failed"},

		// The limits of the process, and those of the machine.
		"takes its memory":     {outcome{exit: 2, errors: []byte("runtime: out of memory: cannot allocate 4194304-byte block (1069547520 in use)\nfatal error: out of memory\n")}, OutOfMemory, 0, "1024 MiB"},
		"wants too much":       {outcome{exit: 2, errors: []byte("runtime: out of memory: cannot allocate 1099511627776-byte block (3866624 in use)\nfatal error: out of memory\n")}, OutOfMemory, 0, "1024 MiB"},
		"the watch ends it":    {outcome{exit: 2, errors: []byte("fatal error: out of memory: more than 1024 MiB\n")}, OutOfMemory, 0, "1024 MiB"},
		"refused a little":     {outcome{exit: 2, errors: []byte("runtime: out of memory: cannot allocate 4194304-byte block (3866624 in use)\nfatal error: out of memory\n")}, "", 0, "the system refused the answer memory"},
		"killed while small":   {outcome{exit: -1, killed: true, peak: memory / 4, how: "signal: killed"}, "", 0, "outside the grader ended it"},
		"killed while large":   {outcome{exit: -1, killed: true, peak: memory / 4 * 3, how: "signal: killed"}, OutOfMemory, 0, "768 of 1024 MiB"},
		"few threads":          {outcome{exit: 2, errors: []byte("runtime: failed to create new OS thread (have 3 already; errno=11)\nfatal error: newosproc\n")}, "", 0, "refused the answer a thread"},
		"many threads":         {outcome{exit: 2, errors: []byte("runtime: failed to create new OS thread (have 5000 already; errno=11)\nfatal error: newosproc\n")}, Crashed, 0, "newosproc"},
		"panics":               {outcome{exit: 2, errors: []byte("panic: \x1b[2Jboom\n")}, Crashed, 0, "panic: \uFFFD[2Jboom"},
		"panics about memory":  {outcome{exit: 2, errors: []byte("panic: fatal error: out of memory\n")}, Crashed, 0, "panic: fatal error: out of memory"},
		"a signal of its own":  {outcome{exit: -1, how: "signal: segmentation fault"}, Crashed, 0, "segmentation fault"},
		"a report, and killed": {outcome{exit: -1, killed: true, peak: memory / 4, output: report(small, large)}, "", 0, "outside the grader ended it"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &workshop{options: Options{Timeout: time.Minute, Memory: memory}}
			j := &job{task: task{name: "outputsize", steps: []check.Step{small, large}, hints: map[string]string{"wraps": "a remainder is taken"}}}
			err := w.judge(j, "secret", &c.outcome)
			if c.status == "" {
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("got %+v, %v, want an error with %q", j.mark, err, c.says)
				}
				return
			}
			if err != nil || j.mark.Status != c.status || j.mark.Points != c.points || !strings.Contains(j.mark.Message, c.says) {
				t.Errorf("got %+v, %v, want %s with %d points and %q", j.mark, err, c.status, c.points, c.says)
			}
			if len(j.mark.Hints) > 0 && j.mark.Hints[0] != (check.Hint{Name: "wraps", Text: "a remainder is taken"}) {
				t.Errorf("hints %q: their texts must be the course's", j.mark.Hints)
			}
		})
	}

	// A compiler that was killed when it had taken most of its memory.
	for peak, theirs := range map[uint64]bool{compileMemory / 4: false, compileMemory / 4 * 3: true} {
		w := &workshop{}
		o := &outcome{exit: -1, killed: true, how: "signal: killed", peak: peak}
		for name, judge := range map[string]func(*job, *outcome) (*Mark, error){"compiler": w.judgeCompiler, "linker": w.judgeLinker} {
			if mark, err := judge(&job{task: task{name: "outputsize"}}, o); (mark != nil) != theirs || (err != nil) == theirs {
				t.Errorf("a %s killed at %d MiB: %+v, %v", name, peak>>20, mark, err)
			}
		}
	}

	// A hint that the exercise does not have is dropped, and costs nothing.
	w := &workshop{}
	for _, name := range []string{"other", "\x1b[2J", ""} {
		r, err := w.bounded(task{hints: map[string]string{"wraps": "x"}}, check.Result{Steps: []check.Step{with(failed, func(s *check.Step) { s.Hint = hint(name) })}})
		if err != nil || r.Steps[0].Hint != nil {
			t.Errorf("hint %q: %+v, %v, want none", name, r.Steps[0].Hint, err)
		}
	}
}

// TestHints tests that the grader knows every hint that a check can give: all those that the
// tests of package check expect.
func TestHints(t *testing.T) {
	folder := filepath.Join("..", "exercises", "check")
	paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	files, tests := map[string][]byte{}, map[string][]byte{}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if name := filepath.Base(path); strings.HasSuffix(name, "_test.go") {
			tests[strings.TrimSuffix(name, "_test.go")] = content
		} else {
			files[exercises.Folder+"/check/"+name] = content
		}
	}
	tried := regexp.MustCompile(`wrong\{"([a-z0-9-]+)"`)
	found := 0
	for _, name := range exercises.Names() {
		hints, err := hintsFor(name, files)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range tried.FindAllSubmatch(tests[name], -1) {
			found++
			if text := hints[string(m[1])]; len(text) < 20 {
				t.Errorf("%s: the text of the hint %s is %q", name, m[1], text)
			}
		}
		if hints["no-end"] == "" {
			t.Errorf("%s lacks a shared hint", name)
		}
		if _, ok := hints["padding-on-one-side"]; ok != (name == "outputsize") {
			t.Errorf("%s has the hint of another exercise", name)
		}
	}
	if found < 100 {
		t.Errorf("found only %d hints", found)
	}
}

// fakeTool replaces the compiler or the linker of a workshop by a script; the other stays.
func fakeTool(t *testing.T, w *workshop, name, script string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the tools are shell scripts")
	}
	dir := t.TempDir()
	for _, tool := range []string{"compile", "link"} {
		if tool == name {
			put(t, dir, tool, "#!/bin/sh\n"+script+"\n")
			if err := os.Chmod(filepath.Join(dir, tool), 0o755); err != nil {
				t.Fatal(err)
			}
		} else if err := os.Symlink(filepath.Join(w.tools, tool), filepath.Join(dir, tool)); err != nil {
			t.Fatal(err)
		}
	}
	w.tools = dir
}

// TestNotTheirFault tests that a tool that fails for a reason of its own gives nobody 0 points,
// and that the answer can be marked once it works again.
func TestNotTheirFault(t *testing.T) {
	c, err := openCourse(t.Context(), smallCourse(t), smallExercises[:1])
	if err != nil {
		t.Fatal(err)
	}
	w, err := openWorkshop(t.Context(), c, t.TempDir(), &Sandbox{}, Options{Timeout: 20 * time.Second, Memory: 256 << 20, workers: 1, remove: removeAll})
	if err != nil {
		t.Fatal(err)
	}
	good := answer("outputsize", "", right)
	tools := w.tools
	for _, tool := range []string{"compile", "link"} {
		for script, want := range map[string]string{
			"kill -9 $$":  "outside the grader ended the " + tool[:4],
			"kill -15 $$": "outside the grader ended the " + tool[:4],
			"echo 'compile: writing output: write x.a: no space left on device' >&2; exit 1":                                   "no space left on device",
			"echo 'fork/exec /x: resource temporarily unavailable' >&2; exit 1":                                                "resource temporarily unavailable",
			"echo 'open /x/importcfg: permission denied' >&2; exit 1":                                                          "permission denied",
			"echo 'fatal error: runtime: out of memory' >&2; exit 2":                                                           "memory, although it used only",
			"echo 'unexpected fault address' >&2; echo 'fatal error: fault' >&2; echo '[signal SIGBUS: bus error' >&2; exit 2": "SIGBUS",
			"exit 3":         "exit status 3",
			"rm $0; exec $0": "not found",
		} {
			w.tools = tools
			fakeTool(t, w, tool, script)
			j := markIn(t, w, good)
			if j.err == nil || j.mark != nil || !strings.Contains(j.err.Error(), want) {
				t.Errorf("%s is %q: mark %+v, %v, want no mark and %q", tool, script, j.mark, j.err, want)
			}
		}
		// A missing tool.
		w.tools = tools
		fakeTool(t, w, tool, "")
		if err := os.Remove(filepath.Join(w.tools, tool)); err != nil {
			t.Fatal(err)
		}
		if j := markIn(t, w, good); j.err == nil || !strings.Contains(j.err.Error(), "no such file") {
			t.Errorf("%s is missing: mark %+v, %v", tool, j.mark, j.err)
		}
	}
	// The same words, at a line of the answer, are the answer's.
	w.tools = tools
	fakeTool(t, w, "compile", `echo "lesson/exercises/outputsize/outputsize.go:3:1: undefined: no space left on device" >&2; exit 2`)
	if j := markIn(t, w, good); j.err != nil || j.mark.Status != CompileError {
		t.Errorf("an error of the answer's: mark %+v, %v", j.mark, j.err)
	}
	// A package that should be there.
	w.tools = tools
	fakeTool(t, w, "compile", `echo "lesson/exercises/outputsize/outputsize.go:3:1: could not import fmt (open /x: no such file or directory)" >&2; exit 2`)
	if j := markIn(t, w, good); j.err == nil || !strings.Contains(j.err.Error(), "could not import fmt") {
		t.Errorf("a package is gone: mark %+v, %v", j.mark, j.err)
	}
	w.tools = tools
	if j := markIn(t, w, good); j.err != nil || j.mark.Status != Passed {
		t.Errorf("all is well again: mark %+v, %v", j.mark, j.err)
	}
}

// TestLargeAnswers has answers that are small as source and large when compiled, linked or run.
func TestLargeAnswers(t *testing.T) {
	o := smallOptions(t, "")
	c, err := openCourse(t.Context(), o.Course, smallExercises[:1])
	if err != nil {
		t.Fatal(err)
	}
	o.remove = removeAll
	dir := t.TempDir()
	w, err := openWorkshop(t.Context(), c, dir, &Sandbox{}, o)
	if err != nil {
		t.Fatal(err)
	}
	for code, want := range map[string]expected{
		"var x = [900<<20]byte{900<<20 - 1: 1}":                             {CompileError, 0, "larger than 64 MiB"},
		"func f() byte { x := [900<<20]byte{900<<20 - 1: 1}; return x[0] }": {CompileError + "|" + TimedOut, 0, ""},
		"var x [1500<<20]byte; func init() { println(x[1]) }":               {OutOfMemory, 0, "its variables take"},
		"var x [1<<20]int":           {Passed, 10, ""},
		"func init() { println(1) }": {Passed, 10, ""},
	} {
		j := markIn(t, w, answer("outputsize", "", right+"\n"+code))
		if j.err != nil {
			t.Errorf("%s: %v", code, j.err)
			continue
		}
		j.mark.Of = 10
		t.Run(code, func(t *testing.T) { want.check(t, *j.mark) })
	}
	var left []string
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if want := []string{"archives", "course", "importcfg", "tmp"}; err != nil || !slices.Equal(left, want) {
		t.Errorf("left %q, %v, want %q", left, err, want)
	}
}

// TestInert tests which answers may share a program.
func TestInert(t *testing.T) {
	for code, want := range map[string]bool{
		"": true, "const x = 1": true, "var x = 3": true, "var x, y = -1.5, \"a\"": true, "type t [1 << 40]int": true,
		"func f() { g() }": true, "func (t t) init() {}": true,
		"func init() {}": false, "var x = f()": false, "var x [1 << 30]byte": false, "var x = []int{1}": false, "var _ = f()": false, "not Go": false,
	} {
		if got := inert([]byte("package p\n\n" + code)); got != want {
			t.Errorf("%q: %t", code, got)
		}
	}
}

// TestShared tests that answers that share a program do not see each other's failures.
func TestShared(t *testing.T) {
	c, err := openCourse(t.Context(), smallCourse(t), smallExercises)
	if err != nil {
		t.Fatal(err)
	}
	o := smallOptions(t, "")
	o.remove = removeAll
	w, err := openWorkshop(t.Context(), c, t.TempDir(), &Sandbox{}, o)
	if err != nil {
		t.Fatal(err)
	}
	codes := []string{right, wrong, `func Add(a, b int) int { panic("boom") }`, "var x = 1\n" + right, "func init() { panic(0) }\n" + right,
		"func Add() {}", "type T struct{}\n\nfunc (T) Error() string { panic(0) }\n" + right}
	want := []Status{Passed, Failed, Failed, Passed, Crashed, CompileError, Passed}
	var jobs []*job
	for i := range 2 * len(codes) {
		at := w.tasks[i%2]
		jobs = append(jobs, &job{task: at, source: []byte(answer(at.name, "", codes[i/2]))})
	}
	finished := make(chan *job, 100)
	if err := w.mark(t.Context(), jobs, func(j *job) { finished <- j }); err != nil {
		t.Fatal(err)
	}
	if len(finished) != len(jobs) {
		t.Errorf("%d of %d were reported as finished", len(finished), len(jobs))
	}
	for i, j := range jobs {
		if j.err != nil || j.mark.Status != want[i/2] || j.mark.Exercise != j.task.name {
			t.Errorf("%s in %s: %+v, %v, want %s", codes[i/2], j.task.name, j.mark, j.err, want[i/2])
		}
	}
	if fmt.Sprint(jobs[0].alone, jobs[1].alone, jobs[6].alone, jobs[8].alone) != "false false false true" {
		t.Error("it was decided otherwise which answers share a program")
	}
}
