package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
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

Submissions are not trusted. Each runs with limits on time and memory, and shut off from
files, the network and other processes. Where the system cannot do that (it takes Linux),
grading stops, unless you accept the risk with --without-sandbox. The course's own
solutions are graded first, to make sure that everything works.

If grades.json is there from an earlier run, only what has changed is marked: answers,
their check, the grader or Go. --again marks all anew. Marks that a run does not give, of
other exercises or students, are kept. So after Ctrl-C, which saves the grades so far, or
after a failure of the machine, the same command goes on.`,
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
			table, exact := filepath.Join(out, "grades.csv"), filepath.Join(out, "grades.json")
			if options.Earlier, err = earlierGrades(exact); err != nil {
				return err
			}
			options.Progress = grading(cmd.ErrOrStderr())
			options.Sandboxed = func(s *grade.Sandbox) {
				fmt.Fprintf(cmd.ErrOrStderr(), "Sandbox: %v.\n", s)
				if risk := s.Risk(); risk != "" {
					fmt.Fprintf(cmd.ErrOrStderr(), "Warning: %s.\n", risk)
				}
			}
			// If this fails, so does writing the grades at the end, which reports it.
			options.Save = func(g *grade.Grades) { _ = atomicfile.Write(exact, g.WriteJSON) }
			grades, interrupted := grade.Run(cmd.Context(), options)
			clearLine(cmd.ErrOrStderr())
			if grades == nil {
				return interrupted
			}
			if err := atomicfile.Write(exact, grades.WriteJSON); err != nil {
				return err
			}
			if err := atomicfile.Write(table, grades.WriteCSV); err != nil {
				return err
			}
			if err := grades.WriteTable(w); err != nil {
				return fmt.Errorf("print the grades: %w", err)
			}
			ending(w, []string{table, exact}, "open "+quoted(table)+" in a spreadsheet")
			switch {
			case interrupted != nil:
				return interrupted
			case grades.NotGraded == 1:
				return errors.New("an answer was not graded, which is not the student's doing; the same command marks it again")
			case grades.NotGraded > 1:
				return fmt.Errorf("%d answers were not graded, which is not the students' doing; the same command marks them again", grades.NotGraded)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&options.Exercises, "exercises", nil, "names of exercises, separated by commas (default: all)")
	flags.StringVar(&out, "out", ".", "folder for grades.csv and grades.json")
	flags.DurationVar(&options.Timeout, "timeout", time.Minute, "time limit for an exercise, and for compiling it")
	flags.BoolVar(&options.Again, "again", false, "mark all answers, also those that have not changed since the earlier grades in --out")
	flags.BoolVar(&options.WithoutSandbox, "without-sandbox", false, "grade even if the system cannot shut submissions in: they could then harm this computer")
	flags.Int64Var(&memory, "memory", 4096, "memory limit for an exercise, in MiB")
	return cmd
}

// earlierGrades reads the grades that an earlier run has written, if there are any.
func earlierGrades(path string) (*grade.Grades, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	grades, err := grade.ReadGrades(file)
	if err != nil {
		return nil, fmt.Errorf("the earlier grades in %s cannot be read: %w; move the file away, or choose another folder with --out", quoted(path), err)
	}
	return grades, nil
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
