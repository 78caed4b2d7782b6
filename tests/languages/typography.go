package main

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A lapse is a place in a Chinese text that breaks a rule of typography.
type lapse struct {
	line  int // counted from 1
	about string
}

// A rule is broken wherever its pattern matches.
type rule struct {
	pattern *regexp.Regexp
	says    string
}

// Classes of characters for the patterns. Code in a sentence is Latin: prose replaces it by x.
const (
	han   = `\p{Han}`
	latin = `[\p{Latin}\p{Greek}0-9]`
	wide  = `[，。；：？！、（）“”《》…～—]`
)

var rules = []rule{
	{regexp.MustCompile(han + latin + `|` + latin + `%?` + han), "a space belongs between Chinese and Latin letters, digits or code"},
	{regexp.MustCompile(han + ` ?[,;:!?](\s|$|` + han + `)|` + han + `\.(\s|$|` + han + `)`), "punctuation after Chinese characters is full-width: ，。；：？！"},
	{regexp.MustCompile(han + `\(|` + han + ` \((\p{Latin}{2}|\d+\)|[^)]*` + han + `)|\)` + han), "brackets beside Chinese characters are full-width: （）"},
	{regexp.MustCompile(han + `["']|["']` + han), "quotation marks beside Chinese characters are “ and ”"},
	{regexp.MustCompile(`[，。；：？！、（）《》“”] +[^|\s]|[^|\s] +[，。；：？！、）》”（《]`), "no space stands beside full-width punctuation"},
	{regexp.MustCompile(han + `(\.\.\.|-- )`), "an ellipsis is ……, and a dash ——"},
	{regexp.MustCompile(`您`), "the reader is 你"},
	{regexp.MustCompile(han + ` ` + han), "no space stands between Chinese characters"},
}

var (
	item     = regexp.MustCompile(`^\s*([*+-]|\d+\.) `)
	fence    = regexp.MustCompile("^(> ?)?\\s*(```|~~~)")
	comment  = regexp.MustCompile(`<!--.*?-->`)
	code     = regexp.MustCompile("``.+?``|`[^`]+`")
	formula  = regexp.MustCompile(`\$[^$]+\$`)
	linkText = regexp.MustCompile(`!?\[([^\]]*)\]\([^)]*\)`)
	tag      = regexp.MustCompile(`</?[a-z][^>]*>`)
	italic   = regexp.MustCompile(`(^|[^*])\*[^*\s][^*]*\p{Han}[^*]*\*([^*]|$)`)
	emphasis = regexp.MustCompile(`\*+`)
)

// prose returns a line as it is read: without markup, and with x for code and formulas. A line
// that is all code is empty.
func prose(line string) string {
	if strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "\t") {
		return ""
	}
	line = strings.TrimPrefix(comment.ReplaceAllString(line, ""), "> ")
	line = code.ReplaceAllString(line, "x")
	line = formula.ReplaceAllString(line, "x")
	line = linkText.ReplaceAllString(line, "$1")
	line = tag.ReplaceAllString(line, "")
	return emphasis.ReplaceAllString(line, "")
}

// lapses returns where a Chinese text in Markdown breaks the rules.
func lapses(text string) []lapse {
	var found []lapse
	inFence := false
	before := "" // the prose of the line before, if its paragraph can go on
	for i, line := range strings.Split(text, "\n") {
		if fence.MatchString(line) {
			inFence = !inFence
			before = ""
			continue
		}
		if inFence {
			continue
		}
		read := prose(line)
		for _, r := range rules {
			if at := r.pattern.FindStringIndex(read); at != nil {
				found = append(found, lapse{i + 1, fmt.Sprintf("%q: %s", around(read, at), r.says)})
			}
		}
		if text := unclosed(line); text != "" {
			found = append(found, lapse{i + 1, fmt.Sprintf("%s is shown with its asterisks: move punctuation out of it", text)})
		}
		if text := italic.FindString(withoutCode(line)); text != "" {
			found = append(found, lapse{i + 1, fmt.Sprintf("%s: emphasis in Chinese is **bold**, not slanted", text)})
		}
		// A line break is shown as a space, which Chinese does not have.
		first, last := ends(read)
		if _, end := ends(before); wideOrHan(end) && wideOrHan(first) && !item.MatchString(line) {
			found = append(found, lapse{i + 1, "a paragraph of Chinese is one line: a line break is shown as a space"})
		}
		before = ""
		if last != 0 && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "|") {
			before = read
		}
	}
	return found
}

// withoutCode returns a line with `x` for code and formulas, whose asterisks are not emphasis.
func withoutCode(line string) string {
	return formula.ReplaceAllString(code.ReplaceAllString(line, "`x`"), "`x`")
}

var emphasised = regexp.MustCompile(`\*{1,2}[^*\s]([^*]*[^*\s])?\*{1,2}`)

// unclosed returns emphasis that Markdown does not recognise, or "": punctuation inside of the
// asterisks and a letter outside, as in **好。**再, which in Chinese have no space between.
func unclosed(line string) string {
	line = withoutCode(comment.ReplaceAllString(line, ""))
	letter := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }
	punctuation := func(r rune) bool { return unicode.IsPunct(r) || unicode.IsSymbol(r) }
	for _, at := range emphasised.FindAllStringIndex(line, -1) {
		first, last := ends(strings.Trim(line[at[0]:at[1]], "*"))
		before, _ := utf8.DecodeLastRuneInString(line[:at[0]])
		after, _ := utf8.DecodeRuneInString(line[at[1]:])
		if letter(before) && punctuation(first) || punctuation(last) && letter(after) {
			return line[at[0]:at[1]]
		}
	}
	return ""
}

// ends returns the first and the last character of a line, or zeros.
func ends(line string) (first, last rune) {
	for _, r := range strings.TrimSpace(line) {
		if first == 0 {
			first = r
		}
		last = r
	}
	return first, last
}

var wideCharacter = regexp.MustCompile(wide)

func wideOrHan(r rune) bool {
	return unicode.Is(unicode.Han, r) || r != 0 && wideCharacter.MatchString(string(r))
}

// around returns the place of a match with a few characters on both sides.
func around(line string, at []int) string {
	before, after := []rune(line[:at[0]]), []rune(line[at[1]:])
	return string(before[max(0, len(before)-6):]) + line[at[0]:at[1]] + string(after[:min(6, len(after))])
}
