// Command gen writes the students' files of the exercises from the worked solutions; see
// package exercises. It runs in the folder of that package, as go generate does, and is
// for those who write exercises: answers that are in the files are overwritten.
//
//	go run ./gen [NAME...]
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/residual-go/residual/lesson/exercises"
)

func main() {
	names := os.Args[1:]
	if len(names) == 0 {
		for _, exercise := range exercises.All() {
			names = append(names, exercise.Name)
		}
	}
	failed := false
	for _, name := range names {
		if err := write(name); err != nil {
			fmt.Fprintln(os.Stderr, "gen:", err)
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
}

// write makes the file of one exercise. One that is right already keeps its time.
func write(name string) error {
	solution, err := os.ReadFile(filepath.Join(name, "solution", name+".go"))
	if err != nil {
		return fmt.Errorf("solution of %s: %w", name, err)
	}
	stub, err := exercises.Stub(solution, name)
	if err != nil {
		return err
	}
	path := filepath.Join(name, name+".go")
	if there, err := os.ReadFile(path); err == nil && bytes.Equal(there, stub) {
		return nil
	}
	if err := os.WriteFile(path, stub, 0o644); err != nil {
		return fmt.Errorf("stub of %s: %w", name, err)
	}
	return nil
}
