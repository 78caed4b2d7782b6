package grade

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/residual-go/residual/lesson/checkout"
	"github.com/residual-go/residual/lesson/exercises"
)

// TestMain makes the test binary serve as the programs that the tests start: the child, and a
// grader that runs a program in the sandbox.
func TestMain(m *testing.M) {
	if unprotected != nil {
		gradeUnprotected(os.Args[3], os.Args[4], os.Args[5] == "anyway")
	}
	if len(os.Args) != 3 {
		os.Exit(m.Run())
	}
	switch os.Args[1] {
	case ChildCommand:
		Child(os.Args[2])
	case "run":
		sandbox, err := newSandbox(context.Background())
		if err != nil {
			panic(err)
		}
		_, err = sandbox.run(context.Background(), process{Path: os.Args[2], Limits: limits{Shut: true}})
		panic(err)
	}
}

// unprotected, if not nil, takes part of the sandbox away from this process.
var unprotected func() error

// gradeUnprotected grades a class on a system that lacks part of the sandbox, and exits.
func gradeUnprotected(class, course string, anyway bool) {
	err := unprotected()
	if err == nil {
		var g *Grades
		g, err = Run(context.Background(), Options{Course: course, Folders: []string{class}, Exercises: smallExercises[:1],
			Timeout: 20 * time.Second, Memory: 256 << 20, WithoutSandbox: anyway})
		if err == nil {
			fmt.Println(marksOf(g))
			os.Exit(0)
		}
	}
	fmt.Println(err)
	os.Exit(1)
}

// answer returns the file of an answer in the small course. Its two exercises have names of
// the real course; both ask for the sum of two numbers, for 4 points, and of two large
// numbers, for 6.
func answer(exercise, imports, code string) string {
	return "package " + exercise + "\n\n" + imports + "\n\n" + code + "\n"
}

// right and wrong are answers; the second is wrong only for large numbers.
const (
	right = "func Add(a, b int) int { return a + b }"
	wrong = "func Add(a, b int) int { return (a + b) % 1000 }"
)

// smallCourse makes a course of two exercises that compiles quickly. Its package check has
// the real runner and reports.
func smallCourse(t testing.TB) string {
	t.Helper()
	root := t.TempDir()
	put(t, root, "go.mod", "module "+checkout.Module+" // a small one\n\ngo 1.26\n")
	names := []string{
		"exercises/check/check.go", "exercises/check/hints.go", "exercises/check/memory.go", "exercises/check/report.go",
	}
	for _, pattern := range []string{"words/*.go", "words/zh/*.po"} { // all of package words, which needs no other
		paths, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			if name := filepath.ToSlash(strings.TrimPrefix(path, ".."+string(filepath.Separator))); !strings.HasSuffix(name, "_test.go") {
				names = append(names, name)
			}
		}
	}
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		put(t, root, "lesson/"+name, string(content))
	}
	put(t, root, exercises.Folder+"/check/add.go", `package check

import "fmt"

func Add(t T, exercise string, add func(a, b int) int) {
	t.Helper()
	try := func(a, b int) func() error {
		return func() error {
			if got := add(a, b); got != a+b {
				return &Failure{What: fmt.Sprintf("Add(%d, %d)", a, b), Want: fmt.Sprint(a + b), Got: fmt.Sprint(got), Hint: Hint{"wraps", "a remainder is taken"}}
			}
			return nil
		}
	}
	run(t, exercise, step{"small", 4, try(1, 2)}, step{"large", 6, try(1000, 2000)})
}
`)
	for _, name := range smallExercises {
		folder := exercises.Folder + "/" + name + "/"
		put(t, root, folder+name+".go", "package "+name+"\n\nfunc Add(a, b int) int { panic(0) }\n")
		put(t, root, folder+"solution/"+name+".go", answer(name, "", "func Add(a, b int) int {\n\t// BEGIN SOLUTION\n\treturn a + b\n\t// END SOLUTION\n}"))
		put(t, root, folder+name+"_test.go", `package `+name+`_test

import (
	"testing"

	"`+checkout.Module+`/lesson/exercises/check"
	"`+checkout.Module+`/lesson/exercises/`+name+`"
)

func TestAdd(t *testing.T) { check.Add(t, "`+name+`", `+name+`.Add) }
`)
	}
	return root
}

var smallExercises = []string{"outputsize", "convolution"}

// put writes a file below root.
func put(t testing.TB, root, name, content string) {
	t.Helper()
	path := filepath.Join(root, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// smallOptions returns options for the small course. The memory limit is low, so that it is
// soon used up, and the time limit long enough for a busy machine.
func smallOptions(t testing.TB, class string) Options {
	return Options{Course: smallCourse(t), Folders: []string{class}, Exercises: smallExercises,
		Timeout: 20 * time.Second, Memory: 256 << 20, workers: 4, WithoutSandbox: true}
}

// markOne marks an answer to the first exercise of the small course, without a sandbox.
func markOne(t *testing.T, code string, o Options) *job {
	t.Helper()
	c, err := openCourse(t.Context(), smallCourse(t), smallExercises[:1])
	if err != nil {
		t.Fatal(err)
	}
	o.workers, o.remove = 1, removeAll
	w, err := openWorkshop(t.Context(), c, t.TempDir(), &Sandbox{}, o)
	if err != nil {
		t.Fatal(err)
	}
	return markIn(t, w, code)
}

// markIn marks an answer to the first exercise in a workshop.
func markIn(t *testing.T, w *workshop, code string) *job {
	t.Helper()
	j := &job{task: w.tasks[0], source: []byte(code)}
	if err := w.mark(t.Context(), []*job{j}, func(*job) {}); err != nil {
		t.Fatal(err)
	}
	return j
}

// expected is what a student's mark in the first exercise should be.
type expected struct {
	status Status // or several, with | between them
	points int
	// says is a part of the message or the compile error.
	says string
}

// attack is a malicious submission.
type attack struct {
	name string
	code string // of outputsize.go
	want expected
	// need reports whether the sandbox can prevent the attack; nil means that it need not.
	need func(s *Sandbox) bool
}

// gradeAttacks grades a class of attackers and checks their marks. All of them have a right
// answer to the second exercise and must get its points: an attack may cost only the points
// of its own exercise.
func gradeAttacks(t *testing.T, attacks []attack, change func(o *Options)) {
	t.Helper()
	sandbox, err := newSandbox(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	class := t.TempDir()
	var possible []attack
	for _, a := range attacks {
		if a.need != nil && !a.need(sandbox) {
			t.Run(a.name, func(t *testing.T) { t.Skip("this system cannot prevent it:", sandbox) })
			continue
		}
		possible = append(possible, a)
		put(t, class, a.name+"/outputsize.go", a.code)
		put(t, class, a.name+"/convolution.go", answer("convolution", "", right))
	}
	o := smallOptions(t, class)
	if change != nil {
		change(&o)
	}
	grades, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]Student{}
	for _, student := range grades.Students {
		byName[student.Name] = student
	}
	for _, a := range possible {
		t.Run(a.name, func(t *testing.T) {
			student, ok := byName[a.name]
			if !ok {
				t.Fatal("has no grade")
			}
			a.want.check(t, student.Marks[0])
			if second := student.Marks[1]; second.Status != Passed || second.Points != 10 || student.Points != a.want.points+10 {
				t.Errorf("the other exercise: %+v, %d points in all", second, student.Points)
			}
		})
	}
}

func (want expected) check(t *testing.T, mark Mark) {
	t.Helper()
	if !slices.Contains(strings.Split(string(want.status), "|"), string(mark.Status)) || mark.Points != want.points || mark.Of != 10 {
		t.Errorf("got %q with %d of %d points, want %q with %d of 10: %+v", mark.Status, mark.Points, mark.Of, want.status, want.points, mark)
	}
	if text := mark.Message + mark.CompileError; !strings.Contains(text, want.says) {
		t.Errorf("it says %q, want %q in it", text, want.says)
	}
}
