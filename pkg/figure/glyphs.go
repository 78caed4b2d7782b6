package figure

import (
	"strconv"
	"unicode"

	"golang.org/x/image/font/sfnt"
)

// Writable reports whether the bundled fonts have glyphs for all characters of s. PNG figures
// leave the others blank.
func Writable(s string) bool {
	font := tickText().face().Face
	var buffer sfnt.Buffer
	for _, r := range s {
		if unicode.Is(unicode.Cf, r) { // has no glyph of its own
			continue
		}
		if glyph, err := font.GlyphIndex(&buffer, r); err != nil || glyph == 0 {
			return false
		}
	}
	return true
}

// ClassNames returns the names as figures write them: the number of a class, counted from 0, in
// place of a name that is not [Writable].
func ClassNames(classes []string) []string {
	names := make([]string, len(classes))
	for i, name := range classes {
		names[i] = name
		if !Writable(name) {
			names[i] = strconv.Itoa(i)
		}
	}
	return names
}
