package main

import (
	"fmt"
	"os"
	"strings"
)

// expected is a list of mutants in a file, by exercise, each with a text that applies to it:
// the reason why it is equivalent, or the name of the hint that it gets.
//
//	exercise NAME
//	a text
//		the key of a mutant that it applies to
//		and of another
type expected map[string]map[string]string

// readExpected reads such a file. Lines that begin with # are comments.
func readExpected(file string) (expected, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	list := expected{}
	var exercise, about string
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimRight(line, "\r\n")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "exercise "):
			exercise, about = strings.TrimPrefix(line, "exercise "), ""
			if list[exercise] != nil {
				return nil, fmt.Errorf("%s:%d: exercise %s comes twice", file, number, exercise)
			}
			list[exercise] = map[string]string{}
		case exercise == "":
			return nil, fmt.Errorf("%s:%d: no line \"exercise NAME\" before this one", file, number)
		case !strings.HasPrefix(line, "\t"):
			about = line
		case about == "":
			return nil, fmt.Errorf("%s:%d: a mutant without a line that says why", file, number)
		default:
			key := strings.TrimPrefix(line, "\t")
			if list[exercise][key] != "" {
				return nil, fmt.Errorf("%s:%d: this mutant comes twice", file, number)
			}
			list[exercise][key] = about
		}
	}
	return list, nil
}
