// Package words has the course's texts in other languages than English.
//
// The English texts are in the code, where they are used. A translation is found by its English
// text, and by a context where the same text may need several: the name of an exercise and a
// hint, for example. The translations are in PO files, which translators have editors for; there
// is one for each part of the course:
//
//	zh/hints.po     the hints of the exercises' checks
//	zh/failures.po  what a failed check says about the answer
//	zh/checks.po    what else a check says
//	zh/command.po   the help of the command and what it prints
//	zh/figures.po   the words in figures
//	zh/notebooks.po what notebooks print
//	zh/errors.po    what the command says about mistakes
//
// A text without a translation stays English. Tests find those, and translations of texts that
// no longer exist, so whoever changes an English text is told which translation to look at.
package words

import (
	"fmt"
	"strings"
)

// Language is a language that the course speaks.
type Language string

// The languages.
const (
	English Language = "en"
	Chinese Language = "zh"
)

// Variable is the environment variable that chooses the language, if set, before those of the
// system.
const Variable = "RESIDUAL_LANG"

// Parse returns the language of a name such as en, zh, zh-CN or zh_CN.UTF-8.
func Parse(name string) (Language, error) {
	language := strings.ToLower(name)
	if end := strings.IndexAny(language, "-_.@"); end >= 0 {
		language = language[:end]
	}
	switch language {
	case "zh", "chinese":
		return Chinese, nil
	case "en", "english", "c", "posix":
		return English, nil
	}
	return English, fmt.Errorf("no language %q; the languages are en and zh", name)
}

// Preferred returns the language that an environment asks for: that of the first variable that is
// set, of RESIDUAL_LANG, LC_ALL, LC_MESSAGES and LANG. It is English if that is another language, or
// if none is set. getenv is [os.Getenv] or returns the same for other variables.
func Preferred(getenv func(name string) string) Language {
	for _, name := range []string{Variable, "LC_ALL", "LC_MESSAGES", "LANG"} {
		if value := getenv(name); value != "" {
			language, _ := Parse(value) // English if it is another
			return language
		}
	}
	return English
}

// Text returns a text in the language.
func (l Language) Text(english string) string { return l.In("", english) }

// In returns a text in the language, translated for a context.
func (l Language) In(context, english string) string {
	if l == Chinese {
		if text := chinese()[key{context, english}]; text != "" {
			return text
		}
	}
	return english
}

// Sprintf formats like [fmt.Sprintf], with the format in the language.
func (l Language) Sprintf(format string, args ...any) string {
	return fmt.Sprintf(l.Text(format), args...)
}

// Hint returns the text of a hint of the check of an exercise.
func (l Language) Hint(exercise, name, english string) string {
	if text := l.In(exercise+"/"+name, english); text != english {
		return text
	}
	return l.In(Shared+"/"+name, english)
}

// Contexts of texts.
const (
	// Shared stands in place of an exercise for the hints that several exercises give.
	Shared = "hints"
	// Step is for the names of the steps of checks.
	Step = "step"
	// Title is for the titles of exercises.
	Title = "title"
)
