package words

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"
)

// Failure is the context of the texts that say what went wrong in a check. They have been
// formatted in English by the time their language is known, so [Language.Formatted] finds them.
const Failure = "failure"

// Formatted returns a text that was formatted in English in the language. It finds the format by
// what stands between its verbs: in the entries of [Failure], %d stands for a number, %v for a
// text that stays as it is, and %s for one that is translated too. Of a text of several lines
// without an entry, each line is translated. A text without an entry stays English.
func (l Language) Formatted(text string) string {
	if l != Chinese || text == "" {
		return text
	}
	if translated := l.In(Failure, text); translated != text {
		return translated
	}
	for _, f := range chineseFormats() {
		if translated, ok := f.translate(text, l.Formatted); ok {
			return translated
		}
	}
	if !strings.Contains(text, "\n") {
		return text
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		words := strings.TrimLeft(line, " ")
		lines[i] = line[:len(line)-len(words)] + l.Formatted(words)
	}
	return strings.Join(lines, "\n")
}

// format is an English format with verbs, as a pattern of the texts that it makes, and the format
// of their translation, which takes strings only.
type format struct {
	english *regexp.Regexp
	verbs   []string
	text    string
	fixed   int // how many characters stand between the verbs
	letters int // how many of them are letters
}

var verb = regexp.MustCompile(`%[-+#0]*[\d.]*(\[\d+\])?[a-zA-Z]`)

// newFormat returns a format and its translation. any is the pattern of a value that may be a text. It
// returns false if the English text has no verbs.
func newFormat(english, text, any string) (format, bool) {
	verbs := verb.FindAllString(english, -1)
	if len(verbs) == 0 {
		return format{}, false
	}
	f := format{verbs: verbs, text: verb.ReplaceAllString(text, "%${1}s")}
	var pattern strings.Builder
	for i, fixed := range verb.Split(english, -1) {
		fixed = strings.ReplaceAll(fixed, "%%", "%")
		pattern.WriteString(regexp.QuoteMeta(fixed))
		f.fixed += utf8.RuneCountInString(fixed)
		f.letters += letters(fixed)
		switch {
		case i == len(verbs):
		case verbs[i] == "%d":
			pattern.WriteString(`(-?\d+)`)
		case strings.HasSuffix(verbs[i], "s"), strings.HasSuffix(verbs[i], "v"):
			pattern.WriteString(any)
		default:
			pattern.WriteString(`([-+]?[\d.][\d.e+-]*|NaN|[-+]?Inf)`)
		}
	}
	f.english = regexp.MustCompile(`(?s)^` + pattern.String() + `$`)
	return f, true
}

// translate returns the translation of a text that the format has made, with its texts translated by a
// function, or false if the format cannot have made it.
func (f format) translate(text string, inner func(string) string) (string, bool) {
	parts := f.english.FindStringSubmatch(text)
	if parts == nil {
		return "", false
	}
	var args []any
	for i, part := range parts[1:] {
		if f.verbs[i] == "%s" {
			part = inner(part)
		}
		args = append(args, part)
	}
	return fmt.Sprintf(f.text, args...), true
}

// chineseFormats returns the formats of failures, the most specific first.
var chineseFormats = sync.OnceValue(func() []format {
	var formats []format
	entries, _ := Entries(Chinese)
	for _, e := range entries {
		if f, ok := newFormat(e.English, e.Text, `(.+?)`); ok && e.Context == Failure {
			formats = append(formats, f)
		}
	}
	sortFormats(formats)
	return formats
})
