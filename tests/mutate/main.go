// Command mutate tests the checks of the exercises with wrong answers that it makes out of
// the worked solutions:
//
//	go run ./tests/mutate              # all exercises whose survivors have been reviewed
//	go run ./tests/mutate basicblock   # only this one
//
// Each mutant is the solution with one change, such as another operator or a missing
// statement. Those that pass the type checker are built into one program, which runs the real
// checks on them. A mutant that earns all points has survived. Then either the check needs another
// case, or the mutant computes the same and is listed in testdata/equivalent.txt with the reason.
//
// An exercise that is not in that file yet is skipped unless it is named.
//
// Answers that people wrote are in testdata/wrong and testdata/right, in a file for each exercise, as
// changes to the solution. No wrong answer may survive, and every right answer must earn all points.
//
// testdata/hints.txt lists the mutants that get a hint. Somebody has read each and found that the hint
// describes the mutant; new ones have to be read too.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/residual-go/residual/lesson/checkout"
	"github.com/residual-go/residual/lesson/exercises"
	"github.com/residual-go/residual/tests/internal/measure"
)

func main() {
	measure.Main("mutate", "interrupted", func(ctx context.Context) error {
		return command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	})
}

func command(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("mutate", flag.ContinueOnError)
	flags.SetOutput(stderr)
	every := flags.Int("every", 1, "check only every `n`th mutant")
	workers := flags.Int("workers", runtime.GOMAXPROCS(0), "the `number` of processes")
	hints := flags.Bool("hints", false, "print the hint of every mutant, as in testdata/hints.txt")
	verbose := flags.Bool("v", false, "print every mutant and its outcome")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	names := flags.Args()
	for _, name := range names {
		if !slices.Contains(exercises.Names(), name) {
			return fmt.Errorf("no exercise %q", name)
		}
	}
	root, err := checkout.Root(".")
	if err != nil {
		return err
	}
	if len(names) == 0 {
		var others []string
		if names, others, err = reviewed(root); err != nil {
			return err
		}
		if len(others) > 0 {
			fmt.Fprintf(stdout, "Nobody has read the survivors of these exercises yet: %s.\nThey are left out; name them to see the survivors.\n\n", strings.Join(others, ", "))
		}
	}
	r, err := mutate(ctx, root, names, *every, *workers, stderr)
	if err != nil {
		return err
	}
	if *verbose {
		r.list(stdout)
	}
	if *hints {
		r.hints(stdout)
		return nil
	}
	r.table(stdout)
	faults := r.faults()
	for _, fault := range faults {
		fmt.Fprintln(stdout, fault)
	}
	if len(faults) > 0 {
		return fmt.Errorf("%d mutants need a better check, or a line in %s", len(faults), filepath.Join("tests", "mutate", "testdata"))
	}
	return nil
}

// reviewed returns the exercises that equivalent.txt has a part for, and the others.
func reviewed(root string) (names, others []string, err error) {
	list, err := readExpected(filepath.Join(root, "tests", "mutate", "testdata", "equivalent.txt"))
	if err != nil {
		return nil, nil, err
	}
	for _, name := range exercises.Names() {
		if list[name] != nil {
			names = append(names, name)
		} else {
			others = append(others, name)
		}
	}
	return names, others, nil
}
