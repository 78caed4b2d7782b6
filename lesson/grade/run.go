package grade

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/residual-go/residual/lesson/exercises/check"
)

// compileMemory is the memory limit of the compiler, which also has to deal with whatever
// students wrote. Its time limit is that of the test.
const compileMemory = 4 << 30

// errSlow says that the compiler was stopped for taking too long.
var errSlow = errors.New("the compiler was stopped")

// workplace is a temporary copy of the module in which submissions are compiled and run,
// one after another.
type workplace struct {
	*course
	dir     string
	sandbox *Sandbox
	options Options
	// patient is whether the compiler may take longer than the limit the first time.
	patient bool
}

// newWorkplace copies the course to a new folder below parent.
func newWorkplace(c *course, parent string, s *Sandbox, o Options) (*workplace, error) {
	dir, err := os.MkdirTemp(parent, "copy-")
	if err == nil {
		// In its messages, the compiler uses the folder's path without symbolic links.
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("copy the course: %w", err)
	}
	if err := c.write(dir); err != nil {
		return nil, err
	}
	for _, sub := range []string{"home", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, "."+sub), 0o755); err != nil {
			return nil, fmt.Errorf("copy the course: %w", err)
		}
	}
	return &workplace{course: c, dir: dir, sandbox: s, options: o}, nil
}

// remove removes the copy. If it fails, the grader tries once more at the end.
func (w *workplace) remove() { _ = w.options.remove(w.dir) }

// grade returns the mark for a student's file; err is the error from reading it. The returned
// error is the grader's own, not the student's.
func (w *workplace) grade(ctx context.Context, t task, source []byte, err error) (Mark, error) {
	mark := Mark{Exercise: t.name}
	var refused *refusal
	var which *unclear
	switch {
	case errors.Is(err, fs.ErrNotExist):
		mark.Status = NotHandedIn
		return mark, nil
	case errors.As(err, &refused):
		mark.Status, mark.Message = Refused, refused.reason
		return mark, nil
	case errors.As(err, &which):
		mark.Status, mark.Message = NotMarked, which.reason
		return mark, nil
	case err != nil:
		return mark, err
	case sameText(source, t.stub):
		mark.Status = NotDone
		return mark, nil
	}
	if !w.options.noGate {
		if err := t.gate.pass(source); errors.As(err, &refused) {
			mark.Status, mark.Message = Refused, refused.reason
			return mark, nil
		} else if err != nil { // the compiler would say the same, more slowly
			mark.Status, mark.CompileError = CompileError, clean(listErrors(err))
			return mark, nil
		}
	}
	binary, problem, err := w.compile(ctx, t, source, w.patient)
	switch {
	case errors.Is(err, errSlow):
		mark.Status, mark.Message = TimedOut, fmt.Sprintf("the compiler was stopped after %v", w.options.Timeout)
		return mark, nil
	case err != nil:
		return mark, err
	case problem != "":
		mark.Status, mark.CompileError = CompileError, problem
		return mark, nil
	}
	defer os.Remove(binary)
	return w.run(ctx, t, binary)
}

// compile builds the test of the student's source. It returns the path of the test, or in
// problem what the compiler said. If it takes longer than the time limit, that is errSlow, or,
// if patient, it is compiled again: the first time, most of it may be the course.
func (w *workplace) compile(ctx context.Context, t task, source []byte, patient bool) (binary, problem string, err error) {
	if err := os.WriteFile(filepath.Join(w.dir, filepath.FromSlash(t.file())), source, 0o644); err != nil {
		return "", "", fmt.Errorf("compile: %w", err)
	}
	binary = filepath.Join(w.dir, "."+t.name+".test")
	p := process{
		Path: w.goCommand,
		// Without debug information (-s -w), linking takes half the time.
		Args: []string{"test", "-c", "-trimpath", "-vet=off", "-ldflags=-s -w", "-o", binary, "./" + t.folder()},
		Env: append([]string{"HOME=" + filepath.Join(w.dir, ".home"), "TMPDIR=" + filepath.Join(w.dir, ".tmp"),
			"TMP=" + filepath.Join(w.dir, ".tmp")}, w.environment...),
		Dir:    w.dir,
		Limits: limits{Time: w.options.Timeout, Memory: compileMemory, FileSize: 1 << 30},
	}
	if patient {
		p.Limits.Time = 0
	}
	start := time.Now()
	result, err := w.sandbox.run(ctx, p)
	if err != nil {
		return "", "", fmt.Errorf("compile: %w", err)
	}
	if err := result.failedToStart(); err != nil {
		return "", "", fmt.Errorf("compile: %w", err)
	}
	switch {
	case result.timedOut:
		return "", "", errSlow
	case result.exit != 0:
		text := string(result.errors) + string(result.output)
		return "", w.withoutPlace(text), nil
	case patient && time.Since(start) > w.options.Timeout:
		if err := os.Remove(binary); err != nil {
			return "", "", fmt.Errorf("compile: %w", err)
		}
		return w.compile(ctx, t, source, false)
	}
	return binary, "", nil
}

// header matches a line in which the go command names a package with errors.
var header = regexp.MustCompile(`(?m)^# .*\n`)

// withoutPlace removes the paths of the copy from what the compiler said.
func (w *workplace) withoutPlace(text string) string {
	text = header.ReplaceAllString(text, "")
	text = strings.ReplaceAll(text, w.dir+string(filepath.Separator), "")
	text = strings.ReplaceAll(text, w.dir, ".")
	return clean(text)
}

// run runs a test and returns the mark.
func (w *workplace) run(ctx context.Context, t task, binary string) (Mark, error) {
	scratch, err := os.MkdirTemp(w.dir, ".scratch-")
	if err != nil {
		return Mark{}, fmt.Errorf("run %s: %w", t.name, err)
	}
	defer os.RemoveAll(scratch)
	random := make([]byte, check.SecretSize/2)
	rand.Read(random) // never fails
	secret := hex.EncodeToString(random)
	memory := uint64(w.options.Memory)
	limit := memory
	if w.options.unlimited {
		limit = 0
	}
	result, err := w.sandbox.run(ctx, process{
		Path: binary,
		Env: append(systemEnvironment(), "HOME="+scratch, "TMPDIR="+scratch, "TMP="+scratch, "TEMP="+scratch,
			check.GradeVariable+"=1", fmt.Sprint(check.MemoryVariable, "=", memory),
			fmt.Sprint("GOMEMLIMIT=", memory/8*7), fmt.Sprint("GOMAXPROCS=", processors),
			"GOTRACEBACK=none"), // printing the stacks of a million goroutines would take long
		Dir:   scratch,
		Input: []byte(secret),
		Limits: limits{
			Time: w.options.Timeout, Memory: limit, FileSize: 64 << 20, Files: 256, Shut: true,
			// This matters only if the grader dies and cannot enforce the time limit.
			Processor: uint64(2*processors*w.options.Timeout.Seconds()) + 10,
		},
	})
	if err == nil {
		err = result.failedToStart()
	}
	if err != nil {
		return Mark{}, fmt.Errorf("run %s: %w", t.name, err)
	}
	return judge(t.name, secret, result, w.options), nil
}

// judge returns the mark for how a test ended and what it reported.
func judge(exercise, secret string, result *outcome, options Options) Mark {
	mark := Mark{Exercise: exercise}
	reports := reportsIn(result.output, exercise, secret)
	switch {
	case result.timedOut:
		mark.Status, mark.Message = TimedOut, fmt.Sprintf("it was stopped after %v", options.Timeout)
		return mark
	case result.exit != 0 && bytes.Contains(result.errors, []byte(check.OutOfMemory)):
		mark.Status, mark.Message = OutOfMemory, fmt.Sprintf("it took more than %d MiB of memory", options.Memory>>20)
		return mark
	case len(reports) > 1:
		mark.Status, mark.Message = NoResult, "the check reported more than once"
		return mark
	case len(reports) == 1 && result.exit == exitOf(reports[0]):
		return markOf(reports[0])
	case result.exit == 0:
		mark.Status, mark.Message = NoResult, "it ended the process before the check had finished"
		return mark
	}
	mark.Status, mark.Message = Crashed, clean(result.fatal())
	if mark.Message == "" {
		mark.Message = "the process ended with " + result.how
	}
	return mark
}

// reportsIn returns the results that package check reported: lines with the secret. Any other
// lines were written by the submission.
func reportsIn(output []byte, exercise, secret string) []check.Result {
	var found []check.Result
	for line := range bytes.Lines(output) {
		var report check.Report
		if json.Unmarshal(line, &report) == nil && report.Secret == secret && report.Result.Exercise == exercise {
			found = append(found, report.Result)
		}
	}
	return found
}

// exitOf returns the exit code of a test that has reported the result.
func exitOf(result check.Result) int {
	for _, step := range result.Steps {
		if !step.Passed {
			return 1
		}
	}
	return 0
}

// markOf returns the mark for a result.
func markOf(result check.Result) Mark {
	mark := Mark{Exercise: result.Exercise, Status: Passed}
	mark.Points, mark.Of = result.Points()
	for _, step := range result.Steps {
		if step.Passed {
			continue
		}
		mark.Status = Failed
		if step.Hint != nil {
			mark.Hints = append(mark.Hints, *step.Hint)
		}
		if step.Message != "" {
			mark.Message = clean(step.Name + ": " + step.Message)
		}
		if mark.Points == 0 && strings.HasPrefix(step.Message, check.NotDone) {
			mark.Status = NotDone
		}
		break // later steps did not run
	}
	return mark
}
