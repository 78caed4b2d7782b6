package grade

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/residual-go/residual/lesson/exercises"
	"github.com/residual-go/residual/lesson/exercises/check"
	"github.com/residual-go/residual/pkg/printable"
)

// Status is the outcome of an exercise.
type Status string

const (
	// Passed earns all points.
	Passed Status = "passed"
	// Failed earns the points of the steps before the one that failed.
	Failed Status = "failed"
	// All others earn no points.
	NotHandedIn  Status = "not handed in"
	NotDone      Status = "not done yet"
	NotMarked    Status = "not marked" // something was found, but not clearly the answer
	Refused      Status = "refused"    // by the gate
	CompileError Status = "compile error"
	Crashed      Status = "crashed"
	TimedOut     Status = "timed out"
	OutOfMemory  Status = "out of memory"
	NoResult     Status = "no result"  // it ended without a report, or reported twice
	NotGraded    Status = "not graded" // the grader or the system failed
)

// Mark is a student's result in an exercise.
type Mark struct {
	Exercise string `json:"exercise"`
	Status   Status `json:"status"`
	Points   int    `json:"points"`
	// Of is the number of points that the exercise is worth.
	Of int `json:"of"`
	// Hints are the usual reasons for what went wrong.
	Hints []check.Hint `json:"hints,omitempty"`
	// Message says what went wrong; if the answer does not compile, CompileError does.
	Message      string `json:"message,omitempty"`
	CompileError string `json:"compile_error,omitempty"`
}

// Student is a student's results.
type Student struct {
	Name   string `json:"name"`
	Points int    `json:"points"`
	Of     int    `json:"of"`
	// Warning says what looks wrong with the student's folder, if anything does.
	Warning string `json:"warning,omitempty"`
	// Marks are in the order of the exercises.
	Marks []Mark `json:"exercises"`
}

// Grades are the results of a class.
type Grades struct {
	Exercises []string `json:"exercises"`
	// Students are the students who were graded, out of Class. Incomplete is whether the
	// grader was interrupted before it had graded all of them.
	Students   []Student `json:"students"`
	Class      int       `json:"class"`
	Incomplete bool      `json:"incomplete"`
	// Warnings say what went wrong apart from the submissions.
	Warnings []string `json:"warnings,omitempty"`
	// Sandbox is what the submissions were kept from.
	Sandbox Sandbox `json:"sandbox"`
}

// Options say what to grade and how.
type Options struct {
	// Course is the root of the course's checkout.
	Course string
	// Folders each contain a folder for each student.
	Folders []string
	// Exercises are the names of the exercises; nil means all.
	Exercises []string
	// Timeout is the time limit for each exercise.
	Timeout time.Duration
	// Memory is the memory limit for each exercise, in bytes.
	Memory int64
	// Sandboxed, if not nil, is called before any submission runs, with what the submissions
	// will be kept from.
	Sandboxed func(*Sandbox)
	// Progress, if not nil, is called after each part of the work: done parts of total are
	// finished, and what describes the latest. Calls do not overlap.
	Progress func(done, total int, what string)

	// For tests: noGate lets all submissions past the gate, unlimited leaves the memory limit
	// to package check, workers replaces the number of processors, and remove replaces the
	// function that removes a temporary folder.
	noGate, unlimited bool
	workers           int
	remove            func(dir string) error
}

// Run grades a class. A submission that fails is not an error. If ctx is cancelled, Run
// returns ctx's error together with the grades so far, if there are any.
func Run(ctx context.Context, o Options) (*Grades, error) {
	known := exercises.Names()
	if o.Exercises == nil {
		o.Exercises = known
	}
	for i, name := range o.Exercises {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("there is no exercise %q; the exercises are %s", name, strings.Join(known, ", "))
		}
		if slices.Contains(o.Exercises[:i], name) {
			return nil, fmt.Errorf("exercise %s is named twice", name)
		}
	}
	if o.Timeout <= 0 {
		return nil, fmt.Errorf("a time limit of %v leaves no time", o.Timeout)
	}
	const least = 64 << 20
	if o.Memory < least {
		return nil, fmt.Errorf("a memory limit of %d MiB is too low to start a test; give at least %d", o.Memory>>20, least>>20)
	}
	submissions, passed, err := findSubmissions(o.Folders)
	if err != nil {
		return nil, err
	}
	c, err := openCourse(ctx, o.Course, o.Exercises)
	if err != nil {
		return nil, err
	}
	sandbox, err := newSandbox(ctx)
	if err != nil {
		return nil, err
	}
	if o.Sandboxed != nil {
		o.Sandboxed(sandbox)
	}
	if o.workers == 0 {
		o.workers = workers(o.Memory)
	}
	if o.remove == nil {
		o.remove = removeAll
	}
	parent, err := os.MkdirTemp("", "residual-grade-")
	if err != nil {
		return nil, fmt.Errorf("make a temporary folder: %w", err)
	}
	class := &class{course: c, options: o, sandbox: sandbox, parent: parent, total: len(o.Exercises) + len(submissions)}
	grades, err := class.grade(ctx, submissions)
	if grades != nil && len(passed) > 0 {
		grades.Warnings = append(grades.Warnings, "not a student's, and passed over: "+strings.Join(passed, ", "))
	}
	// The grades are worth more than a tidy disk, so this is only a warning.
	removed := o.remove(parent)
	if grades != nil && removed != nil {
		grades.Warnings = append(grades.Warnings, "could not remove a temporary folder: "+printable.Line(removed.Error()))
	}
	if ctx.Err() != nil { // any other error is a consequence
		return grades, ctx.Err()
	}
	return grades, err
}

// removeAll removes a folder and everything in it, even if what ran there has removed the
// permissions of folders.
func removeAll(dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, _ error) error {
		if entry != nil && entry.IsDir() {
			_ = os.Chmod(path, 0o700) // if this fails, the second RemoveAll reports it
		}
		return nil
	})
	return os.RemoveAll(dir)
}

// workers returns how many submissions run at once: as many as there are processors, or fewer
// if at their memory limit they would not fit into the system's memory.
func workers(memory int64) int {
	n := runtime.NumCPU()
	if total := systemMemory(); total > 0 {
		n = min(n, int(total/uint64(max(memory, compileMemory))))
	}
	return max(n, 1)
}

// class is a class that is being graded.
type class struct {
	course  *course
	options Options
	sandbox *Sandbox
	parent  string

	mu          sync.Mutex
	done, total int
}

func (c *class) progress(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done++
	if c.options.Progress != nil {
		c.options.Progress(c.done, c.total, what)
	}
}

// grade grades the submissions. Even with an error it returns the grades of the students that
// have been graded, or nil if there are none.
func (c *class) grade(ctx context.Context, submissions []submission) (*Grades, error) {
	worth, err := c.solutions(ctx)
	if err != nil {
		return nil, err
	}
	students := make([]*Student, len(submissions)) // nil if not graded
	err = c.each(ctx, len(submissions), func(ctx context.Context, i int) error {
		student, err := c.student(ctx, submissions[i], worth)
		if err != nil {
			return err
		}
		students[i] = student
		c.progress(fmt.Sprintf("%s: %d of %d points", student.Name, student.Points, student.Of))
		return nil
	})
	grades := &Grades{Exercises: c.options.Exercises, Class: len(submissions), Sandbox: *c.sandbox}
	failures := 0
	for _, student := range students {
		if student == nil {
			continue
		}
		grades.Students = append(grades.Students, *student)
		for _, mark := range student.Marks {
			if mark.Status == NotGraded {
				failures++
			}
		}
	}
	if len(grades.Students) == 0 {
		return nil, err
	}
	grades.Incomplete = len(grades.Students) < len(students)
	if failures > 0 {
		grades.Warnings = append(grades.Warnings, fmt.Sprintf("answers not graded because the grader or the system failed: %d; grade again", failures))
	}
	return grades, err
}

// solutions grades the course's own solutions and returns what each exercise is worth. A
// solution that does not earn all points is an error.
func (c *class) solutions(ctx context.Context) (worth []int, err error) {
	tasks := c.course.tasks
	worth = make([]int, len(tasks))
	grade := func(ctx context.Context, i int) error {
		t := tasks[i]
		w, err := newWorkplace(c.course, c.parent, c.sandbox, c.options)
		if err != nil {
			return err
		}
		w.patient = true // the first time, the whole course is compiled
		mark, err := w.grade(ctx, t, t.solution, nil)
		if err == nil && mark.Status != Passed {
			err = fmt.Errorf("%s: %s", mark.Status, shorten(printable.Line(mark.Message+mark.CompileError), 500))
		}
		if err != nil {
			return fmt.Errorf("the course's own solution of %s: %w", t.name, err)
		}
		worth[i] = mark.Of
		c.progress(fmt.Sprintf("the solution of %s: %d points", t.name, mark.Of))
		w.remove()
		return nil
	}
	// The first runs alone, so that what all share is compiled only once.
	if err := grade(ctx, 0); err != nil {
		return nil, err
	}
	err = c.each(ctx, len(tasks)-1, func(ctx context.Context, i int) error { return grade(ctx, i+1) })
	return worth, err
}

// student grades a student's submission. Its only error is ctx's: what fails for one student
// need not fail for the others, since the course's own solutions passed.
func (c *class) student(ctx context.Context, s submission, worth []int) (*Student, error) {
	h := s.collect(c.course.all)
	defer h.done()
	w, failed := newWorkplace(c.course, c.parent, c.sandbox, c.options)
	student := &Student{Name: s.student}
	for i, t := range c.course.tasks {
		var mark Mark
		err := failed
		if err == nil {
			source, missing := h.answer(t)
			mark, err = w.grade(ctx, t, source, missing)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			mark = Mark{Exercise: t.name, Status: NotGraded, Message: printable.Line(err.Error())}
		}
		mark.Of = worth[i]
		student.Marks = append(student.Marks, mark)
		student.Points += mark.Points
		student.Of += mark.Of
	}
	student.Warning = h.warning()
	if failed == nil {
		w.remove()
	}
	return student, nil
}

// each calls f for 0 … n−1, on as many goroutines as there are workers, until the first error.
func (c *class) each(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	next := make(chan int)
	var running sync.WaitGroup
	for range min(c.options.workers, n) {
		running.Go(func() {
			for i := range next {
				if err := f(ctx, i); err != nil {
					stop(err)
				}
			}
		})
	}
feed:
	for i := range n {
		select {
		case next <- i:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	running.Wait()
	return context.Cause(ctx)
}
