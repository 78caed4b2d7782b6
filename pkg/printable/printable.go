// Package printable makes text that came from a file or a server safe to show: on a
// terminal, where an escape sequence is a command, and in an error, which should stay one
// short line.
package printable

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Is reports whether text can be shown as it is: valid UTF-8 without control characters or
// line breaks.
func Is(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !shown(r) })
}

// shown reports whether r can be shown as it is. Besides what unicode.IsPrint allows, these are
// spaces other than ASCII's, and the characters that join or separate letters in the ordinary
// spelling of Persian, Hindi or Khmer. What changes the direction of text is not among them.
func shown(r rune) bool {
	switch r {
	case '\u00ad', '\u200b', '\u200c', '\u200d', '\u2060': // soft hyphen, zero-width space, non-joiner, joiner, word joiner
		return true
	}
	return unicode.IsGraphic(r)
}

// Replace returns text with a replacement character (U+FFFD) in place of everything that
// cannot be shown.
func Replace(text string) string {
	return strings.Map(func(r rune) rune {
		if shown(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// Escape returns text with an escape sequence of Go, such as \x1b, in place of everything
// that cannot be shown, so that a reader sees what was there.
func Escape(text string) string {
	var b strings.Builder
	for _, r := range text {
		if shown(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}

// Line returns text on one line: a space in place of every line break and the white space
// around it, and the rest as Escape returns it. It is for errors of libraries, which may have
// several lines.
func Line(text string) string {
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
	kept := lines[:0]
	for _, line := range lines {
		if line = strings.TrimSpace(line); line != "" {
			kept = append(kept, line)
		}
	}
	return Escape(strings.Join(kept, " "))
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
