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

	"github.com/residual-go/residual/lesson/checkout"
	"github.com/residual-go/residual/lesson/exercises"
	"github.com/residual-go/residual/lesson/exercises/check"
	"github.com/residual-go/residual/lesson/grade"
)

func checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check [NAME...]",
		Short: "Check your answers to the course's exercises",
		Long: `Check your answers to the course's exercises.

Each exercise runs in a process of its own, so one that does not end or that panics
costs nothing but its own points. Without a name all exercises are checked, and a
table says how far you are.

What an answer prints is shown by go test -v ./lesson/exercises/NAME, which checks it too.`,
		Example: `  go run ./lesson check
  go run ./lesson check outputsize
  go run ./lesson check outputsize convolution`,
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
				return fmt.Errorf("folder for the checks' programs: %w", err)
			}
			defer os.RemoveAll(folder)
			c := checker{root: root, folder: folder, limit: checkLimit}
			return c.check(cmd.Context(), cmd.OutOrStdout(), named, len(args) > 0)
		},
	}
}

// exercisesNamed returns the exercises of the given names, and all if there are none.
// A name may be the path of the exercise's folder.
func exercisesNamed(names []string) ([]exercises.Exercise, error) {
	all := exercises.All()
	if len(names) == 0 {
		return all, nil
	}
	var known []string
	for _, exercise := range all {
		known = append(known, exercise.Name)
	}
	var named []exercises.Exercise
	for _, name := range names {
		i := slices.Index(known, filepath.Base(name))
		if i < 0 {
			mean := ""
			if near := nearest(name, known); near != "" {
				mean = "did you mean " + near + "? "
			}
			return nil, fmt.Errorf("no exercise %q; %sthe exercises are %s", name, mean, strings.Join(known, ", "))
		}
		named = append(named, all[i])
	}
	return named, nil
}

// nearest is the known name with the fewest edits to name, if they are so few that it may
// have been meant.
func nearest(name string, known []string) string {
	best, least := "", max(2, len(name)/3)+1
	for _, candidate := range known {
		if n := edits(strings.ToLower(name), candidate); n < least {
			best, least = candidate, n
		}
	}
	return best
}

// edits is how many bytes to insert, remove or replace to make b out of a.
func edits(a, b string) int {
	row := make([]int, len(b)+1) // from the first i bytes of a to the first j of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// checkLimit is how long the check of one exercise may take: more than its steps' limits
// leave to an answer that is right.
const checkLimit = 2 * time.Minute

// checkMemory is how many bytes of memory it may take, the grader's default.
const checkMemory = 4 << 30

// checker runs the checks of exercises.
type checker struct {
	root   string // of the module
	folder string // for the programs
	limit  time.Duration
}

// check runs the exercises and writes a line for each; and, if they were asked for by
// name, what is wrong. Then a wrong answer is an error too.
func (c checker) check(ctx context.Context, w io.Writer, list []exercises.Exercise, named bool) error {
	width, titleWidth := 0, 0
	for _, exercise := range list {
		width, titleWidth = max(width, len(exercise.Name)), max(titleWidth, len(exercise.Title))
	}
	var wrong []exercises.Exercise
	for _, exercise := range list {
		fmt.Fprintf(w, "%-*s  %-*s  ", width, exercise.Name, titleWidth, exercise.Title)
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
		if why := c.refusal(exercise.Name); why != "" {
			fmt.Fprintf(w, "  warning: the grader would refuse this file: %s\n", why)
		}
	}
	if len(wrong) == 0 {
		if !named {
			fmt.Fprintln(w, "\nAll exercises are done.")
		}
		return nil
	}
	if named {
		return fmt.Errorf("%d of %d not right yet", len(wrong), len(list))
	}
	next := wrong[0]
	fmt.Fprintf(w, "\n%d of %d exercises are done. The next one is of notebook %d; its task:\n  %s\n",
		len(list)-len(wrong), len(list), next.Notebook, path.Join(exercises.Folder, next.Name, "README.md"))
	ending(w, nil, "go run ./lesson check "+next.Name)
	return nil
}

// refusal is why the grader would not let the answer through, whatever the check says of it;
// "" if it would, or if that cannot be told, without the course's solution for one.
func (c checker) refusal(name string) string {
	source, err := os.ReadFile(filepath.Join(c.root, filepath.FromSlash(exercises.Folder), name, name+".go"))
	if err != nil {
		return ""
	}
	why, err := grade.Gate(c.root, name, source)
	if err != nil {
		return ""
	}
	return why
}

// checked is how an exercise went.
type checked struct {
	right bool
	// state is a few words for a table, and text what is wrong, indented.
	state, text string
}

// run checks an exercise: it builds the program that go test would run and runs it, so
// that there is one process to stop.
func (c checker) run(ctx context.Context, name string) (checked, error) {
	program := filepath.Join(c.folder, name+".test")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	// What go vet finds is no error of compilation, and costs no points: the grader does not
	// ask it either.
	build := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-o", program, "./"+path.Join(exercises.Folder, name))
	build.Dir = c.root
	if output, err := build.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return checked{}, ctx.Err()
		}
		if _, exited := errors.AsType[*exec.ExitError](err); !exited {
			return checked{}, fmt.Errorf("build the check of %s: %w", name, err)
		}
		return checked{state: "does not compile", text: indented(string(output))}, nil
	}

	limited, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	test := exec.CommandContext(limited, program)
	test.Dir = filepath.Join(c.root, filepath.FromSlash(exercises.Folder), name)
	test.WaitDelay = time.Second
	// As for the grader, results come on the standard output, and all else on the other
	// one. This is the student's own machine, so the secret need not be one.
	test.Env = append(os.Environ(), check.GradeVariable+"=1", fmt.Sprintf("%s=%d", check.MemoryVariable, checkMemory))
	test.Stdin = strings.NewReader(strings.Repeat("-", check.SecretSize))
	var results, output beginning
	test.Stdout, test.Stderr = &results, &output
	err := test.Run()
	if ctx.Err() != nil {
		return checked{}, ctx.Err()
	}
	if limited.Err() != nil {
		return checked{state: "no end", text: indented(fmt.Sprintf("It was stopped after %v. Is there a loop whose condition stays true?", c.limit))}, nil
	}
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		return checked{}, fmt.Errorf("check %s: %w", name, err)
	}
	var report check.Report
	if json.NewDecoder(bytes.NewReader(results.text)).Decode(&report) != nil {
		if bytes.Contains(output.text, []byte(check.OutOfMemory)) {
			return checked{state: "broke off", text: indented(fmt.Sprintf("It took more than %d GiB of memory and was stopped. Does a loop append without end?", checkMemory>>30))}, nil
		}
		return checked{state: "broke off", text: indented(string(output.text))}, nil
	}
	return judge(report.Result, err == nil), nil
}

// beginning is a writer that keeps the beginning of what is written: an endless loop may
// print.
type beginning struct{ text []byte }

func (b *beginning) Write(p []byte) (int, error) {
	const most = 1 << 20
	b.text = append(b.text, p[:min(len(p), most-len(b.text))]...)
	return len(p), nil
}

// judge puts a result into words. An answer may fail the test beside the check.
func judge(result check.Result, passed bool) checked {
	earned, of := result.Points()
	state := fmt.Sprintf("%d of %d points", earned, of)
	for _, step := range result.Steps {
		if step.Message == "" {
			continue
		}
		if earned == 0 && strings.HasPrefix(step.Message, check.NotDone) {
			return checked{state: "not done yet", text: indented(strings.TrimPrefix(strings.SplitN(step.Message, "\n", 2)[0], check.NotDone))}
		}
		return checked{state: state, text: indented(step.Name + ": " + step.Message)}
	}
	return checked{right: passed && earned == of, state: state}
}

// indented is the text without what go test says for itself, two spaces in, and no longer
// than a screen.
func indented(text string) string {
	const most = 40
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \r\n")
		if line == "FAIL" || strings.HasPrefix(line, "# ") || strings.HasPrefix(line, "FAIL\t") {
			continue
		}
		if len(lines) == most {
			lines = append(lines, "…")
			break
		}
		lines = append(lines, line)
	}
	return "  " + strings.Join(lines, "\n  ")
}
