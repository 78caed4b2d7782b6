package grade

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/residual-go/residual/lesson/checkout"
	"github.com/residual-go/residual/lesson/exercises/check"
	"github.com/residual-go/residual/pkg/printable"
)

// When a compiler, a linker or a test fails, the functions here decide whether the answer is to blame.
// A student loses points only for what the answer does:
//
//   - an error that the compiler reports at a line of the answer or of its test, a crash of the
//     compiler, which the course's own solution has passed before, or an error in which the
//     linker names the answer's package;
//   - a limit of its own that the process reached: time, the size of a file, and memory if it had
//     taken at least half of its limit;
//   - a wrong result, a panic, or an end without a report.
//
// Everything else is an error of the grader, and the answer is not graded: a full disk, a missing
// tool, a process that did not start or was killed from outside, memory that the system refused
// to a process that had taken less than half of its limit, and whatever a tool complains about
// without naming a line of the answer.

// header matches a line in which the go command names a package with errors.
var header = regexp.MustCompile(`(?m)^# .*\n`)

// systemFault matches what a tool or Go's runtime prints if the system has failed it. It is only
// looked for where an answer's own words cannot be.
var systemFault = regexp.MustCompile(`(?i)no space left|disk quota|input/output error|no such file|permission denied|read-only file system|` +
	`too many open files|resource temporarily unavailable|not enough space|failed to create new OS thread|SIGBUS|stale file handle|device or resource busy`)

// judgeCompiler returns the mark if the compiler says that an answer is wrong, or nil if it
// compiled. An error is not the student's.
func (w *workshop) judgeCompiler(j *job, result *outcome) (*Mark, error) {
	t, text := j.task, w.withoutPlace(j, result)
	mark := &Mark{Exercise: t.name, Status: CompileError}
	at := regexp.MustCompile(`^` + regexp.QuoteMeta(strings.TrimSuffix(t.file(), ".go")) + `(_test)?\.go:\d+`)
	first, _, _ := strings.Cut(text, "\n")
	switch fault, theirs := toolFault("compiler", result), at.MatchString(text); {
	case result.exit == 0 && !result.timedOut:
		return nil, nil
	case fault != nil:
		return nil, fault
	case result.timedOut:
		mark.Status, mark.Message = TimedOut, fmt.Sprintf("the compiler was stopped after %v", w.options.Timeout)
	case theirs && strings.Contains(first, "could not import "):
		return nil, w.importFault(first)
	case theirs:
		mark.CompileError = text
	case tooLarge(text):
		mark.CompileError = fmt.Sprintf("the compiled answer is larger than %d MiB: make large arrays while the program runs", maxCompiled>>20)
	case outOfMemory(text), result.killed:
		mark.CompileError = fmt.Sprintf("the compiler used too much memory: %d MiB", result.peak>>20)
	case !systemFault.MatchString(text) && crashed(text):
		mark.CompileError = "the compiler crashed: " + text
	default:
		return nil, fmt.Errorf("the compiler failed: %s", said(text, result))
	}
	return mark, nil
}

// judgeLinker does for the linker what judgeCompiler does for the compiler.
func (w *workshop) judgeLinker(j *job, result *outcome) (*Mark, error) {
	text := w.withoutPlace(j, result)
	mark := &Mark{Exercise: j.task.name, Status: CompileError}
	switch fault := toolFault("linker", result); {
	case result.exit == 0 && !result.timedOut:
		return nil, nil
	case fault != nil:
		return nil, fault
	case result.timedOut:
		mark.Status, mark.Message = TimedOut, fmt.Sprintf("the linker was stopped after %v", w.options.Timeout)
	case tooLarge(text):
		mark.CompileError = fmt.Sprintf("the program is larger than %d MiB: make large arrays while the program runs", maxLinked>>20)
	case outOfMemory(text), result.killed:
		mark.CompileError = fmt.Sprintf("the linker used too much memory: %d MiB", result.peak>>20)
	case !systemFault.MatchString(text) && (strings.Contains(text, j.task.folder()) || strings.Contains(text, "too much data")):
		mark.CompileError = "the linker: " + text
	default:
		return nil, fmt.Errorf("the linker failed: %s", said(text, result))
	}
	return mark, nil
}

// toolFault returns an error if the way in which a tool ended shows that the answer is not to blame.
func toolFault(name string, result *outcome) error {
	switch {
	case result.timedOut, result.killed && result.peak >= compileMemory/2:
		return nil
	case result.exit < 0:
		return fmt.Errorf("something outside the grader ended the %s: %s", name, result.how)
	case outOfMemory(string(result.errors)) && result.peak > 0 && result.peak < compileMemory/2:
		return fmt.Errorf("the system refused the %s memory, although it used only %d MiB", name, result.peak>>20)
	}
	return nil
}

// importFault returns the error for an import that the compiler did not find: the gate has
// allowed it, so it should be there.
func (w *workshop) importFault(line string) error {
	for path, why := range w.unbuilt {
		if strings.Contains(line, "could not import "+path+" ") {
			return fmt.Errorf("package %s, which answers may import, could not be compiled: %s", path, why)
		}
	}
	return errors.New(line)
}

func tooLarge(text string) bool {
	return strings.Contains(text, "file too large") || strings.Contains(text, "file size limit exceeded")
}

func outOfMemory(text string) bool {
	return strings.Contains(text, check.OutOfMemory) || strings.Contains(text, "cannot allocate memory")
}

func crashed(text string) bool {
	return strings.Contains(text, "internal compiler error") || strings.HasPrefix(text, "panic: ") || strings.Contains(text, "fatal error: ")
}

// said returns what a tool said, in a line, or how it ended.
func said(text string, result *outcome) string {
	if text == "" {
		return result.how
	}
	return shorten(printable.Line(text), 300)
}

// withoutPlace returns what a tool said about a job without the paths of the workshop and the
// job's number.
func (w *workshop) withoutPlace(j *job, result *outcome) string {
	text := header.ReplaceAllString(string(result.errors)+string(result.output), "")
	return clean(strings.NewReplacer(
		j.dir+string(filepath.Separator), "", w.dir+string(filepath.Separator), "", w.dir, ".",
		j.path(), checkout.Module+"/"+j.task.folder(), checkout.Module+"/"+j.task.file(), j.task.file(),
	).Replace(text))
}

// judge decides the job by how its test ended and what it reported. An error is not the
// student's. What package check has reported counts before anything that the answer printed.
func (w *workshop) judge(j *job, secret string, result *outcome) error {
	reports := reportsIn(result.output, j.task.name, secret)
	if len(reports) == 1 && !result.timedOut && result.exit == exitOf(reports[0]) {
		report, err := w.bounded(j.task, reports[0])
		if err != nil {
			j.decide(NoResult, err.Error())
			return nil
		}
		mark := markOf(report)
		j.mark, j.report = &mark, &report
		return nil
	}
	text := string(result.errors)
	panicked := strings.HasPrefix(result.fatal(), "panic: ") // whose message may be anything
	switch {
	case result.timedOut:
		j.decide(TimedOut, fmt.Sprintf("it was stopped after %v", w.options.Timeout))
	case len(reports) > 1:
		j.decide(NoResult, "the check reported more than once")
	case result.exit == 0:
		j.decide(NoResult, "it ended the process before the check had finished")
	case !panicked && (outOfMemory(result.fatal()) || outOfMemory(lastLines(text))):
		if starved(text, uint64(w.options.Memory)) {
			return errors.New("the system refused the answer memory, although it used less than half of its limit")
		}
		j.decide(OutOfMemory, fmt.Sprintf("it used more than %d MiB of memory", w.options.Memory>>20))
	case result.killed && result.peak < uint64(w.options.Memory)/2:
		return fmt.Errorf("something outside the grader ended it, perhaps because the machine ran out of memory: %s", result.how)
	case result.killed:
		j.decide(OutOfMemory, fmt.Sprintf("it was killed after taking %d of %d MiB of memory", result.peak>>20, w.options.Memory>>20))
	case tooFewThreads(text):
		return errors.New("the system refused the answer a thread, although it had only a few")
	default:
		message := clean(result.fatal())
		if message == "" {
			message = "the process ended with " + result.how
		}
		j.decide(Crashed, message)
	}
	return nil
}

// lastLines returns the end of what a process printed, where Go's runtime says why it gives up.
func lastLines(text string) string { return text[max(0, len(text)-1000):] }

var refusedBlock = regexp.MustCompile(`runtime: (?:out of memory: )?cannot allocate (\d+)-byte block \((\d+) in use\)`)

// starved reports whether Go's runtime says that it did not get memory although with it the
// process would have had less than half of the limit.
func starved(text string, limit uint64) bool {
	all := refusedBlock.FindAllStringSubmatch(text, -1)
	if len(all) == 0 {
		return false
	}
	last := all[len(all)-1]
	block, err := strconv.ParseUint(last[1], 10, 64)
	used, err2 := strconv.ParseUint(last[2], 10, 64)
	return err == nil && err2 == nil && block < limit/2 && block+used < limit/2
}

var threads = regexp.MustCompile(`runtime: failed to create new OS thread \(have (\d+) already`)

// tooFewThreads reports whether the system refused a thread to a process that had only as many
// as Go starts by itself.
func tooFewThreads(text string) bool {
	m := threads.FindStringSubmatch(text)
	if m == nil {
		return false
	}
	n, err := strconv.Atoi(m[1])
	return err == nil && n < 50
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

// bounded returns a report with nothing in it that the exercise's check cannot say. Its steps
// must be those that the worked solution's report had, with the same points, and passed up to
// the first that did not. Of a hint only the name is taken, if package check has it.
func (w *workshop) bounded(t task, report check.Result) (check.Result, error) {
	if t.steps != nil {
		same := func(a, b check.Step) bool { return a.Name == b.Name && a.Points == b.Points }
		if !slices.EqualFunc(report.Steps, t.steps, same) {
			return report, errors.New("the steps in the report are not those of the check of the exercise")
		}
	}
	failed := false
	for i := range report.Steps {
		step := &report.Steps[i]
		if failed && step.Passed {
			return report, errors.New("the report has a step that passed after one that failed")
		}
		if step.Passed {
			step.Message = ""
		}
		failed = failed || !step.Passed
		step.Name, step.Message = clean(step.Name), clean(step.Message)
		if step.Hint != nil {
			name := step.Hint.Name
			step.Hint = nil
			if text, ok := t.hints[name]; ok && !step.Passed {
				step.Hint = &check.Hint{Name: name, Text: text}
			}
		}
	}
	return report, nil
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
