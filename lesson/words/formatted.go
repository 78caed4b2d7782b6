package words

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
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
		parts := f.english.FindStringSubmatch(text)
		if parts == nil {
			continue
		}
		var args []any
		for i, part := range parts[1:] {
			if f.verbs[i] == "%s" {
				part = l.Formatted(part)
			}
			args = append(args, part)
		}
		return fmt.Sprintf(f.text, args...)
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
}

var (
	verb       = regexp.MustCompile(`%[dsv]`)
	numberVerb = regexp.MustCompile(`%(\[\d+\])?[dv]`)
)

// chineseFormats returns the formats of failures, the most specific first.
var chineseFormats = sync.OnceValue(func() []format {
	var formats []format
	entries, _ := Entries(Chinese)
	for _, e := range entries {
		verbs := verb.FindAllString(e.English, -1)
		if e.Context != Failure || len(verbs) == 0 {
			continue
		}
		var pattern strings.Builder
		f := format{verbs: verbs, text: numberVerb.ReplaceAllString(e.Text, "%${1}s")}
		for i, fixed := range verb.Split(e.English, -1) {
			pattern.WriteString(regexp.QuoteMeta(fixed))
			f.fixed += utf8.RuneCountInString(fixed)
			switch {
			case i == len(verbs):
			case verbs[i] == "%d":
				pattern.WriteString(`(-?\d+)`)
			default:
				pattern.WriteString(`(.+?)`)
			}
		}
		f.english = regexp.MustCompile(`(?s)^` + pattern.String() + `$`)
		formats = append(formats, f)
	}
	slices.SortStableFunc(formats, func(a, b format) int { return cmp.Compare(b.fixed, a.fixed) })
	return formats
})
