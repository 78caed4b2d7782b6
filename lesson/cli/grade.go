package cli

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

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

The exercises and their solutions are part of the course: git clone
https://github.com/residual-go/residual, and run the command in that folder.

Each DIR holds what the students handed in, named by a learning platform or by hand:

  ada/outputsize.go                  a folder for each student, with the files or a whole fork
  ben.zip                            archives, also inside folders, such as GitHub's of a fork
  ada_outputsize.go                  files that say whose they are, also as Moodle, Canvas
                                     and Blackboard name them
  cleo/outputsize.ipynb              notebooks for Go, whose cells define the functions

The answer to exercise NAME is NAME.go, a file of package NAME, or a notebook. If a
student has several different answers to it and their names number attempts, as in
"attempt 2", the newest is marked. Otherwise none is, and the student's row says what was
found and why it is not marked. No other files are read: tests and checks come from the
course.

Submissions are not trusted. Each runs in a temporary copy of the module with limits on
time and memory and, where the system supports it, without network access. The course's
own solutions are graded first, to make sure that everything works. On Ctrl-C, the
grades so far are saved and marked incomplete.`,
		Example: `  go run ./lesson grade submissions
  go run ./lesson grade --exercises outputsize,convolution --out results group-a group-b`,
		Args: arguments("folder of submissions"),
		RunE: func(cmd *cobra.Command, args []string) error {
			w := cmd.OutOrStdout()
			var err error
			if options.Course, err = checkout.Root("."); err != nil {
				return err
			}
			if err := prepareFolder(out, "choose another folder with --out"); err != nil {
				return err
			}
			if cmd.Flags().Changed("exercises") && len(options.Exercises) == 0 {
				return errors.New("--exercises is empty; leave it out to grade all exercises")
			}
			options.Folders, options.Memory = args, memory<<20
			options.Progress = grading(cmd.ErrOrStderr())
			options.Sandboxed = func(s *grade.Sandbox) { fmt.Fprintf(cmd.ErrOrStderr(), "Sandbox: %v.\n", s) }
			grades, interrupted := grade.Run(cmd.Context(), options)
			clearLine(cmd.ErrOrStderr())
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
			ending(w, wrote, "open "+quoted(wrote[0])+" in a spreadsheet")
			return interrupted
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&options.Exercises, "exercises", nil, "names of exercises, separated by commas (default: all)")
	flags.StringVar(&out, "out", ".", "folder for grades.csv and grades.json")
	flags.DurationVar(&options.Timeout, "timeout", time.Minute, "time limit for an exercise, and for compiling it")
	flags.Int64Var(&memory, "memory", 4096, "memory limit for an exercise, in MiB")
	return cmd
}

// gradeChildCommand is the hidden command as which the grader runs this program again, to
// become the test of a submission.
func gradeChildCommand() *cobra.Command {
	return &cobra.Command{
		Use:                grade.ChildCommand + " ORDER",
		Hidden:             true,
		DisableFlagParsing: true,
		Args:               cobra.ExactArgs(1),
		Run:                func(_ *cobra.Command, args []string) { grade.Child(args[0]) },
	}
}
