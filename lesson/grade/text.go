package grade

import (
	"errors"
	"go/scanner"
	"strings"
	"unicode"
)

// maxText is how much is kept of what compilers and checks say.
const maxText = 8 << 10

// clean makes text that a submission has a hand in safe to print: a terminal would obey
// control characters.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || unicode.IsPrint(r):
			return r
		case r == '\t':
			return ' '
		case r == '\r':
			return -1
		}
		return unicode.ReplacementChar
	}, strings.ToValidUTF8(text, string(unicode.ReplacementChar)))
	text = strings.TrimSpace(text)
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "…"
	}
	return text
}

// shorten cuts a line to at most n characters.
func shorten(line string, n int) string {
	if runes := []rune(line); len(runes) > n {
		return string(runes[:n-1]) + "…"
	}
	return line
}

// listErrors is all that the parser says, as the compiler would, up to ten lines.
func listErrors(err error) string {
	var list scanner.ErrorList
	if !errors.As(err, &list) {
		return err.Error()
	}
	var lines []string
	for i, e := range list {
		if i == 10 {
			lines = append(lines, "too many errors")
			break
		}
		lines = append(lines, e.Error())
	}
	return strings.Join(lines, "\n")
}
