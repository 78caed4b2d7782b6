// Command gen writes the students' files of the exercises from the worked solutions; see
// package exercises. It runs in the folder of that package, as go generate does, and is
// for those who write exercises. A file that differs from its stub may have an answer in
// it, so it is overwritten only if its exercise is named:
//
//	go run ./gen [NAME...]
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/residual-go/residual/lesson/exercises"
)

func main() {
	names := os.Args[1:]
	named := len(names) > 0
	if !named {
		for _, exercise := range exercises.All() {
			names = append(names, exercise.Name)
		}
	}
	failed := false
	for _, name := range names {
		if err := write(name, named); err != nil {
			fmt.Fprintln(os.Stderr, "gen:", err)
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
}

// write makes the file of one exercise. One that is right already keeps its time, and one
// that is something else is overwritten only if that is said.
func write(name string, overwrite bool) error {
	solution, err := os.ReadFile(filepath.Join(name, "solution", name+".go"))
	if err != nil {
		return fmt.Errorf("solution of %s: %w", name, err)
	}
	stub, err := exercises.Stub(solution, name)
	if err != nil {
		return err
	}
	path := filepath.Join(name, name+".go")
	there, err := os.ReadFile(path)
	there = bytes.ReplaceAll(there, []byte("\r\n"), []byte("\n")) // as checked out on Windows
	switch {
	case err == nil && bytes.Equal(there, stub):
		return nil
	case err == nil && !overwrite:
		return fmt.Errorf("%s is not the stub of today and may have an answer in it; to lose what it has: go run ./gen %s", path, name)
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("stub of %s: %w", name, err)
	}
	if err := os.WriteFile(path, stub, 0o644); err != nil {
		return fmt.Errorf("stub of %s: %w", name, err)
	}
	return nil
}
