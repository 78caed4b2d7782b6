// Package check is the teacher of the exercises: one function per exercise, which takes a
// student's answer and says what is right about it and what is wrong.
//
//	func TestOutputSize(t *testing.T) { check.OutputSize(t, outputsize.OutputSize) }
//
// is all there is in an exercise's test file, so the same check serves go test, a %test cell
// in a notebook, and the grading of a class.
//
// A check runs a few steps in order: shapes first, where they can be wrong on their own, then
// values, mostly PyTorch's, then behaviour. It stops at the first step that fails, because
// later ones would probably fail for the same reason, and says what it expected, what it got
// and, if it knows, the usual reason. To find the reason it computes what the usual mistakes
// would give: an answer with the same values gets that mistake's [Hint]. A step that panics
// or does not return has failed.
//
// The check of each exercise is in a file of its name. The other files are what they share;
// package exercises has a map of them. This file runs the steps.
package check

import (
	"fmt"
	"os"
	"path"
	"runtime"
	"strings"
	"time"

	"github.com/residual-go/residual/lesson/words"
)

// T is what a check reports to; a *testing.T is one.
type T interface {
	Helper()
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
}

// recorder is a T that wants the result too; the tests of this package have one.
type recorder interface{ record(Result) }

// Failure is the error of a step that failed.
type Failure struct {
	// What was tried, such as "OutputSize(7, 3, 2, 1)".
	What string
	// Want and Got are the expected and the actual result.
	Want, Got string
	// Pattern is what all wrong values have in common, or empty.
	Pattern string
	// Hint is the zero Hint if the mistake is not one of the usual ones.
	Hint Hint
}

func (f *Failure) Error() string { return f.in(words.English, "") }

// in returns the text of the failure of an answer to an exercise, in a language.
func (f *Failure) in(l words.Language, exercise string) string {
	// Both labels are ten columns wide in every language.
	text := l.Formatted(f.What) + "\n    " + l.Text("expected: ") + indent(l.Formatted(f.Want)) + "\n    " + l.Text("got:      ") + indent(l.Formatted(f.Got))
	if f.Pattern != "" && f.Hint.Name == "" {
		text += "\n    " + l.Sprintf("in common: %s", l.Formatted(f.Pattern))
	}
	if f.Hint.Name != "" {
		text += "\n    " + l.Sprintf("usual reason (%s): %s", f.Hint.Name, l.Hint(exercise, f.Hint.Name, f.Hint.Text))
	}
	return text
}

// indent aligns the second and later lines of a value with its first line.
func indent(value string) string { return strings.ReplaceAll(value, "\n", "\n              ") }

// Step is the result of one step of a check.
type Step struct {
	// Name says what the step checks: "shape", "values", …
	Name string `json:"name"`
	// Points are what the step is worth; they are earned if it Passed.
	Points int  `json:"points"`
	Passed bool `json:"passed"`
	// Message says why the step failed. It is empty if the step passed or did not run.
	Message string `json:"message,omitempty"`
	Hint    *Hint  `json:"hint,omitempty"`
}

// Result is the result of a check.
type Result struct {
	Exercise string `json:"exercise"`
	// Steps are all steps of the check, including those that did not run.
	Steps []Step `json:"steps"`
}

// Points returns the points that the answer earned and those that the check is worth.
func (r Result) Points() (earned, of int) {
	for _, step := range r.Steps {
		of += step.Points
		if step.Passed {
			earned += step.Points
		}
	}
	return earned, of
}

// step is a step of a check that has not run yet. The error of try may be a *Failure.
type step struct {
	name   string
	points int
	try    func() error
}

// Limit is how long a step may take. A right answer needs a small fraction of it.
const Limit = 30 * time.Second

// NotDone begins the panic of a stub. What follows is where to find the task.
const NotDone = "not done yet: "

// run runs the steps of an exercise and reports to t, in the language of the environment.
func run(t T, exercise string, steps ...step) {
	t.Helper()
	language := words.Preferred(os.Getenv)
	result := Result{Exercise: exercise, Steps: make([]Step, len(steps))}
	failed := false
	for i, s := range steps {
		result.Steps[i] = Step{Name: s.name, Points: s.points}
		if failed {
			continue
		}
		err := guard(Limit, s.try)
		result.Steps[i].Passed = err == nil
		if err == nil {
			t.Logf("%s", language.Sprintf("%s: %s is right", exercise, language.In(words.Step, s.name)))
			continue
		}
		failed = true
		message := err.Error()
		if failure, ok := err.(*Failure); ok {
			message = failure.in(language, exercise)
			if hint := failure.Hint; hint.Name != "" {
				result.Steps[i].Hint = &Hint{hint.Name, language.Hint(exercise, hint.Name, hint.Text)}
			}
		}
		result.Steps[i].Message = message
		if failure, ok := err.(*Failure); ok && strings.HasPrefix(failure.What, NotDone) {
			result.Steps[i].Message = failure.Error() // programs recognise it by NotDone
		}
		t.Errorf("%s", language.Sprintf("%s, %s: %s", exercise, language.In(words.Step, s.name), message))
	}
	if r, ok := t.(recorder); ok {
		r.record(result)
	}
	report(result)
}

// guard calls try on its own goroutine and turns a panic, and a call that takes longer than
// the limit, into a failure. Go cannot end a call that does not return: its goroutine stays.
func guard(limit time.Duration, try func() error) error {
	done := make(chan error, 1)
	go func() {
		returned := false
		defer func() {
			if returned {
				return
			}
			switch caught := recover().(type) {
			case nil: // runtime.Goexit
				done <- &Failure{What: "calling the answer", Want: "a result", Got: "the goroutine ended"}
			case string:
				if strings.HasPrefix(caught, NotDone) {
					done <- &Failure{What: caught, Want: "an answer", Got: "the stub"}
					return
				}
				done <- panicked(caught, panicPlace())
			case *Failure: // from a check that cannot return it
				done <- caught
			default:
				done <- panicked(caught, panicPlace())
			}
		}()
		err := try()
		returned = true
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-time.After(limit):
		return &Failure{
			What: "calling the answer", Want: "a result within " + limit.String(), Got: "no result",
			Hint: noEnd,
		}
	}
}

// panicked returns the failure of an answer that panicked; at is from panicPlace. It keeps
// the first few lines of the panic's text: with GoMLX, the rest is a stack trace.
func panicked(caught any, at string) *Failure {
	lines := strings.Split(fmt.Sprint(caught), "\n")
	lines = lines[:min(len(lines), 5)]
	failure := &Failure{What: "calling the answer", Want: "a result"}
	if _, ok := caught.(runtime.Error); ok && (strings.HasSuffix(lines[0], "with length 0") || strings.HasSuffix(lines[0], "with capacity 0")) {
		failure.Hint = slicesNotMade
	}
	if at != "" {
		lines = append(lines, "at "+at)
	}
	failure.Got = "panic: " + strings.Join(lines, "\n")
	return failure
}

// panicPlace returns the line of the answer that a panic came from, as "convolution.go:8",
// or "" if no line of the answer is on the stack. A deferred function calls it, while the
// stack is still there.
func panicPlace() string {
	callers := make([]uintptr, 100) // GoMLX puts a few dozen functions on the stack
	frames := runtime.CallersFrames(callers[:runtime.Callers(1, callers)])
	for {
		frame, more := frames.Next()
		if inAnswer(frame) {
			return fmt.Sprintf("%s:%d", path.Base(frame.File), frame.Line)
		}
		if !more {
			return ""
		}
	}
}

// inAnswer reports whether a function is the student's: in a package of an exercise, or in
// a notebook cell, which is a main.go or, under %test, a main_test.go.
func inAnswer(frame runtime.Frame) bool {
	const exercises = "github.com/residual-go/residual/lesson/exercises/"
	if name, ok := strings.CutPrefix(frame.Function, exercises); ok {
		return !strings.HasPrefix(name, "check.") && !strings.HasPrefix(name, "nn.") && !strings.HasSuffix(frame.File, "_test.go")
	}
	file := path.Base(frame.File)
	return file == "main.go" || file == "main_test.go"
}
