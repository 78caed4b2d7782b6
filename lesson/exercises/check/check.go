// Package check is the teacher of the exercises: for each there is a function here that
// takes a student's answer and says what is right about it and what is not.
//
//	func TestOutputSize(t *testing.T) { check.OutputSize(t, outputsize.OutputSize) }
//
// is all that an exercise's test file has, and so the same check serves go test, a cell
// with %test in a notebook, and the grading of a class.
//
// A check is a few steps, in order: shapes first, where they can be wrong by themselves,
// then values, mostly PyTorch's, then behaviour. It stops at the first step that fails,
// since what comes after is likely to fail for the same reason, and says what was expected,
// what came, and the usual reason. To know the reason it knows what the usual mistakes
// compute: an answer with a mistake's values gets the mistake's [Hint], by name. Where a
// step panics or does not return, that is the failure.
//
// The checks are one file each, named for the exercise; this file is what they share.
package check

import (
	"fmt"
	"path"
	"runtime"
	"strings"
	"time"
)

// T is where a check reports: a *testing.T or a [Recorder].
type T interface {
	Helper()
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
}

// Hint is the usual reason for a failure.
type Hint struct {
	// Name is short and stable, as relu-before-addition: teachers count by it.
	Name string `json:"name"`
	// Text explains it to the student.
	Text string `json:"text"`
}

// Failure is why a step failed. It is an error.
type Failure struct {
	// What was tried, as "OutputSize(7, 3, 2, 1)".
	What string
	// Want and Got are what was expected and what came.
	Want, Got string
	// Hint may be zero, if the mistake is none of the usual ones.
	Hint Hint
}

func (f *Failure) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s\n    expected: %s\n    came:     %s", f.What, indent(f.Want), indent(f.Got))
	if f.Hint.Name != "" {
		fmt.Fprintf(&text, "\n    usual reason (%s): %s", f.Hint.Name, f.Hint.Text)
	}
	return text.String()
}

// indent puts the second and later lines of a value under its first.
func indent(value string) string { return strings.ReplaceAll(value, "\n", "\n              ") }

// Step is the result of one step of a check.
type Step struct {
	// Name says what the step checks: "shape", "values", …
	Name string `json:"name"`
	// Points are earned if the step Passed.
	Points int  `json:"points"`
	Passed bool `json:"passed"`
	// Message is the failure, if the step was reached and did not pass.
	Message string `json:"message,omitempty"`
	Hint    *Hint  `json:"hint,omitempty"`
}

// Result is what a check found.
type Result struct {
	Exercise string `json:"exercise"`
	// Steps are all of the check's, those after the first failure not reached.
	Steps []Step `json:"steps"`
}

// Points are what the answer earned, of how many.
func (r Result) Points() (earned, of int) {
	for _, step := range r.Steps {
		of += step.Points
		if step.Passed {
			earned += step.Points
		}
	}
	return earned, of
}

// step is a step of a check before it ran. The error of try may be a *Failure.
type step struct {
	name   string
	points int
	try    func() error
}

// Limit is how long a step may take. Every right answer takes a small part of it.
const Limit = 30 * time.Second

// NotDone is how the panic of an exercise that was not begun starts; generated stubs have
// it, with the place of the task behind it.
const NotDone = "not done yet: "

// run tries the steps of an exercise and reports to t.
func run(t T, exercise string, steps ...step) {
	t.Helper()
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
			t.Logf("%s: %s is right", exercise, s.name)
			continue
		}
		failed = true
		result.Steps[i].Message = err.Error()
		if failure, ok := err.(*Failure); ok && failure.Hint.Name != "" {
			result.Steps[i].Hint = &failure.Hint
		}
		t.Errorf("%s, %s: %s", exercise, s.name, err)
	}
	if recorder, ok := t.(*Recorder); ok {
		recorder.Results = append(recorder.Results, result)
	}
	report(result)
}

// guard calls try on a goroutine of its own and makes a panic, and taking longer than the
// limit, into failures. A call that does not return cannot be ended: its goroutine stays.
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
				done <- &Failure{What: "calling the answer", Want: "a result", Got: "the goroutine was ended"}
			case string:
				if strings.HasPrefix(caught, NotDone) {
					done <- &Failure{What: caught, Want: "an answer", Got: "the task's stub"}
					return
				}
				done <- panicked(caught, panicPlace())
			case *Failure: // of a check that has no other way to return it
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
			What: "calling the answer", Want: "a result within " + limit.String(), Got: "none",
			Hint: noEnd,
		}
	}
}

// panicked is the failure of an answer that panicked, at a place; see panicPlace. The
// first lines of what GoMLX panics with say what is wrong; what follows them is the stack.
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

var slicesNotMade = Hint{"slices-not-made", "a slice has no elements before it is made: make it with its length; and if it holds slices, as an image its rows, make each row too"}

// panicPlace is where in the answer a panic came from, as "convolution.go:8", or "" if that
// cannot be told. It is for deferred functions: the stack is still there.
func panicPlace() string {
	callers := make([]uintptr, 100) // GoMLX's own functions take a few dozen
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

// inAnswer tells a student's functions: those of the exercises' packages, or of a
// notebook's cell, which is a main.go or, under %test, a main_test.go.
func inAnswer(frame runtime.Frame) bool {
	const exercises = "github.com/residual-go/residual/lesson/exercises/"
	if name, ok := strings.CutPrefix(frame.Function, exercises); ok {
		return !strings.HasPrefix(name, "check.") && !strings.HasPrefix(name, "nn.") && !strings.HasSuffix(frame.File, "_test.go")
	}
	file := path.Base(frame.File)
	return file == "main.go" || file == "main_test.go"
}

// Recorder is a T that keeps the results.
type Recorder struct {
	Results []Result
	// Log is all that was reported.
	Log strings.Builder
}

// Helper does nothing.
func (r *Recorder) Helper() {}

// Logf adds a line to the log.
func (r *Recorder) Logf(format string, args ...any) { fmt.Fprintf(&r.Log, format+"\n", args...) }

// Errorf adds a line to the log.
func (r *Recorder) Errorf(format string, args ...any) { r.Logf(format, args...) }
