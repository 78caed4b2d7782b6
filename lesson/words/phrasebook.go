package words

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Drawn is the context of texts in figures that are put together in English before anyone asks for their
// language, such as captions. A [Phrasebook] finds their translations.
const Drawn = "figure"

// Phrase is a text, a part of one or a format, and its translation.
type Phrase struct{ English, Text string }

var phraseLine = regexp.MustCompile("^- `(.+)` → `(.+)`$")

// ReadPhrase reads a phrase from a line of the form
//
//   - `English` → `中文`
//
// as they are in the texts of the Chinese notebooks.
func ReadPhrase(line string) (Phrase, bool) {
	m := phraseLine.FindStringSubmatch(line)
	if m == nil {
		return Phrase{}, false
	}
	return Phrase{m[1], m[2]}, true
}

// A Phrasebook translates texts that were put together in English, by what it knows of their parts.
type Phrasebook struct {
	texts   map[string]string
	formats []format
	parts   []Phrase                 // the longest first
	values  func(text string) string // translates the values of %s
}

// NewPhrasebook returns a book of the words in figures and of further phrases, which come first. They
// are string literals of Go, with or without their quotation marks. Those without, and those that
// begin or end with a space or a semicolon, may also be parts of a text.
func (l Language) NewPhrasebook(phrases ...Phrase) *Phrasebook {
	p := &Phrasebook{texts: map[string]string{}}
	p.values = p.Translate
	if l != Chinese {
		return p
	}
	p.Add(phrases...)
	for _, e := range entriesOf("figures") {
		p.add(e.English, e.Text, value)
	}
	sortFormats(p.formats)
	return p
}

// Add adds phrases, as [Language.NewPhrasebook] takes them, for texts that the book does not have yet.
func (p *Phrasebook) Add(phrases ...Phrase) {
	for _, phrase := range phrases {
		english, quoted := literalText(phrase.English)
		text, _ := literalText(phrase.Text)
		p.add(english, text, value)
		open := strings.Trim(english, " ;") != english
		if letters(english) > 0 && (open || !quoted) && !verb.MatchString(english) {
			p.parts = append(p.parts, Phrase{english, text})
		}
	}
	slices.SortStableFunc(p.parts, func(a, b Phrase) int { return len(b.English) - len(a.English) })
	sortFormats(p.formats)
}

// entriesOf returns the Chinese entries of some files.
func entriesOf(files ...string) []Entry {
	entries, _ := Entries(Chinese)
	return slices.DeleteFunc(entries, func(e Entry) bool { return !slices.Contains(files, e.File) })
}

// Printed returns a line that was printed in English, by a notebook or by the command, in the language. A line
// that is not known stays as it is.
func (l Language) Printed(line string) string {
	if l != Chinese {
		return line
	}
	text := strings.TrimSuffix(line, "\n")
	if translated, ok := printedBook().whole(text); ok {
		return translated + line[len(text):]
	}
	return line
}

// printedBook has what notebooks and the command print, sentences and not single words.
var printedBook = sync.OnceValue(func() *Phrasebook {
	p := Chinese.NewPhrasebook()
	sentences := &Phrasebook{texts: map[string]string{}, values: func(text string) string {
		return cmp.Or(chinese()[key{"", text}], p.Translate(text))
	}}
	for _, e := range entriesOf("notebooks", "command") {
		if e.File == "notebooks" || e.Context != Title && letters(e.English) >= 12 {
			sentences.add(e.English, e.Text, value)
		}
	}
	sortFormats(sentences.formats)
	return sentences
})

// value is the pattern of a value that may be a text. It ends at a semicolon or a dot or, in errors,
// at a semicolon or a colon.
const (
	value        = `((?:[^;；·\n]|;[^ ])+?)`
	valueInError = `((?:[^;；:\n]|[;:][^ ])+?)`
)

// add adds a text, which may be a format with values of the given pattern, unless it is there.
func (p *Phrasebook) add(english, text, value string) {
	if p.texts[english] == "" {
		p.texts[english] = text
	}
	if f, ok := newFormat(english, text, value); ok && f.letters > 0 {
		p.formats = append(p.formats, f)
	}
}

// literalText returns the value of a string literal, and whether it was in quotation marks. Without
// them, it may also be the middle of one.
func literalText(s string) (text string, quoted bool) {
	if len(s) > 2 && s[0] == '"' && s[len(s)-1] == '"' && !strings.Contains(s[1:len(s)-1], `"`) {
		s, quoted = s[1:len(s)-1], true
	}
	return strings.ReplaceAll(s, `\n`, "\n"), quoted
}

func letters(s string) (n int) {
	for _, r := range s {
		if unicode.IsLetter(r) {
			n++
		}
	}
	return n
}

// Translate returns a text with all parts translated that the book has. In a format, %s stands for a
// text that is translated too, and other verbs for what stays as it is. Parts that the book does not
// have stay English.
func (p *Phrasebook) Translate(text string) string {
	if len(p.texts) == 0 || letters(text) == 0 {
		return text
	}
	if translated, ok := p.whole(text); ok {
		return translated
	}
	// A part may be inside one of several pieces that are known as a whole, so they come before parts.
	if pieces := strings.Split(text, "; "); len(pieces) > 1 {
		known := 0
		for i, piece := range pieces {
			if translated, ok := p.whole(piece); ok {
				pieces[i] = translated
				known++
			}
		}
		if known == len(pieces) {
			return strings.Join(pieces, "；")
		}
	}
	for _, part := range p.parts {
		if at := index(text, part.English); at >= 0 {
			return p.Translate(text[:at]) + part.Text + p.Translate(text[at+len(part.English):])
		}
	}
	for _, between := range [...]struct{ english, chinese string }{{"\n", "\n"}, {" · ", " · "}, {"; ", "；"}, {"；", "；"}} {
		if pieces := strings.Split(text, between.english); len(pieces) > 1 {
			changed := false
			for i, piece := range pieces {
				pieces[i] = p.Translate(piece)
				changed = changed || pieces[i] != piece
			}
			if !changed {
				return text
			}
			return strings.Join(pieces, between.chinese)
		}
	}
	return text
}

// whole returns the translation of a text that is known as a whole.
func (p *Phrasebook) whole(text string) (string, bool) {
	if translated := p.texts[text]; translated != "" {
		return translated, true
	}
	for _, f := range p.formats {
		if translated, ok := f.translate(text, p.values); ok {
			return translated, true
		}
	}
	return "", false
}

// index returns where a part is in a text, as whole words, or -1.
func index(text, part string) int {
	for from := 0; ; {
		at := strings.Index(text[from:], part)
		if at < 0 {
			return -1
		}
		at += from
		before, _ := utf8.DecodeLastRuneInString(text[:at])
		first, _ := utf8.DecodeRuneInString(part)
		last, size := utf8.DecodeLastRuneInString(part)
		after, _ := utf8.DecodeRuneInString(text[at+len(part):])
		if !(inWord(before) && inWord(first)) && !(inWord(last) && inWord(after)) {
			return at
		}
		from = at + size
	}
}

// inWord reports whether a rune is part of a Latin word.
func inWord(r rune) bool { return unicode.In(r, unicode.Latin) || unicode.IsDigit(r) }

// Untranslated returns the English words in a translated text that a reader would expect to be
// translated: words in lower case, of three letters or more. Names such as resnet20 and layer1.0 are
// not among them.
func Untranslated(text string) []string {
	return slices.DeleteFunc(englishWord.FindAllString(text, -1), func(s string) bool {
		return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz") != ""
	})
}

// englishWord matches what stands between spaces and punctuation, with the full stops and digits of names.
var englishWord = regexp.MustCompile(`[\pL\d_./-]*[a-z]{3}[\pL\d_./-]*`)

// sortFormats puts the most specific first.
func sortFormats(formats []format) {
	slices.SortStableFunc(formats, func(a, b format) int { return cmp.Compare(b.fixed, a.fixed) })
}
