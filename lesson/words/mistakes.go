package words

import (
	"strings"
	"sync"
)

// Contexts of what the command says about mistakes.
const (
	// Mistake is for the errors of this project.
	Mistake = "error"
	// System is for those of the operating system.
	System = "system"
)

// Error returns the text of an error, which was put together in English, in the language. What is not
// known of it stays English.
func (l Language) Error(text string) string {
	if l != Chinese {
		return text
	}
	return mistakes().mistake(text)
}

// mistakes has the texts of errors.
var mistakes = sync.OnceValue(func() *Phrasebook {
	p := &Phrasebook{texts: map[string]string{}}
	p.values = p.mistake
	for _, e := range entriesOf("errors") {
		p.add(e.English, e.Text, valueInError)
	}
	sortFormats(p.formats)
	return p
})

// mistake translates the text of an error: as a whole, or what stands between semicolons, or what follows
// the colon after what was being done.
func (p *Phrasebook) mistake(text string) string {
	if translated, ok := p.whole(text); ok {
		return translated
	}
	if pieces := strings.Split(text, "; "); len(pieces) > 1 {
		for i, piece := range pieces {
			pieces[i] = p.mistake(piece)
		}
		if translated := strings.Join(pieces, "；"); translated != strings.ReplaceAll(text, "; ", "；") {
			return translated
		}
		return text
	}
	doing, rest, found := strings.Cut(text, ": ")
	if !found {
		return text
	}
	if translated := p.mistake(rest); translated != rest {
		return p.mistake(doing) + "：" + translated
	}
	return text
}
