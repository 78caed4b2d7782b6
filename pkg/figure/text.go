package figure

import (
	"image/color"
	"math"
	"sort"
	"strings"
	"sync"
	"unicode"

	"github.com/rivo/uniseg"
	stdfont "golang.org/x/image/font"
	"golang.org/x/text/unicode/norm"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/font/liberation"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
)

// Sizes of type, in CSS pixels.
const (
	titleSize  = 17
	headSize   = 14.5
	labelSize  = 14
	tickSize   = 12.5
	legendSize = 13
	noteSize   = 12

	// leading is the distance between two baselines, as a multiple of the type size.
	leading = 1.35
)

// lettering is the style of a text and its position relative to its point: it begins
// there if align is 0, is centred at 0.5 and ends there at 1. Turned text reads upwards.
type lettering struct {
	size   float64
	colour color.RGBA
	bold   bool
	italic bool
	align  float64
	turned bool
}

func titleText() lettering  { return lettering{size: titleSize, colour: ink, bold: true} }
func headText() lettering   { return lettering{size: headSize, colour: ink, bold: true} }
func labelText() lettering  { return lettering{size: labelSize, colour: ink, align: 0.5} }
func tickText() lettering   { return lettering{size: tickSize, colour: softInk} }
func legendText() lettering { return lettering{size: legendSize, colour: ink} }
func noteText() lettering   { return lettering{size: noteSize, colour: softInk} }

// fonts parses the bundled fonts once.
var fonts = sync.OnceValue(func() *font.Cache { return font.NewCache(liberation.Collection()) })

func (l lettering) font() font.Font {
	f := font.Font{Typeface: "Liberation", Variant: "Sans", Size: px(l.size)}
	if l.bold {
		f.Weight = stdfont.WeightBold
	}
	if l.italic {
		f.Style = stdfont.StyleItalic
	}
	return f
}

func (l lettering) face() font.Face { return fonts().Lookup(l.font(), px(l.size)) }

// style returns the lettering for what gonum writes.
func (l lettering) style() text.Style {
	s := text.Style{Color: l.colour, Font: l.font(), XAlign: text.XAlignment(-l.align), Handler: plain{text.Plain{Fonts: fonts()}}}
	if l.turned {
		s.Rotation = math.Pi / 2
	}
	return s
}

// plain is gonum's handler of plain text, for one line that may need several fonts.
type plain struct{ text.Plain }

// Box implements [text.Handler].
func (h plain) Box(s string, f font.Font) (width, height, depth vg.Length) {
	_, height, depth = h.Plain.Box("", f)
	return textWidth(h.Fonts.Lookup(f, f.Size), s), height, depth
}

// Draw implements [text.Handler].
func (h plain) Draw(c vg.Canvas, s string, style text.Style, at vg.Point) {
	// gonum aligns s by its width in one font.
	face := h.Fonts.Lookup(style.Font, style.Font.Size)
	shift := vg.Length(style.XAlign) * (textWidth(face, s) - face.Width(s))
	sin, cos := math.Sincos(style.Rotation)
	h.Plain.Draw(c, s, style, at.Add(vg.Point{X: shift * vg.Length(cos), Y: shift * vg.Length(sin)}))
}

// middleOfDigits centres digits and capitals on a point. gonum's YCenter centres a line
// with its descenders, which puts them too high.
const middleOfDigits text.YAlignment = -0.405

// belowAxis returns the style of tick labels below a horizontal axis.
func belowAxis(l lettering) text.Style {
	s := l.style()
	s.XAlign, s.YAlign = text.XCenter, text.YTop-0.15
	return s
}

// besideAxis returns the style of tick labels beside a vertical axis.
func besideAxis(l lettering) text.Style {
	s := l.style()
	s.XAlign, s.YAlign = text.XRight, middleOfDigits-0.19 // gonum moves them up by a descender
	return s
}

// middle is how far the baseline is below the middle of a line of digits or capitals.
func (l lettering) middle() float64 { return 0.36 * l.size }

func (l lettering) width(s string) float64 {
	return pixels(textWidth(l.face(), clean(s)))
}

// fit returns s, cut short with an ellipsis if it is wider than width.
func (l lettering) fit(s string, width float64) string {
	s = clean(s)
	if l.width(s) <= width {
		return s
	}
	runes := []rune(s)
	cut := func(n int) string { return strings.TrimRight(string(runes[:n]), " ") + "…" }
	tooMany := sort.Search(len(runes), func(n int) bool { return l.width(cut(n)) > width })
	return cut(max(0, tooMany-1))
}

// wrap breaks s into lines no wider than width: at spaces, and where Chinese and Japanese may be
// broken.
func (l lettering) wrap(s string, width float64) []string {
	var lines []string
	for _, word := range strings.Fields(clean(s)) {
		space := " "
		for _, piece := range breakable(word) {
			if n := len(lines); n > 0 && l.width(lines[n-1]+space+piece) <= width {
				lines[n-1] += space + piece
			} else {
				lines = append(lines, l.fit(piece, width))
			}
			space = ""
		}
	}
	return lines
}

// breakable splits a word with Chinese or Japanese characters where a line may end, which is not
// before a comma or after an opening quote (UAX #14).
func breakable(word string) (pieces []string) {
	if !strings.ContainsFunc(word, fullWidth) {
		return []string{word}
	}
	for state := -1; word != ""; {
		var piece string
		piece, word, _, state = uniseg.FirstLineSegmentInString(word, state)
		pieces = append(pieces, piece)
	}
	return pieces
}

// widest returns the width of the widest text.
func (l lettering) widest(texts []string) (widest float64) {
	for _, s := range texts {
		widest = max(widest, l.width(s))
	}
	return widest
}

// clean replaces what must not appear in XML: control characters, including line breaks,
// and bytes that are not UTF-8. It joins accents and Korean letters to the characters that
// fonts have.
func clean(s string) string {
	return norm.NFC.String(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\ufffe' || r == '\uffff' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?")))
}
