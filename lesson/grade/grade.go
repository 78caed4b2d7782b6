package grade

import (
	"context"
	"errors"
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
	// Fingerprint is that of the answer and of all that marks it. As long as it stays the same,
	// the answer need not be marked again. It is "" if there was nothing to compile.
	Fingerprint string `json:"fingerprint,omitempty"`
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
	// Solutions are the marks of the course's own solutions: what each exercise is worth.
	Solutions []Mark `json:"solutions"`
	// Students are the students who were graded, and those of earlier grades. Class is how many
	// handed in, and Graded how many of these have all of their marks. Incomplete is whether the
	// grader was interrupted before it had graded all of them.
	Students   []Student `json:"students"`
	Class      int       `json:"class"`
	Graded     int       `json:"graded"`
	Incomplete bool      `json:"incomplete"`
	// NotGraded is how many answers could not be marked because the grader or the system failed.
	NotGraded int `json:"not_graded"`
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
	// Earlier are the grades of an earlier run, or nil. Their marks are taken where neither the
	// answer nor what marks it has changed, unless Again is set. Marks that this run does not
	// give, of other exercises and of students who are not in Folders, are kept.
	Earlier *Grades
	Again   bool
	// WithoutSandbox allows submissions to run on a system that cannot isolate them.
	WithoutSandbox bool
	// Sandboxed, if not nil, is called before any submission runs, with what the submissions
	// will be kept from.
	Sandboxed func(*Sandbox)
	// Save, if not nil, is called now and then with the grades so far, which are incomplete.
	// Calls do not overlap.
	Save func(*Grades)
	// Progress, if not nil, is called after each part of the work: done parts of total are
	// finished, and what describes the latest. Calls do not overlap.
	Progress func(done, total int, what string)

	// For tests: noGate lets all submissions past the gate, which may then also import the
	// packages imports; unlimited leaves the memory limit to package check; workers replaces the
	// number of processors, and remove the function that removes a temporary folder.
	noGate, unlimited bool
	imports           []string
	workers           int
	remove            func(dir string) error
}

// UnprotectedError is the error of [Run] on a system that cannot keep submissions from
// everything that the sandbox should keep them from.
type UnprotectedError struct{ Sandbox Sandbox }

func (e *UnprotectedError) Error() string {
	return "this system cannot isolate submissions: " + e.Sandbox.Risk()
}

// ErrOtherClass is the error of [Run] if the earlier grades have none of the students.
var ErrOtherClass = errors.New("the earlier grades are those of other students")

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
	if e := o.Earlier; e != nil && len(e.Students) > 0 && !slices.ContainsFunc(submissions, func(s submission) bool { return e.student(s.student) != nil }) {
		return nil, ErrOtherClass
	}
	c, err := openCourse(ctx, o.Course, o.Exercises)
	if err != nil {
		return nil, err
	}
	sandbox, err := newSandbox(ctx)
	if err != nil {
		return nil, err
	}
	if !sandbox.whole() && !o.WithoutSandbox {
		return nil, &UnprotectedError{*sandbox}
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
	parent, unlock, err := temporaryFolder()
	if err != nil {
		return nil, err
	}
	class := newClass(c, o, sandbox, parent, submissions)
	if len(passed) > 0 {
		class.warnings = append(class.warnings, "ignored, because no student handed it in: "+strings.Join(passed, ", "))
	}
	err = class.grade(ctx)
	unlock()
	// The grades are worth more than a tidy disk, so this is only a warning.
	if removed := o.remove(parent); removed != nil {
		class.warnings = append(class.warnings, "could not remove a temporary folder: "+printable.Line(removed.Error()))
	}
	switch {
	case ctx.Err() != nil: // any other error is a consequence
		return class.grades(true), ctx.Err()
	case err != nil:
		return nil, err
	}
	return class.grades(false), nil
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
	rows    []*row
	// warnings say what went wrong apart from the submissions.
	warnings []string

	// mu guards what follows, and the marks in rows.
	mu        sync.Mutex
	solutions []Mark
	// known are marks that hold for any answer with the fingerprint.
	known       map[string]Mark
	done, total int
	saved       time.Time
}

// row is a student who is being graded.
type row struct {
	submission submission
	warning    string
	// marks are in the order of the tasks, nil where there is none yet.
	marks []*Mark
	// open is how many answers have to be marked. jobs are these, or nil if the class is too
	// large to keep them all; then they are read again.
	open int
	jobs map[int]*job
}

func newClass(c *course, o Options, s *Sandbox, parent string, submissions []submission) *class {
	class := &class{course: c, options: o, sandbox: s, parent: parent, known: map[string]Mark{}, saved: time.Now()}
	for _, s := range submissions {
		class.rows = append(class.rows, &row{submission: s, marks: make([]*Mark, len(c.tasks))})
	}
	if o.Earlier != nil && !o.Again {
		for _, mark := range o.Earlier.Solutions {
			class.learn(mark)
		}
		for _, student := range o.Earlier.Students {
			for _, mark := range student.Marks {
				class.learn(mark)
			}
		}
	}
	return class
}

// glance returns the mark of an answer that need not be compiled, or nil; missing is the error
// from looking for it. The returned error is the grader's own, not the student's.
func (t task) glance(source []byte, missing error, noGate bool) (*Mark, error) {
	mark := &Mark{Exercise: t.name}
	var refused *refusal
	var which *unclear
	switch {
	case errors.Is(missing, fs.ErrNotExist):
		mark.Status = NotHandedIn
		return mark, nil
	case errors.As(missing, &refused):
		mark.Status, mark.Message = Refused, clean(refused.reason)
		return mark, nil
	case errors.As(missing, &which):
		mark.Status, mark.Message = NotMarked, clean(which.reason)
		return mark, nil
	case missing != nil:
		return nil, missing
	case sameText(source, t.stub):
		mark.Status = NotDone
		return mark, nil
	case noGate:
		return nil, nil
	}
	if err := t.gate.pass(source); errors.As(err, &refused) {
		mark.Status, mark.Message = Refused, clean(refused.reason)
		return mark, nil
	} else if err != nil { // the compiler would say the same, more slowly
		mark.Status, mark.CompileError = CompileError, clean(listErrors(err))
		return mark, nil
	}
	return nil, nil
}

// learn notes a mark for other answers with the same fingerprint.
func (c *class) learn(mark Mark) {
	if mark.Fingerprint != "" && mark.Status != NotGraded {
		c.known[mark.Fingerprint] = mark
	}
}

// progress reports that n parts of the work are done. The caller holds mu.
func (c *class) progress(n int, what string) {
	c.done += n
	if c.options.Progress != nil {
		c.options.Progress(c.done, c.total, what)
	}
}

// grade grades the class as far as it gets.
func (c *class) grade(ctx context.Context) error {
	c.total = len(c.course.tasks) + len(c.rows)
	if err := c.prepareAll(ctx); err != nil {
		return err
	}
	open := 0
	for _, r := range c.rows {
		open += r.open
	}
	if open == 0 && c.knowSolutions() {
		c.finished("the solutions are known")
		return nil
	}
	w, err := openWorkshop(ctx, c.course, c.parent, c.sandbox, c.options)
	if err != nil {
		return err
	}
	if err := c.markSolutions(ctx, w); err != nil {
		return err
	}
	c.finished("")
	return c.markAnswers(ctx, w, open)
}

// finished reports the progress of what needs no marking: the solutions, if it is given what to
// say about them, and students.
func (c *class) finished(solutions string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if solutions != "" {
		c.progress(len(c.solutions), solutions)
	}
	for _, r := range c.rows {
		if r.open == 0 {
			c.progress(1, c.points(r)+r.unchanged())
		}
	}
}

// prepareAll reads all submissions and decides what can be decided without compiling.
func (c *class) prepareAll(ctx context.Context) error {
	const keep = 32 << 20 // bytes
	kept := 0
	for _, r := range c.rows {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c.prepare(r)
		for _, j := range r.jobs {
			kept += len(j.source)
		}
		if kept > keep {
			r.jobs = nil
		}
	}
	return nil
}

// prepare reads a submission: it sets the marks that need no compiling, and the jobs for others.
func (c *class) prepare(r *row) {
	h := r.submission.collect(c.course.all)
	defer h.done()
	marks, jobs := make([]*Mark, len(c.course.tasks)), map[int]*job{}
	for i, t := range c.course.tasks {
		source, missing := h.answer(t)
		mark, err := t.glance(source, missing, c.options.noGate)
		if err != nil {
			mark = &Mark{Exercise: t.name, Status: NotGraded, Message: clean(printable.Line(err.Error()))}
		}
		if mark == nil {
			mark = c.recall(t, source)
		}
		if mark == nil {
			jobs[i] = &job{task: t, source: source}
		}
		marks[i] = mark
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r.marks, r.jobs, r.open, r.warning = marks, jobs, len(jobs), clean(h.warning())
}

// recall returns the mark of an answer if it has been marked before, or nil.
func (c *class) recall(t task, source []byte) *Mark {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, status := range []Status{Passed, TimedOut} {
		if mark, ok := c.known[c.fingerprint(t, source, status)]; ok {
			return &mark
		}
	}
	return nil
}

// note records the outcome of a job.
func (c *class) note(j *job) Mark {
	var mark Mark
	if j.err != nil {
		mark = Mark{Exercise: j.task.name, Status: NotGraded, Message: clean(printable.Line(j.err.Error()))}
	} else {
		mark = *j.mark
		mark.Fingerprint = c.fingerprint(j.task, j.source, mark.Status)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !mark.Status.ofRun() {
		c.learn(mark)
	}
	return mark
}

// knowSolutions reports whether the marks of all of the course's solutions are known.
func (c *class) knowSolutions() bool {
	var known []Mark
	for _, t := range c.course.tasks {
		mark := c.recall(t, t.solution)
		if mark == nil || mark.Status != Passed {
			return false
		}
		known = append(known, *mark)
	}
	c.solutions = known
	return true
}

// markSolutions grades the course's own solutions. One that does not earn all points is an
// error.
func (c *class) markSolutions(ctx context.Context, w *workshop) error {
	var jobs []*job
	for _, t := range c.course.tasks {
		jobs = append(jobs, &job{task: t, source: t.solution})
	}
	if err := w.mark(ctx, jobs, func(*job) {}); err != nil {
		return err
	}
	var marks []Mark
	for i, j := range jobs {
		mark := c.note(j)
		if mark.Status != Passed {
			return fmt.Errorf("the course's own solution of %s: %s: %s", j.task.name, mark.Status, shorten(printable.Line(mark.Message+mark.CompileError), 500))
		}
		c.course.tasks[i].steps = j.report.Steps
		marks = append(marks, mark)
		c.mu.Lock()
		c.progress(1, fmt.Sprintf("the solution of %s: %d points", j.task.name, mark.Of))
		c.mu.Unlock()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.solutions = marks
	return nil
}

// markAnswers marks the open answers, some students at a time.
func (c *class) markAnswers(ctx context.Context, w *workshop, open int) error {
	// Answers that are marked together share a program, and linking takes most of the time.
	together := min(max(1, open/(3*c.options.workers)), 24)
	var groups [][]*row
	size := together
	for _, r := range c.rows {
		if r.open == 0 {
			continue
		}
		if size >= together {
			groups, size = append(groups, nil), 0
		}
		last := &groups[len(groups)-1]
		*last = append(*last, r)
		size += r.open
	}
	return c.each(ctx, len(groups), func(ctx context.Context, i int) error { return c.markRows(ctx, w, groups[i]) })
}

// markRows marks the open answers of a few students.
func (c *class) markRows(ctx context.Context, w *workshop, rows []*row) error {
	var jobs []*job
	at := map[*job]func(Mark){}
	for _, r := range rows {
		if r.jobs == nil {
			c.prepare(r)
		}
		for i, j := range r.jobs {
			j.task = c.course.tasks[i] // which has steps now
			if mark := c.recall(j.task, j.source); mark != nil {
				c.set(r, i, *mark)
				continue
			}
			jobs = append(jobs, j)
			at[j] = func(mark Mark) { c.set(r, i, mark) }
		}
		r.jobs = nil
	}
	return w.mark(ctx, jobs, func(j *job) { at[j](c.note(j)) })
}

// set sets a mark of a student.
func (c *class) set(r *row, i int, mark Mark) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r.marks[i] = &mark
	if !r.graded() {
		return
	}
	c.progress(1, c.points(r))
	if c.options.Save != nil && time.Since(c.saved) > saveEvery {
		c.options.Save(c.gradesNow(true))
		c.saved = time.Now()
	}
}

// saveEvery is how often grades are saved while the grader works.
const saveEvery = 5 * time.Second

// graded reports whether a student has all marks.
func (r *row) graded() bool { return !slices.Contains(r.marks, nil) }

// points says what a student has earned.
func (c *class) points(r *row) string {
	earned, of := 0, 0
	for i, mark := range r.marks {
		earned += mark.Points
		of += c.solutions[i].Of
	}
	return fmt.Sprintf("%s: %d of %d points", r.submission.student, earned, of)
}

// unchanged says that a student's marks are those of an earlier run, if any of them is.
func (r *row) unchanged() string {
	for _, mark := range r.marks {
		if mark.Fingerprint != "" {
			return ", as before"
		}
	}
	return ""
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
