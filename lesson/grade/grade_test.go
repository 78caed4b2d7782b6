package grade

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/residual-go/residual/lesson/checkout"
	"github.com/residual-go/residual/lesson/exercises"
)

// TestClass grades a class with a bit of everything and looks at everything that is written.
func TestClass(t *testing.T) {
	class := t.TempDir()
	// The three places of a file.
	put(t, class, "ada/outputsize.go", answer("outputsize", "", right))
	put(t, class, "ada/convolution/convolution.go", answer("convolution", "", right))
	put(t, class, "bob/lesson/exercises/outputsize/outputsize.go", answer("outputsize", "", wrong))
	put(t, class, "bob/lesson/exercises/convolution/convolution.go", "// Mine.\n"+answer("convolution", "", `func Add(a, b int) int { panic("not done yet: soon") }`))
	// Files next to the answer make no difference.
	put(t, class, "=eve()/outputsize.go", answer("outputsize", "", wrong))
	put(t, class, "=eve()/outputsize_test.go", "package outputsize_test\n\nimport \"testing\"\n\nfunc TestAdd(t *testing.T) {}\n")
	put(t, class, "=eve()/lesson/exercises/outputsize/outputsize_test.go", "package outputsize_test\n\nimport \"testing\"\n\nfunc TestAdd(t *testing.T) {}\n")
	put(t, class, "=eve()/lesson/exercises/outputsize/help.go", "package outputsize\n\nfunc init() { panic(0) }\n")
	put(t, class, "=eve()/lesson/exercises/check/check.go", "package check\n\nfunc init() { panic(0) }\n")
	put(t, class, "=eve()/go.mod", "module example.com\n")
	stub, err := exercises.Stub([]byte(answer("convolution", "", "func Add(a, b int) int {\n\t// BEGIN SOLUTION\n\treturn a + b\n\t// END SOLUTION\n}")), "convolution")
	if err != nil {
		t.Fatal(err)
	}
	put(t, class, "=eve()/convolution.go", strings.ReplaceAll(string(stub), "\n", "\r\n"))
	put(t, class, "zoe/notes.txt", "nothing yet")
	put(t, class, "zoe/homework/mine.go", "package mine\n")
	put(t, class, "zoe/homework/lessons/old.txt", "")
	put(t, class, "kim/.DS_Store", "")
	put(t, class, ".git/config", "")
	put(t, class, "__MACOSX/ada/outputsize.go", "")
	put(t, class, "README.md", "")

	o := smallOptions(t, class)
	var steps []string
	o.Progress = func(_, _ int, what string) { steps = append(steps, what) }
	grades, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(steps) != 7 {
		t.Errorf("progress %q, want the two solutions and the five students", steps)
	}
	for i, want := range []struct {
		name  string
		marks [2]expected
	}{
		{"=eve()", [2]expected{{Failed, 4, "large: Add(1000, 2000)"}, {NotDone, 0, ""}}},
		{"ada", [2]expected{{Passed, 10, ""}, {Passed, 10, ""}}},
		{"bob", [2]expected{{Failed, 4, "large: Add(1000, 2000)"}, {NotDone, 0, "soon"}}},
		{"kim", [2]expected{{NotHandedIn, 0, ""}, {NotHandedIn, 0, ""}}},
		{"zoe", [2]expected{{NotMarked, 0, "homework/mine.go: neither its name nor"}, {NotMarked, 0, "homework/mine.go: neither"}}},
	} {
		if i >= len(grades.Students) || grades.Students[i].Name != want.name {
			t.Fatalf("students %+v, want %s as number %d", grades.Students, want.name, i)
		}
		for j, mark := range grades.Students[i].Marks {
			want.marks[j].check(t, mark)
		}
	}
	if hints := grades.Students[0].Marks[0].Hints; len(hints) != 1 || hints[0].Name != "wraps" {
		t.Errorf("hints %v, want wraps", hints)
	}

	var csv, table, json bytes.Buffer
	if err := errors.Join(grades.WriteCSV(&csv), grades.WriteTable(&table), grades.WriteJSON(&json)); err != nil {
		t.Fatal(err)
	}
	if want := `student,outputsize,outputsize_note,convolution,convolution_note,total,of
'=eve(),4,wraps,0,not done yet,4,20
ada,10,,10,,20,20
bob,4,wraps,0,not done yet,4,20
kim,,not handed in,,not handed in,0,20
zoe,,not marked: homework/mine.go: neither its name nor its package clause is that of an exercise,,not marked: homework/mine.go: neither its name nor its package clause is that of an exercise,0,20
`; csv.String() != want {
		t.Errorf("the CSV is\n%s, want\n%s", &csv, want)
	}
	if want := `  student  outputsize  convolution  total
   =eve()           4            0      4
      ada          10           10     20
      bob           4            0      4
      kim           -            -      0
      zoe           -            -      0
  maximum          10           10     20

=eve()
  warning: an answer is one file: of outputsize, only outputsize.go is read, not lesson/exercises/outputsize/help.go
  outputsize: wraps
  convolution: not done yet

bob
  outputsize: wraps
  convolution: not done yet

kim
  outputsize, convolution: not handed in

zoe
  outputsize, convolution: not marked: homework/mine.go: neither its name nor its package clause is that of an exercise

Warning: ignored, because no student handed it in: README.md.
`; table.String() != want {
		t.Errorf("the table is\n%s, want\n%s", &table, want)
	}
	for _, part := range []string{`"name": "=eve()"`, `"status": "failed"`, `"name": "wraps"`, `"text": "a remainder is taken"`, `"network_denied"`, `"incomplete": false`} {
		if !strings.Contains(json.String(), part) {
			t.Errorf("no %s in the JSON:\n%s", part, &json)
		}
	}
}

// TestRefusedFiles has files that are too large, or not regular files inside the
// student's folder.
func TestRefusedFiles(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "secret.go", answer("outputsize", "", right))
	put(t, dir, "large/outputsize.go", strings.Repeat("// filling\n", 1<<20))
	put(t, dir, "folder/outputsize.go/file", "")
	put(t, dir, "linkinside/mine.go", "inside")
	put(t, dir, "other/outputsize.go", answer("outputsize", "", right))
	for _, link := range [][2]string{
		{"../secret.go", "linkout/outputsize.go"}, {filepath.Join(dir, "secret.go"), "linkfar/outputsize.go"},
		{"mine.go", "linkinside/outputsize.go"}, {"../other", "linkdir/outputsize"},
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, link[1])), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(link[0], filepath.Join(dir, link[1])); err != nil {
			t.Skip("no links here:", err)
		}
	}
	found, _, err := findSubmissions([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	for student, want := range map[string]string{
		"large": "outputsize.go is larger than 1024 KiB", "folder": "not a regular file", "linkout": "not a regular file",
		"linkfar": "not a regular file", "linkdir": "not a regular file",
	} {
		_, _, err := readFound(t, found, student, "outputsize")
		var refused *refusal
		if !errors.As(err, &refused) || !strings.Contains(refused.reason, want) {
			t.Errorf("%s: %v, want a refusal with %q", student, err, want)
		}
	}
	if source, _, err := readFound(t, found, "linkinside", "outputsize"); err != nil || source != "inside" {
		t.Errorf("a link inside the folder: %q, %v", source, err)
	}
	// A link to a student's folder is not followed, but has a row.
	if err := os.Symlink("other", filepath.Join(dir, "linked")); err != nil {
		t.Fatal(err)
	}
	if found, _, err = findSubmissions([]string{dir}); err != nil {
		t.Fatal(err)
	}
	if source, _, err := readFound(t, found, "linked", "outputsize"); err == nil || !strings.Contains(err.Error(), "is a link") {
		t.Errorf("a link to a folder: %q, %v", source, err)
	}
}

// readFound returns a student's answer to an exercise of the real course, and the warning.
func readFound(t *testing.T, found []submission, student, exercise string) (source, warning string, err error) {
	t.Helper()
	root, err := checkout.Root(".")
	if err != nil {
		t.Fatal(err)
	}
	var all []task
	for _, name := range exercises.Names() {
		one, err := openTask(root, name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	for _, s := range found {
		if s.student != student {
			continue
		}
		h := s.collect(all)
		defer h.done()
		answer, err := h.answer(all[slices.Index(exercises.Names(), exercise)])
		return string(answer), h.warning(), err
	}
	t.Fatalf("no student %q in %+v", student, found)
	return "", "", nil
}

// TestBadInput tests the errors that are reported before anything runs.
func TestBadInput(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "class/ada/outputsize.go", "")
	put(t, dir, "file", "")
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(o *Options){
		"no such file":                      func(o *Options) { o.Folders = []string{filepath.Join(dir, "absent")} },
		"find the submissions: ":            func(o *Options) { o.Folders = []string{filepath.Join(dir, "file")} },
		"should be one for each student":    func(o *Options) { o.Folders = []string{filepath.Join(dir, "empty")} },
		"is one student's folder":           func(o *Options) { o.Folders = []string{filepath.Join(dir, "class", "ada")} },
		`there is no exercise "knitting"`:   func(o *Options) { o.Exercises = []string{"knitting"} },
		"named twice":                       func(o *Options) { o.Exercises = []string{"outputsize", "outputsize"} },
		"leaves no time":                    func(o *Options) { o.Timeout = 0 },
		"too low to start a test":           func(o *Options) { o.Memory = 1 << 20 },
		"the course's solution of momentum": func(o *Options) { o.Exercises = []string{"momentum"} },
	} {
		o := Options{Course: dir, Folders: []string{filepath.Join(dir, "class")}, Exercises: smallExercises, Timeout: time.Second, Memory: 1 << 30}
		change(&o)
		_, err := Run(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %q, want a line with %q", err, want)
		}
	}
}

func TestStudentsOfTheSameName(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{"a/kim/x", "b/kim/x", "b/lee/x"} {
		put(t, dir, path, "")
	}
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	found, _, err := findSubmissions([]string{b, a, b + "/"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range found {
		got = append(got, s.student)
	}
	if want := "a/kim b/kim lee"; strings.Join(got, " ") != want {
		t.Errorf("students %q, want %s", got, want)
	}
}

// TestBrokenCourse tests that a broken course is an error and not zero points for the class.
func TestBrokenCourse(t *testing.T) {
	class := t.TempDir()
	put(t, class, "ada/outputsize.go", answer("outputsize", "", right))
	for want, change := range map[string]func(o *Options){
		"compile the course: github.com/residual-go/residual/lesson/exercises/check: lesson/exercises/check/add.go:3:14: undefined: nothing": func(o *Options) {
			put(t, o.Course, exercises.Folder+"/check/add.go", "package check\n\nfunc Add() { nothing() }\n")
		},
		"the course's own solution of outputsize: failed": func(o *Options) {
			put(t, o.Course, exercises.Folder+"/outputsize/solution/outputsize.go",
				answer("outputsize", "", "func Add(a, b int) int {\n\t// BEGIN SOLUTION\n\treturn a\n\t// END SOLUTION\n}"))
		},
		"the course's own solution of outputsize: timed out": func(o *Options) { o.Timeout = time.Millisecond },
	} {
		o := smallOptions(t, class)
		change(&o)
		if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %q, want a line with %q", err, want)
		}
	}
}

// TestInterrupted interrupts an endless loop; neither files nor processes may be left.
func TestInterrupted(t *testing.T) {
	class := t.TempDir()
	put(t, class, "ada/outputsize.go", answer("outputsize", "", `func Add(a, b int) int { for {} }`))
	o := smallOptions(t, class)
	o.Exercises, o.Timeout = o.Exercises[:1], time.Minute
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	solved := make(chan struct{}) // by the course's solution, which runs first
	o.Progress = func(done, _ int, _ string) {
		if done == 1 {
			close(solved)
		}
	}
	go func() {
		for <-solved; ctx.Err() == nil; {
			if found, _ := filepath.Glob(filepath.Join(temporary, "*", "a*", "scratch")); len(found) > 0 {
				cancel()
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	start := time.Now()
	_, err := Run(ctx, o)
	if err != context.Canceled {
		t.Errorf("error %v, want that it was cancelled", err)
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("took %v to stop", took)
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
	t.Run("processes", func(t *testing.T) {
		if runtime.GOOS != "linux" {
			t.Skip("looks for them in /proc")
		}
		commands, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, path := range commands {
			if command, err := os.ReadFile(path); err == nil && bytes.Contains(command, []byte(temporary)) {
				t.Errorf("a process is left: %q", command)
			}
		}
	})
}

// TestInterruptedLate tests that an interrupted grader returns the grades so far.
func TestInterruptedLate(t *testing.T) {
	class := t.TempDir()
	put(t, class, "ada/outputsize.go", answer("outputsize", "", right))
	put(t, class, "bob/outputsize.go", answer("outputsize", "", `func Add(a, b int) int { for {} }`))
	o := smallOptions(t, class)
	o.Exercises, o.Timeout, o.workers = o.Exercises[:1], time.Minute, 1
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o.Progress = func(done, _ int, _ string) {
		if done == 2 {
			cancel()
		}
	}
	grades, err := Run(ctx, o)
	if err != context.Canceled {
		t.Errorf("error %v, want that it was cancelled", err)
	}
	if grades == nil || !grades.Incomplete || len(grades.Students) != 1 || grades.Students[0].Points != 10 {
		t.Fatalf("grades %+v, want those of one student, incomplete", grades)
	}
	var table, json bytes.Buffer
	if err := errors.Join(grades.WriteTable(&table), grades.WriteJSON(&json)); err != nil {
		t.Fatal(err)
	}
	if want := "\nIncomplete: interrupted after 1 of 2 students.\n"; !strings.HasSuffix(table.String(), want) {
		t.Errorf("the table is\n%s, want %q at its end", &table, want)
	}
	if want := `"incomplete": true`; !strings.Contains(json.String(), want) {
		t.Errorf("no %s in the JSON:\n%s", want, &json)
	}
}

// TestCompileTime tests that the time limit is the compiler's too, for students, even where it ends
// before the compiler starts.
func TestCompileTime(t *testing.T) {
	for _, limit := range []time.Duration{time.Nanosecond, time.Millisecond} {
		j := markOne(t, answer("outputsize", "", right), Options{Timeout: limit, Memory: 256 << 20})
		if j.err != nil || j.mark.Status != TimedOut || j.mark.Message != "the compiler was stopped after "+limit.String() {
			t.Errorf("%v: got %+v, %v", limit, j.mark, j.err)
		}
	}
}

// TestGraderFailure tests that a failure of the grader loses no other grades, and that it
// is reported.
func TestGraderFailure(t *testing.T) {
	class := t.TempDir()
	put(t, class, "ada/outputsize.go", answer("outputsize", "", right))
	put(t, class, "bob/outputsize.go", answer("outputsize", "", right+" // bob's"))
	o := smallOptions(t, class)
	o.Exercises, o.workers = o.Exercises[:1], 1
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	t.Setenv("TMP", temporary)
	o.Progress = func(done, _ int, _ string) {
		if done == 2 { // ada's
			made, _ := filepath.Glob(filepath.Join(temporary, "residual-grade-*"))
			for _, dir := range made {
				if err := os.RemoveAll(dir); err != nil {
					t.Error(err)
				}
			}
		}
	}
	o.remove = func(string) error { return errors.New("stuck") }
	grades, err := Run(t.Context(), o)
	if err != nil || grades == nil || grades.Incomplete || len(grades.Students) != 2 {
		t.Fatalf("grades %+v, %v", grades, err)
	}
	expected{Passed, 10, ""}.check(t, grades.Students[0].Marks[0])
	expected{NotGraded, 0, "compile: "}.check(t, grades.Students[1].Marks[0])
	var csv, table bytes.Buffer
	if err := errors.Join(grades.WriteCSV(&csv), grades.WriteTable(&table)); err != nil {
		t.Fatal(err)
	}
	if want := "bob,,not graded,0,10\n"; !strings.HasSuffix(csv.String(), want) {
		t.Errorf("the CSV is\n%s, want %q in it", &csv, want)
	}
	for _, want := range []string{"  outputsize: not graded: compile", "\nWarning: could not remove a temporary folder: stuck.\n", "\nNot graded, through no fault of the student: 1 answer. Grade again.\n"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table is\n%s, want %q in it", &table, want)
		}
	}
}

// TestRemoveAll removes folders that their owner has no permission to read.
func TestRemoveAll(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	put(t, dir, "a/b/file", "")
	for _, folder := range []string{"a/b", "a"} {
		if err := os.Chmod(filepath.Join(dir, folder), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := removeAll(dir); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("is left: %v", err)
	}
}

func TestWorkers(t *testing.T) {
	if n := workers(1 << 20); n < 1 || n > runtime.NumCPU() {
		t.Errorf("%d workers on %d processors", n, runtime.NumCPU())
	}
	if n := workers(1 << 60); n != 1 && systemMemory() > 0 {
		t.Errorf("%d workers that may use an exabyte each", n)
	}
}
