package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/residual-go/residual/lesson/aligned"
	"github.com/residual-go/residual/lesson/checkout"
	"github.com/residual-go/residual/lesson/exercises"
	"github.com/residual-go/residual/lesson/exercises/check"
	"github.com/residual-go/residual/lesson/grade"
	"github.com/residual-go/residual/lesson/words"
	"github.com/residual-go/residual/pkg/printable"
)

func checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check [NAME...]",
		Short: "Check your answers to the course's exercises",
		Long: `Check your answers to the course's exercises.

The exercises are part of the course: git clone https://github.com/residual-go/residual, and
run the command in that folder.

Each exercise runs in a process of its own, so an answer that panics or never ends costs
only its own points. Without a name, all exercises are checked, and a table shows how far
you are.

To see what your answer prints, run go test -v ./lesson/exercises/NAME, which checks it too.`,
		Example: `  go run ./lesson check
  go run ./lesson check outputsize
  go run ./lesson check outputsize convolution`,
		ValidArgsFunction: complete(exercises.Names, cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			named, err := exercisesNamed(args)
			if err != nil {
				return err
			}
			root, err := checkout.Root(".")
			if err != nil {
				return err
			}
			folder, err := os.MkdirTemp("", "lesson-check-")
			if err != nil {
				return fmt.Errorf("folder for the compiled checks: %w", err)
			}
			defer os.RemoveAll(folder)
			c := checker{root: root, folder: folder, limit: checkLimit, language: language(cmd)}
			return c.check(cmd.Context(), cmd.OutOrStdout(), named, len(args) > 0)
		},
	}
}

// exercisesNamed returns the exercises of the given names, or all if there are none. A name may
// also be the path of the exercise's folder.
func exercisesNamed(names []string) ([]exercises.Exercise, error) {
	all, known := exercises.All(), exercises.Names()
	if len(names) == 0 {
		return all, nil
	}
	var named []exercises.Exercise
	for _, name := range names {
		i := slices.Index(known, filepath.Base(name))
		if i < 0 {
			return nil, fmt.Errorf("no exercise %q; %sthe exercises are %s", name, didYouMean(name, known), strings.Join(known, ", "))
		}
		named = append(named, all[i])
	}
	return named, nil
}

// checkLimit is the time limit for the check of one exercise. It is longer than the limits of
// its steps allow a correct answer to take.
const checkLimit = 2 * time.Minute

// checkMemory is the memory limit in bytes, the same as the default of grade.
const checkMemory = 4 << 30

// checker runs the checks of exercises.
type checker struct {
	root   string // of the module
	folder string // for compiled checks
	limit  time.Duration

	language words.Language // of the messages and the hints
}

// check checks the exercises and prints a line for each. If they were named, it also prints
// what is wrong, and a wrong answer is an error.
func (c checker) check(ctx context.Context, w io.Writer, list []exercises.Exercise, named bool) error {
	l := c.language
	title := func(exercise exercises.Exercise) string { return l.In(words.Title, exercise.Title) }
	width, titleWidth := 0, 0
	for _, exercise := range list {
		width, titleWidth = max(width, len(exercise.Name)), max(titleWidth, aligned.Width(title(exercise)))
	}
	var wrong []exercises.Exercise
	for _, exercise := range list {
		fmt.Fprintf(w, "%-*s  %s  ", width, exercise.Name, aligned.Pad(title(exercise), titleWidth))
		result, err := c.run(ctx, exercise.Name)
		if err != nil {
			fmt.Fprintln(w)
			return err
		}
		fmt.Fprintln(w, result.state)
		if !result.right {
			wrong = append(wrong, exercise)
		}
		if named && result.text != "" {
			fmt.Fprintf(w, "\n%s\n\n", result.text)
		}
		if reason := c.refusal(exercise.Name); reason != "" {
			fmt.Fprintln(w, "  "+l.Sprintf("warning: the grader would refuse this file: %s", reason))
		}
		if extra := c.extra(exercise.Name); len(extra) > 0 {
			fmt.Fprintln(w, "  "+l.Sprintf("warning: an answer is one file: the grader reads only %s.go, not %s; put everything into that file", exercise.Name, strings.Join(extra, ", ")))
		}
	}
	if len(wrong) == 0 {
		if !named {
			fmt.Fprintln(w, "\n"+l.Text("All exercises are done."))
		}
		return nil
	}
	if named {
		return errors.New(l.Sprintf("%d of %d exercises not solved yet", len(wrong), len(list)))
	}
	next := wrong[0]
	fmt.Fprintf(w, "\n%s\n  %s\n", l.Sprintf("%d of %d exercises are done. The next one belongs to notebook %d; its task:",
		len(list)-len(wrong), len(list), next.Notebook), c.task(next.Name))
	ending(l, w, nil, "go run ./lesson check "+next.Name)
	return nil
}

// task returns the path of the page with the task of an exercise: in the language, if there is one.
func (c checker) task(name string) string {
	folder := path.Join(exercises.Folder, name)
	if c.language != words.English {
		page := path.Join(folder, "README."+string(c.language)+".md")
		if _, err := os.Stat(filepath.Join(c.root, filepath.FromSlash(page))); err == nil {
			return page
		}
	}
	return path.Join(folder, "README.md")
}

// refusal returns the reason why the grader would refuse the answer unseen. It is empty if the
// grader would accept it, or if that cannot be determined, as without the course's solutions.
func (c checker) refusal(name string) string {
	source, err := os.ReadFile(filepath.Join(c.root, filepath.FromSlash(exercises.Folder), name, name+".go"))
	if err != nil {
		return ""
	}
	reason, err := grade.Gate(c.root, name, source)
	if err != nil {
		return ""
	}
	return reason
}

// extra returns the Go files beside the answer that are not handed in with it, although go test
// compiles them.
func (c checker) extra(name string) []string {
	entries, err := os.ReadDir(filepath.Join(c.root, filepath.FromSlash(exercises.Folder), name))
	if err != nil {
		return nil
	}
	var names []string
	for _, entry := range entries {
		if file := entry.Name(); filepath.Ext(file) == ".go" && file != name+".go" && !strings.HasSuffix(file, "_test.go") {
			names = append(names, printable.Escape(file))
		}
	}
	return names
}

// checked is the result of checking an exercise.
type checked struct {
	right bool
	state string // a few words for the table
	text  string // what is wrong, indented
}

// run checks an exercise. It builds the test program and runs that instead of go test, so that
// there is a single process to stop.
func (c checker) run(ctx context.Context, name string) (checked, error) {
	program := filepath.Join(c.folder, name+".test")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	// Findings of go vet cost no points; the grader does not run it either.
	build := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-o", program, "./"+path.Join(exercises.Folder, name))
	build.Dir = c.root
	if output, err := build.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return checked{}, ctx.Err()
		}
		if _, exited := errors.AsType[*exec.ExitError](err); !exited {
			return checked{}, fmt.Errorf("build the check of %s: %w", name, err)
		}
		text := indented(string(output))
		if advice := moduleAdvice(c.language, string(output)); advice != "" {
			text += "\n\n  " + advice
		}
		return checked{state: c.language.Text("compile error"), text: text}, nil
	}

	limited, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	test := exec.CommandContext(limited, program)
	test.Dir = filepath.Join(c.root, filepath.FromSlash(exercises.Folder), name)
	test.WaitDelay = time.Second
	// As in the grader, standard output carries only the results. The secret that protects
	// them is a dummy, because this is the student's own machine.
	test.Env = append(os.Environ(), check.GradeVariable+"=1", fmt.Sprintf("%s=%d", check.MemoryVariable, checkMemory),
		words.Variable+"="+string(c.language))
	test.Stdin = strings.NewReader(strings.Repeat("-", check.SecretSize))
	var results, output head
	test.Stdout, test.Stderr = &results, &output
	err := test.Run()
	if ctx.Err() != nil {
		return checked{}, ctx.Err()
	}
	if limited.Err() != nil {
		return checked{state: c.language.Text("timed out"), text: indented(c.language.Sprintf("It was stopped after %v. Is there a loop whose condition stays true?", c.limit))}, nil
	}
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		return checked{}, fmt.Errorf("check %s: %w", name, err)
	}
	var report check.Report
	if json.NewDecoder(bytes.NewReader(results.text)).Decode(&report) != nil {
		if bytes.Contains(output.text, []byte(check.OutOfMemory)) {
			return checked{state: c.language.Text("out of memory"), text: indented(c.language.Sprintf("It took more than %d GiB of memory and was stopped. Does a loop append without end?", checkMemory>>30))}, nil
		}
		return checked{state: c.language.Text("crashed"), text: indented(string(output.text))}, nil
	}
	return c.judge(report.Result, err == nil), nil
}

// head is a writer that keeps only the beginning of the text: an endless loop may print.
type head struct{ text []byte }

func (h *head) Write(p []byte) (int, error) {
	const limit = 1 << 20
	h.text = append(h.text, p[:min(len(p), limit-len(h.text))]...)
	return len(p), nil
}

// judge describes a result. passed says whether the test program succeeded as a whole.
func (c checker) judge(result check.Result, passed bool) checked {
	earned, of := result.Points()
	state := c.language.Sprintf("%d of %d points", earned, of)
	for _, step := range result.Steps {
		if step.Message == "" {
			continue
		}
		if earned == 0 && strings.HasPrefix(step.Message, check.NotDone) {
			return checked{state: c.language.Text("not done yet"), text: indented(c.language.Sprintf("%s says what to do", c.task(result.Exercise)))}
		}
		return checked{state: state, text: indented(c.language.Sprintf("%s: %s", c.language.In(words.Step, step.Name), step.Message))}
	}
	return checked{right: passed && earned == of, state: state}
}

// indented returns the text indented by two spaces, without go test's own lines, and cut off
// after a screenful.
func indented(text string) string {
	const maxLines = 40
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \r\n")
		if line == "FAIL" || strings.HasPrefix(line, "# ") || strings.HasPrefix(line, "FAIL\t") {
			continue
		}
		if len(lines) == maxLines {
			lines = append(lines, "…")
			break
		}
		lines = append(lines, line)
	}
	return "  " + strings.Join(lines, "\n  ")
}
