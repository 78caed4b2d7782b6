// Package outline finds the outlines of characters in font files, for the characters that
// the fonts of package figure lack.
//
// A font file may come from anywhere. What it makes this package read is limited, and a
// character whose outline is damaged, huge or far from its place counts as missing.
package outline

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
	"gonum.org/v1/plot/vg"
)

// Glyph is the outline of a character. Lengths are in units of the type size.
type Glyph struct {
	Advance float64 // to the next character
	Path    vg.Path // from the origin on the baseline, y pointing up
}

// Font is a font file: TrueType or OpenType, or one font of a collection.
// It must not be used by several goroutines at once.
type Font struct {
	sfnt   *sfnt.Font
	file   *meter
	buffer sfnt.Buffer
	em     float64 // units of the file in the type size
}

// Limits of what is read to open a font and to load a glyph. Noto Sans CJK, one of the
// largest fonts, needs 3 MB and 3 kB.
const (
	openLimit  = 64 << 20
	glyphLimit = 1 << 20
)

// Open opens the font file at path.
func Open(path string) (*Font, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for its writer
		return nil, &os.PathError{Op: "open", Path: path, Err: errors.New("not a regular file")}
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	f, err := Read(file)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("%s cannot be read as a font: %w", path, err)
	}
	return f, nil
}

// Read reads a font, which keeps reading its glyphs from source. Of a collection it takes
// the font for simplified Chinese if there is one, otherwise the first.
func Read(source io.ReaderAt) (f *Font, err error) {
	defer recovered(&err)
	file := &meter{source: source, left: openLimit, opening: true}
	defer func() { file.opening = false }()
	all, err := sfnt.ParseCollectionReaderAt(file)
	if err != nil {
		return nil, err
	}
	for i := range all.NumFonts() {
		one, err := all.Font(i)
		if err != nil {
			return nil, err
		}
		candidate := &Font{sfnt: one, file: file, em: float64(one.UnitsPerEm())}
		name, _ := one.Name(&candidate.buffer, sfnt.NameIDFull)
		if f == nil || strings.Contains(name, " SC") {
			f = candidate
		}
		if strings.Contains(name, " SC") {
			break
		}
	}
	return f, nil
}

// Glyph returns the outline of r, or nil if the font has none that can be used.
func (f *Font) Glyph(r rune) *Glyph {
	g, err := f.load(r)
	if err != nil {
		return nil
	}
	return g
}

func (f *Font) load(r rune) (g *Glyph, err error) {
	defer recovered(&err)
	f.file.left = glyphLimit
	index, err := f.sfnt.GlyphIndex(&f.buffer, r)
	if err != nil {
		return nil, err
	}
	if index == 0 {
		return nil, errMissing
	}
	size := fixed.Int26_6(f.em) // makes lengths the integers that are in the file
	advance, err := f.sfnt.GlyphAdvance(&f.buffer, index, size, font.HintingNone)
	if err != nil {
		return nil, err
	}
	segments, err := f.sfnt.LoadGlyph(&f.buffer, index, size, nil)
	if err != nil {
		return nil, err
	}
	g = &Glyph{Advance: float64(advance) / f.em}
	if g.Advance < 0 || g.Advance > widest || len(segments) > mostSegments {
		return nil, errUnusable
	}
	far := false
	at := func(p fixed.Point26_6) vg.Point {
		x, y := float64(p.X)/f.em, -float64(p.Y)/f.em
		far = far || x < -widest || x > widest || y < -widest || y > widest
		return vg.Point{X: vg.Length(x), Y: vg.Length(y)}
	}
	for i, s := range segments {
		switch s.Op {
		case sfnt.SegmentOpMoveTo:
			if i > 0 {
				g.Path.Close()
			}
			g.Path.Move(at(s.Args[0]))
		case sfnt.SegmentOpLineTo:
			g.Path.Line(at(s.Args[0]))
		case sfnt.SegmentOpQuadTo:
			g.Path.QuadTo(at(s.Args[0]), at(s.Args[1]))
		case sfnt.SegmentOpCubeTo:
			g.Path.CubeTo(at(s.Args[0]), at(s.Args[1]), at(s.Args[2]))
		}
	}
	if len(g.Path) > 0 {
		g.Path.Close()
	}
	if far {
		return nil, errUnusable
	}
	return g, nil
}

// A glyph reaches no farther than a few times the type size, and has at most some hundred
// segments.
const (
	widest       = 4
	mostSegments = 10000
)

var (
	errMissing  = errors.New("no such character")
	errUnusable = errors.New("unusable outline")
	errLimit    = errors.New("the font is damaged: it makes its reader read too much")
)

// recovered makes an error of a panic: package sfnt checks much, but not everything.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("the font is damaged: %v", p)
	}
}

// meter is a source that ends after a number of bytes. A font's subroutines and compound
// glyphs may call each other, so that a small file asks for years of reading.
type meter struct {
	source  io.ReaderAt
	left    int
	opening bool // tables are read, not glyphs
	moved   bool // some tables begin in another region
}

// ReadAt implements [io.ReaderAt].
func (m *meter) ReadAt(b []byte, at int64) (int, error) {
	const perRead = 64 // or empty reads would be free
	m.left -= len(b) + perRead
	if m.left < 0 {
		return 0, errLimit
	}
	if m.moved && at >= region {
		at = at%region + at/region
	}
	n, err := m.source.ReadAt(b, at)
	if m.opening && at > 0 && isDirectory(b[:n]) { // a header is at 0
		m.adapt(b[:n])
	}
	return n, err
}

// region is an offset beyond all tables.
const region = 1 << 27

// isDirectory reports whether b looks like a font's directory of tables: records of 16 bytes that
// begin with names in ASCII.
func isDirectory(b []byte) bool {
	if len(b) == 0 || len(b)%16 != 0 {
		return false
	}
	for i := 0; i < len(b); i += 16 {
		for _, c := range b[i : i+4] {
			if c < ' ' || c > '~' {
				return false
			}
		}
	}
	return true
}

// adapt changes a directory so that package sfnt (golang.org/x/image v0.30.0) reads more fonts. It
// hides the tables for kerning, which is not used here: the package rejects some that are
// valid, and panics at some that are not. And it moves tables that do not begin at a multiple of
// four, as in WenQuanYi's fonts, which the package rejects, to such offsets behind all others.
func (m *meter) adapt(directory []byte) {
	for record := directory; len(record) > 0; record = record[16:] {
		switch string(record[:4]) { // the names must stay in order
		case "GPOS":
			copy(record, "GPOR")
		case "kern":
			copy(record, "kerm")
		}
		offset := binary.BigEndian.Uint32(record[8:])
		if past := offset % 4; past != 0 && offset < region {
			binary.BigEndian.PutUint32(record[8:], offset-past+past*region)
			m.moved = true
		}
	}
}
