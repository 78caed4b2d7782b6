package words

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"sync"
)

//go:embed zh/*.po
var files embed.FS

// key is what a translation is found by.
type key struct{ context, english string }

// chinese returns the Chinese texts. A file that cannot be read has none, which the tests notice.
var chinese = sync.OnceValue(func() map[key]string {
	texts := map[key]string{}
	entries, _ := Entries(Chinese)
	for _, e := range entries {
		texts[key{e.Context, e.English}] = e.Text
	}
	return texts
})

// Entry is a translation.
type Entry struct {
	// File is the name of the catalogue without its ending, such as hints, and Line the number of
	// the entry's first line in it.
	File string
	Line int
	// Context is empty for most texts. For a hint it is the exercise and the hint's name:
	// batchnorm/x-changed.
	Context string
	English string
	Text    string
}

// Entries returns the translations into a language, file by file, for tests and tools.
func Entries(l Language) ([]Entry, error) {
	paths, err := fs.Glob(files, string(l)+"/*.po")
	if err != nil {
		return nil, err
	}
	var entries []Entry
	var problems []error
	for _, at := range paths {
		content, err := files.ReadFile(at)
		if err == nil {
			var list []Entry
			list, err = parse(strings.TrimSuffix(path.Base(at), ".po"), string(content))
			entries = append(entries, list...)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("read %s: %w", at, err))
		}
	}
	return entries, errors.Join(problems...)
}

// parse reads a PO file: comments, and entries of the form
//
//	msgctxt "batchnorm/x-changed"
//	msgid "x belongs to the caller: make new slices for the result"
//	msgstr "…"
//
// in which further strings on lines of their own continue a string. There are no plural forms. An
// entry without an English text is the header, and not returned.
func parse(file, text string) ([]Entry, error) {
	var entries []Entry
	var e Entry
	var field *string // which continues
	number := 0
	finish := func() {
		if e.English != "" {
			entries = append(entries, e)
		}
		e, field = Entry{}, nil
	}
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if line[0] != '"' {
			var word string
			word, line, _ = strings.Cut(line, " ")
			switch word {
			case "msgctxt":
				finish()
				field = &e.Context
			case "msgid":
				if e.Context == "" || e.English != "" || e.Text != "" {
					finish()
				}
				field = &e.English
			case "msgstr":
				field = &e.Text
			default:
				return entries, fmt.Errorf("line %d: unknown word %q", number, word)
			}
			if e.Line == 0 {
				e.File, e.Line = file, number
			}
		}
		part, err := strconv.Unquote(strings.TrimSpace(line))
		if err != nil || field == nil {
			return entries, fmt.Errorf("line %d: want a string in quotes", number)
		}
		*field += part
	}
	finish()
	return entries, nil
}
