// Package printable makes text that came from a file or a server safe to show: on a
// terminal, where an escape sequence is a command, and in an error, which should stay one
// short line.
package printable

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Is reports whether text can be shown as it is: valid UTF-8 without control characters or
// line breaks.
func Is(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

// Replace returns text with a replacement character (U+FFFD) in place of everything that
// cannot be shown.
func Replace(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// Quote returns text for use in an error message: cut off after 100 bytes, and quoted as in
// Go source if it is empty or has characters that need it.
func Quote(text string) string {
	const longest = 100
	if len(text) > longest {
		text = text[:longest] + "…"
	}
	quoted := fmt.Sprintf("%q", text)
	if quoted == `"`+text+`"` && text != "" {
		return text
	}
	return quoted
}
