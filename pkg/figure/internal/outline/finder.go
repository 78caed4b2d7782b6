package outline

import (
	"bytes"
	"sync"

	"github.com/residual-go/residual/pkg/figure/internal/cjk"
)

// Finder finds the outlines of characters, each in the first font that has it: a font file
// of the user's choice, the bundled one for Chinese, Japanese and Korean, and those of the
// system. Fonts are opened when a character is first looked up that earlier ones lack, and
// what was found is kept. A Finder may be used by several goroutines at once.
type Finder struct {
	mu     sync.Mutex
	chosen error            // why the user's file cannot be used
	fonts  []*Font          // opened so far
	next   []func() []*Font // open more
	glyphs map[rune]*Glyph  // nil if no font has the character
}

// NewFinder returns a finder of characters in the font file at path, if it is not empty, in the
// bundled font, and in the well-known fonts below the folders.
func NewFinder(path string, folders []string) *Finder {
	f := &Finder{glyphs: map[rune]*Glyph{}}
	if path != "" {
		font, err := Open(path)
		if err == nil {
			f.fonts = append(f.fonts, font)
		}
		f.chosen = err
	}
	f.next = append(f.next, bundled)
	f.next = append(f.next, func() []*Font {
		for _, path := range wellKnown(folders) {
			f.next = append(f.next, func() []*Font {
				font, err := Open(path)
				if err != nil {
					return nil // not the user's choice; another font may do
				}
				return []*Font{font}
			})
		}
		return nil
	})
	return f
}

func bundled() []*Font {
	raw, err := cjk.Font()
	if err != nil {
		return nil
	}
	font, err := Read(bytes.NewReader(raw))
	if err != nil {
		return nil
	}
	return []*Font{font}
}

// Err returns why the font file that was given to [NewFinder] cannot be used.
func (f *Finder) Err() error { return f.chosen }

// Glyph returns the outline of r, or nil if no font has it.
func (f *Finder) Glyph(r rune) *Glyph {
	f.mu.Lock()
	defer f.mu.Unlock()
	g, known := f.glyphs[r]
	if !known {
		g = f.find(r)
		f.glyphs[r] = g
	}
	return g
}

func (f *Finder) find(r rune) *Glyph {
	for i := 0; ; i++ {
		for i == len(f.fonts) {
			if len(f.next) == 0 {
				return nil
			}
			open := f.next[0]
			f.next = f.next[1:]
			f.fonts = append(f.fonts, open()...)
		}
		if g := f.fonts[i].Glyph(r); g != nil {
			return g
		}
	}
}
