// Command gen writes the students' files of the exercises from the worked solutions; see
// package exercises. It runs in the folder of that package, as go generate does, and is
// for those who write exercises. A file that differs from its stub may have an answer in
// it, so it is overwritten only if its exercise is named:
//
//	go run ./gen [NAME...]
package main

import (
	"fmt"
	"os"

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
		if err := exercises.WriteStub(name, named); err != nil {
			fmt.Fprintln(os.Stderr, "gen:", err)
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
}
