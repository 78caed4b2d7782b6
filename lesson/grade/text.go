package grade

import (
	"errors"
	"go/scanner"
	"strconv"
	"strings"
	"unicode"

	"github.com/residual-go/residual/pkg/printable"
)

// maxText is the number of bytes that are kept of what compilers and checks say.
const maxText = 8 << 10

// clean makes text that a submission may have influenced safe to print, line by line: a
// terminal would obey control characters.
func clean(text string) string {
	lines := strings.Split(strings.NewReplacer("\t", " ", "\r", "").Replace(text), "\n")
	for i, line := range lines {
		lines[i] = printable.Replace(line)
	}
	text = strings.TrimSpace(strings.Join(lines, "\n"))
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "…"
	}
	return text
}

// shown returns a name from a file system or an archive as it is or, if it could be mistaken
// for another name or for more than a name, quoted as in Go source.
func shown(name string) string {
	if name != "" && name == strings.TrimSpace(name) && name[0] != '"' && printable.Is(name) && !strings.ContainsFunc(name, invisible) {
		return name
	}
	return strconv.Quote(name)
}

// shorten cuts a line off after n characters.
func shorten(line string, n int) string {
	if runes := []rune(line); len(runes) > n {
		return string(runes[:n-1]) + "…"
	}
	return line
}

// listErrors returns the errors of the parser as the compiler would print them, up to ten.
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

// invisible reports whether r can hide in a name: two students' rows must not look the same. That
// takes the joiners of Persian and Hindi spelling too; such names are quoted, and still marked.
func invisible(r rune) bool { return unicode.Is(unicode.Cf, r) || unicode.IsSpace(r) && r != ' ' }
