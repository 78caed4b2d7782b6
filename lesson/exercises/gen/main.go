// Command gen generates the files that students edit from the worked solutions; see package
// exercises. It is for people who write exercises, and runs in the folder of that package,
// as go generate does:
//
//	go run ./gen [NAME...]
//
// A file that differs from its stub may hold an answer, so gen overwrites it only if its
// exercise is named.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/residual-go/residual/lesson/exercises"
)

func main() {
	names := os.Args[1:]
	named := len(names) > 0
	if !named {
		names = exercises.Names()
	}
	failed := false
	for _, name := range names {
		err := exercises.WriteStub(name, named)
		if err == nil {
			continue
		}
		failed = true
		fmt.Fprintln(os.Stderr, "gen:", err)
		if errors.Is(err, exercises.ErrAnswer) {
			fmt.Fprintf(os.Stderr, "  to overwrite it: go run ./gen %s\n", name)
		}
	}
	if failed {
		os.Exit(1)
	}
}
