package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/residual-go/residual/pkg/printable"
	"github.com/residual-go/residual/pkg/run"
)

func printJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("print JSON: %w", err)
	}
	return nil
}

// ending says what was written and what to try next.
func ending(w io.Writer, wrote []string, next ...string) {
	if len(wrote) > 0 {
		fmt.Fprintln(w, "\nWrote:")
		for _, path := range wrote {
			fmt.Fprintln(w, "  "+printable.Escape(path))
		}
	}
	fmt.Fprintln(w, "\nTry next:")
	for _, command := range next {
		fmt.Fprintln(w, "  "+command)
	}
}

// quoted is a path as a shell takes it for one word.
func quoted(path string) string {
	plain := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("/._-+,:@%=", r)
	}
	if path != "" && !strings.ContainsFunc(path, func(r rune) bool { return !plain(r) }) {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// resumable adds to an interruption's error how to go on.
func resumable(err error, how string) error {
	if errors.Is(err, run.ErrInterrupted) {
		return fmt.Errorf("%w; %s", err, how)
	}
	return err
}
