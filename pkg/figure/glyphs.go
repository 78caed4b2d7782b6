package figure

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/image/font/sfnt"
	"golang.org/x/text/unicode/norm"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"

	"github.com/residual-go/residual/pkg/figure/internal/outline"
)

// FontVariable is the environment variable that names a font file (.ttf, .otf, .ttc) for
// characters that Liberation Sans lacks. It is read when the first of them is drawn.
const FontVariable = "RESIDUAL_FONT"

// others finds the characters that Liberation Sans lacks.
var others = sync.OnceValue(func() *outline.Finder {
	return outline.NewFinder(os.Getenv(FontVariable), outline.Folders())
})

// CheckFont returns why the font file that [FontVariable] names cannot be used, or nil. If it
// cannot, no figure can be encoded.
func CheckFont() error {
	if os.Getenv(FontVariable) == "" {
		return nil
	}
	if err := others().Err(); err != nil {
		return fmt.Errorf("%s: %w", FontVariable, err)
	}
	return nil
}

// GlyphError says why figures cannot write a text.
type GlyphError struct {
	Text   string
	Char   rune   // the first that cannot be written
	Script string // its Unicode script, such as "Thai"
	// Unsupported says that no font would help: letters of the script change their shapes,
	// stand above each other or run from right to left, which figures cannot do.
	Unsupported bool
}

// Error implements [error].
func (e *GlyphError) Error() string {
	if e.Unsupported {
		return fmt.Sprintf("cannot write %q: the script %s is not supported", e.Text, e.Script)
	}
	return fmt.Sprintf("cannot write %q: no font has %q", e.Text, e.Char)
}

// CheckText returns a [*GlyphError] if figures cannot write s.
//
// They write Latin, Greek and Cyrillic letters with Liberation Sans. They take other
// characters from the font that [FontVariable] names, from a bundled one that has Chinese,
// Japanese and Korean, and from well-known fonts of the system such as Noto Sans CJK.
func CheckText(s string) error {
	face := tickText().face()
	for _, r := range norm.NFC.String(s) {
		switch {
		case unicode.Is(unicode.Cf, r): // has no glyph of its own
		case unsupported(r):
			return &GlyphError{Text: s, Char: r, Script: script(r), Unsupported: true}
		case !has(face, r) && others().Glyph(r) == nil:
			return &GlyphError{Text: s, Char: r, Script: script(r)}
		}
	}
	return nil
}

// Writable reports whether figures can write s.
func Writable(s string) bool { return CheckText(s) == nil }

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

// sideBySide are the scripts whose characters stand side by side from left to right, each in
// one shape. Common are punctuation, digits and symbols, Inherited are accents.
var sideBySide = []*unicode.RangeTable{
	unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Common, unicode.Inherited,
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo, unicode.Hangul, unicode.Yi,
	unicode.Armenian, unicode.Georgian, unicode.Ethiopic, unicode.Cherokee, unicode.Canadian_Aboriginal,
}

// jamo are Korean letters that a font must join to syllables.
var jamo = &unicode.RangeTable{R16: []unicode.Range16{{0x1100, 0x11ff, 1}, {0xa960, 0xa97f, 1}, {0xd7b0, 0xd7ff, 1}}}

func unsupported(r rune) bool {
	if unicode.In(r, sideBySide...) {
		return unicode.Is(jamo, r)
	}
	return script(r) != ""
}

// script returns the name of the script of r, or "" if Unicode gives it none.
func script(r rune) string {
	for name, table := range unicode.Scripts {
		if unicode.Is(table, r) {
			return name
		}
	}
	return ""
}

// has reports whether the font of face has r.
func has(face font.Face, r rune) bool {
	var buffer sfnt.Buffer
	glyph, err := face.Face.GlyphIndex(&buffer, r)
	return err == nil && glyph != 0
}

// writing is a part of a text: some characters of Liberation Sans, or one of another font.
type writing struct {
	text  string
	other *outline.Glyph
}

// written splits s, which is [clean], into what face writes and what other fonts do. What none
// can write becomes boxes.
func written(s string, face font.Face) []writing {
	if !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII }) {
		return []writing{{text: s}}
	}
	east := strings.ContainsFunc(s, fullWidth)
	var parts []writing
	start := true // of a part that face writes
	for _, r := range s {
		var other *outline.Glyph
		switch {
		case unicode.Is(unicode.Cf, r):
			continue
		case unsupported(r):
			other = box
		case !has(face, r):
			if other = others().Glyph(r); other == nil {
				other = box
			}
		case east && strings.ContainsRune("“”‘’…—·", r):
			other = others().Glyph(r) // as wide as the characters around it
		}
		switch {
		case other != nil:
			parts, start = append(parts, writing{other: other}), true
		case start:
			parts, start = append(parts, writing{text: string(r)}), false
		default:
			parts[len(parts)-1].text += string(r)
		}
	}
	return parts
}

// box stands for a character that cannot be written.
var box = func() *outline.Glyph {
	g := &outline.Glyph{Advance: 0.66}
	g.Path.Move(vg.Point{X: 0.08})
	for _, p := range []vg.Point{{X: 0.58}, {X: 0.58, Y: 0.7}, {X: 0.08, Y: 0.7}, {X: 0.08}, // and, the other way round,
		{X: 0.13, Y: 0.05}, {X: 0.13, Y: 0.65}, {X: 0.53, Y: 0.65}, {X: 0.53, Y: 0.05}, {X: 0.13, Y: 0.05}} {
		g.Path.Line(p)
	}
	g.Path.Close()
	return g
}()

// fullWidth reports whether r is a character of Chinese or Japanese.
func fullWidth(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo) ||
		r >= 0x3000 && r <= 0x303f || r >= 0xff00 && r <= 0xffef // punctuation
}

// width returns the width of a part in the type of face.
func (w writing) width(face font.Face) vg.Length {
	if w.other != nil {
		return vg.Length(w.other.Advance) * face.Font.Size
	}
	return face.Width(w.text)
}

// textWidth returns the width of s, which is [clean], in the type of face.
func textWidth(face font.Face, s string) vg.Length {
	var width vg.Length
	for _, part := range written(s, face) {
		width += part.width(face)
	}
	return width
}

// raster is a canvas of pixels that writes every character with a font that has it. (A viewer
// of an SVG finds the fonts itself.)
type raster struct{ vg.Canvas }

// FillString implements [vg.Canvas].
func (c raster) FillString(face font.Face, at vg.Point, s string) {
	for _, part := range written(s, face) {
		if part.other != nil {
			c.fillGlyph(part.other, face.Font, at)
		} else {
			c.Canvas.FillString(face, at, part.text)
		}
		at.X += part.width(face)
	}
}

// fillGlyph draws a glyph with its origin at a place. The other fonts are upright and regular;
// bold ones are imitated by drawing the glyph twice.
func (c raster) fillGlyph(g *outline.Glyph, f font.Font, at vg.Point) {
	if len(g.Path) == 0 {
		return
	}
	if f.Weight <= 0 {
		c.Fill(placed(g.Path, f.Size, at))
		return
	}
	apart := vg.Point{X: 0.022, Y: 0.007}.Scale(f.Size)
	c.Fill(placed(g.Path, f.Size, at.Add(apart)))
	c.Fill(placed(g.Path, f.Size, at.Sub(apart)))
}

// placed returns path, enlarged by size, with its origin at a place.
func placed(path vg.Path, size vg.Length, at vg.Point) vg.Path {
	moved := make(vg.Path, len(path))
	for i, c := range path {
		c.Pos = c.Pos.Scale(size).Add(at)
		control := make([]vg.Point, len(c.Control))
		for j, p := range c.Control {
			control[j] = p.Scale(size).Add(at)
		}
		c.Control = control
		moved[i] = c
	}
	return moved
}
