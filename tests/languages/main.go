// Command languages keeps the Chinese texts of the course true to the English ones.
//
//	go run ./tests/languages               list Chinese texts whose English source has changed
//	go run ./tests/languages stamp FILE…   mark texts as up to date, once a person has read both
//
// Every Chinese text says, in a comment of HTML that readers do not see, which English text it
// was written from, and that text's checksum at the time:
//
//	<!-- source: README.md sha256:0123456789abcdef -->
//
// The path is relative to the Chinese file. A file about a notebook has a mark for each cell,
// by its id, so that each is checked alone:
//
//	<!-- source: ../3-block.ipynb#cell-07 sha256:0123456789abcdef -->
//
// A new text starts with a mark without a checksum, which stamp adds. FILE#CELL stamps only
// the mark of that cell.
//
// The package's tests fail on a stale text, on a page that lacks a Chinese sibling, on links
// that lead nowhere, and on lapses in typography. What the code itself says in Chinese is in
// package words, which has tests of its own.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/residual-go/residual/lesson/checkout"
)

func main() {
	if err := command(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "languages: "+err.Error())
		os.Exit(1)
	}
}

func command(args []string) error {
	root, err := checkout.Root(".")
	if err != nil {
		return err
	}
	switch {
	case len(args) == 0:
		return list(root)
	case args[0] == "stamp" && len(args) > 1:
		for _, name := range args[1:] {
			file, part, _ := strings.Cut(name, "#")
			if err := stamp(file, part); err != nil {
				return err
			}
		}
		return nil
	case args[0] == "stamp":
		return errors.New("name the Chinese files to stamp")
	default:
		return fmt.Errorf("unknown command %q: use stamp, or nothing to list stale texts", args[0])
	}
}

// list prints what is stale, and how to see what has changed in the source.
func list(root string) error {
	files, err := chinese(root)
	if err != nil {
		return err
	}
	stale := 0
	for _, file := range files {
		marks, err := marksIn(file)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		for _, m := range marks {
			reason := m.stale()
			if reason == "" {
				continue
			}
			stale++
			fmt.Printf("%s:%d: %s\n", name, m.line, reason)
			if m.sum == "" {
				continue
			}
			source, err := filepath.Rel(root, m.source)
			if err != nil {
				return err
			}
			change := "log -p" // as stamped, it was never committed
			if commit := m.commit(); commit != "" {
				change = "diff " + commit
			}
			fmt.Printf("    git %s -- %s\n", change, source)
		}
	}
	if stale > 0 {
		return fmt.Errorf("%d stale; mend the Chinese text, then run go run ./tests/languages stamp FILE", stale)
	}
	fmt.Printf("%d Chinese files are up to date\n", len(files))
	return nil
}
