package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/spf13/cobra"

	"github.com/residual-go/residual/lesson/checkout"
	"github.com/residual-go/residual/lesson/grade"
	"github.com/residual-go/residual/pkg/atomicfile"
	"github.com/residual-go/residual/pkg/run"
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

Submissions are not trusted. Each runs with limits on time and memory, and without access
to files, the network and other processes. Where the system cannot do that (only Linux can),
grading stops, unless you accept the risk with --without-sandbox. The course's own
solutions are graded first, to make sure that everything works.

If an earlier run left a grades.json, only answers that have changed are graded, or those
whose check has changed; a new version of the grader or of Go also counts as a change.
--again grades everything again. Marks of other exercises and other students are kept.
So the same command resumes after Ctrl-C, which saves the grades so far, or after a failure
of the machine.`,
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
			unlock, err := lockGrades(out)
			if err != nil {
				return err
			}
			defer unlock()
			options.Folders, options.Memory = args, memory<<20
			table, exact := filepath.Join(out, "grades.csv"), filepath.Join(out, "grades.json")
			if options.Earlier, err = earlierGrades(exact); err != nil {
				return err
			}
			options.Progress = grading(language(cmd), cmd.ErrOrStderr())
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
			failed := atomicfile.Write(exact, grades.WriteJSON)
			if failed == nil {
				failed = atomicfile.Write(table, grades.WriteCSV)
			}
			if err := grades.WriteTable(w); err != nil {
				return errors.Join(fmt.Errorf("print the grades: %w", err), failed)
			}
			if failed != nil { // the printed grades are then all that there is
				return fmt.Errorf("%w; choose another folder with --out", failed)
			}
			ending(language(cmd), w, []string{table, exact}, language(cmd).Sprintf("open %s in a spreadsheet", quoted(table)))
			switch {
			case interrupted != nil:
				return resumable(run.ErrInterrupted, "the same command grades the rest")
			case grades.NotGraded == 1:
				return errors.New("an answer was not graded, through no fault of the student; run the same command to grade it again")
			case grades.NotGraded > 1:
				return fmt.Errorf("%d answers were not graded, through no fault of the students; run the same command to grade them again", grades.NotGraded)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&options.Exercises, "exercises", nil, "names of exercises, separated by commas (default: all)")
	flags.StringVar(&out, "out", ".", "folder for grades.csv and grades.json")
	flags.DurationVar(&options.Timeout, "timeout", time.Minute, "time limit for an exercise, and for compiling it")
	flags.BoolVar(&options.Again, "again", false, "grade all answers again, even those that have not changed since the grades in --out")
	flags.BoolVar(&options.WithoutSandbox, "without-sandbox", false, "grade even if the system cannot isolate submissions: they could then harm this computer")
	flags.Int64Var(&memory, "memory", 4096, "memory limit for an exercise, in MiB")
	return cmd
}

// gradesLock is the file that is locked while a process grades into its folder.
const gradesLock = ".grades.lock"

// lockGrades keeps a second process from grading into dir at the same time: each would overwrite the
// other's grades. unlock also removes the lock file.
func lockGrades(dir string) (unlock func(), err error) {
	path := filepath.Join(dir, gradesLock)
	for {
		lock := flock.New(path, flock.SetPermissions(0o644))
		locked, err := lock.TryLock()
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			// The file system has no locks: grade without one.
			return func() { _ = os.Remove(path) }, nil
		case err != nil:
			return nil, fmt.Errorf("lock the folder of the grades: %w", err)
		case !locked:
			return nil, fmt.Errorf("another process is grading into %s; wait for it, or choose another folder with --out", quoted(dir))
		}
		// The process that had the lock may have removed the file after it was opened here.
		held, err := lock.Stat()
		if there, gone := os.Stat(path); err == nil && gone == nil && os.SameFile(held, there) {
			return func() {
				_ = os.Remove(path)
				_ = lock.Unlock()
			}, nil
		}
		_ = lock.Unlock()
	}
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
