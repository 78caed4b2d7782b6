package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/residual-go/residual/lesson/checkout"
	"github.com/residual-go/residual/lesson/grade"
	"github.com/residual-go/residual/pkg/atomicfile"
)

func gradeCommand() *cobra.Command {
	var options grade.Options
	var out string
	var memory int64
	cmd := &cobra.Command{
		Use:   "grade DIR...",
		Short: "Grade a class's answers to the exercises",
		Long: `Grade a class's answers to the exercises.

DIR has a folder for each student, with the files of the exercises in it: NAME.go,
NAME/NAME.go or, in a student's whole fork, lesson/exercises/NAME/NAME.go, all of it
perhaps in one folder, as in an archive. Nothing else in there is read: tests and checks
are the course's.

The submissions are not trusted: each runs in a temporary copy of the module, with limits
on time and memory and, where the system can, without network. The course's own solutions
are graded first, to see that all is well. Interrupted, it writes the grades that there
are, marked as incomplete.`,
		Example: `  go run ./lesson grade submissions
  go run ./lesson grade --exercises outputsize,convolution --out results group-a group-b`,
		Args: arguments("folder of submissions"),
		RunE: func(cmd *cobra.Command, args []string) error {
			w := cmd.OutOrStdout()
			var err error
			if options.Course, err = checkout.Root("."); err != nil {
				return err
			}
			if err := writable(out); err != nil {
				return err
			}
			if cmd.Flags().Changed("exercises") && len(options.Exercises) == 0 {
				return errors.New("--exercises names none; leave it out for all of them")
			}
			options.Folders, options.Memory = args, memory<<20
			options.Progress = progressOf(cmd.ErrOrStderr())
			options.Sandboxed = func(s *grade.Sandbox) { fmt.Fprintf(cmd.ErrOrStderr(), "Sandbox: %v.\n", s) }
			grades, interrupted := grade.Run(cmd.Context(), options)
			if grades == nil {
				return interrupted
			}
			var wrote []string
			for _, file := range []struct {
				name  string
				write func(io.Writer) error
			}{{"grades.csv", grades.WriteCSV}, {"grades.json", grades.WriteJSON}} {
				path := filepath.Join(out, file.name)
				if err := atomicfile.Write(path, file.write); err != nil {
					return err
				}
				wrote = append(wrote, path)
			}
			if err := grades.WriteTable(w); err != nil {
				return fmt.Errorf("print the grades: %w", err)
			}
			ending(w, wrote, "go run ./lesson grade --help")
			return interrupted
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&options.Exercises, "exercises", nil, "names of exercises, with commas (default: all)")
	flags.StringVar(&out, "out", ".", "folder for grades.csv and grades.json")
	flags.DurationVar(&options.Timeout, "timeout", time.Minute, "time limit for an exercise")
	flags.Int64Var(&memory, "memory", 4096, "memory limit for an exercise, in MiB")
	return cmd
}

// gradeChildCommand is what the grader runs itself as, to become a submission's test.
func gradeChildCommand() *cobra.Command {
	return &cobra.Command{
		Use:                grade.ChildCommand + " ORDER",
		Hidden:             true,
		DisableFlagParsing: true,
		Args:               cobra.ExactArgs(1),
		Run:                func(_ *cobra.Command, args []string) { grade.Child(args[0]) },
	}
}

// writable makes the folder if it is missing and sees whether files can be made in it,
// which is better known before a long run than after it.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	trial, err := os.CreateTemp(dir, ".grades.tmp-*")
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	trial.Close()
	if err := os.Remove(trial.Name()); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	return nil
}

// progressOf returns a function that shows how far grading is: a bar on a terminal, lines
// elsewhere.
func progressOf(w io.Writer) func(done, total int, what string) {
	if !isTerminal(w) {
		return func(done, total int, what string) { fmt.Fprintf(w, "[%d/%d] %s\n", done, total, what) }
	}
	var bar *progressbar.ProgressBar
	return func(done, total int, what string) {
		if bar == nil {
			bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(w), progressbar.OptionShowCount(),
				progressbar.OptionSetWidth(24), progressbar.OptionClearOnFinish())
		}
		bar.Describe(what)
		_ = bar.Set(done) // a terminal's error is no reason to stop
	}
}
