package outline

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/residual-go/residual/pkg/figure/internal/cjk"
)

// yi is a letter that only the fonts in testdata have; tests/reference/broken_fonts.py makes
// them.
const yi = '\ua000'

func TestBundledFont(t *testing.T) {
	raw, err := cjk.Font()
	if err != nil {
		t.Fatal(err)
	}
	font, err := Read(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range "一鼬残差网络训练轮数准确率，。？！（）“”、猫犬馬駅いヌ개고양이" {
		g := font.Glyph(r)
		if g == nil {
			t.Errorf("no %c", r)
		} else if len(g.Path) == 0 || g.Advance < 0.8 || g.Advance > 1 {
			t.Errorf("%c: %d segments, %g wide", r, len(g.Path), g.Advance)
		}
	}
	if g := font.Glyph('\u3000'); g == nil || len(g.Path) != 0 || g.Advance != 1 {
		t.Errorf("the wide space is %+v, want it empty and 1 wide", g)
	}
	if font.Glyph(yi) != nil {
		t.Error("a letter of Yi")
	}
}

// A font may be made so that drawing one letter takes years, or gigabytes.
func TestHostileFonts(t *testing.T) {
	for name, usable := range map[string]bool{
		"good.ttf":        true,
		"kerning.ttf":     true,  // its kerning, which is not used, makes package sfnt panic
		"compound.ttf":    false, // 8 parts of 8 parts of …
		"subroutines.otf": false, // 100 calls of 100 calls of …
		"far.ttf":         false, // 2000 times as large as the type
		"wide.ttf":        false, // 2000 times as wide
	} {
		start := time.Now()
		font, err := Open(filepath.Join("testdata", name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if g := font.Glyph(yi); (g != nil) != usable {
			t.Errorf("%s: the letter is %+v; want usable %t", name, g, usable)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s took %v", name, took)
		}
	}
}

// Fonts with wrong bytes, or cut short, may lack letters. They must not panic.
func TestDamagedFonts(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"good.ttf", "two.ttc", "compound.ttf", "subroutines.otf"} {
		whole, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		for range 500 {
			damaged := slices.Clone(whole)
			for range 1 + random.IntN(4) {
				damaged[random.IntN(len(damaged))] = byte(random.IntN(256))
			}
			if random.IntN(4) == 0 {
				damaged = damaged[:random.IntN(len(damaged))]
			}
			if font, err := Read(bytes.NewReader(damaged)); err == nil {
				font.Glyph(yi)
			}
		}
	}
}

// The tables of WenQuanYi's fonts begin anywhere, not only at multiples of four.
func TestUnalignedTables(t *testing.T) {
	good, err := os.ReadFile("testdata/good.ttf")
	if err != nil {
		t.Fatal(err)
	}
	tables := 12 + 16*int(binary.BigEndian.Uint16(good[4:]))
	for past := range uint32(4) {
		moved := slices.Concat(good[:tables], make([]byte, past), good[tables:])
		for offset := 12 + 8; offset < tables; offset += 16 {
			binary.BigEndian.PutUint32(moved[offset:], binary.BigEndian.Uint32(moved[offset:])+past)
		}
		font, err := Read(bytes.NewReader(moved))
		if err != nil {
			t.Errorf("%d bytes past: %v", past, err)
		} else if g := font.Glyph(yi); g == nil || g.Advance != 0.8 || len(g.Path) != 6 {
			t.Errorf("%d bytes past: the letter is %+v", past, g)
		}
	}
}

func TestCollectionTakesChinese(t *testing.T) {
	font, err := Open("testdata/two.ttc")
	if err != nil {
		t.Fatal(err)
	}
	if g := font.Glyph(yi); g == nil || g.Advance != 0.9 { // 0.8 in the Japanese font
		t.Errorf("got %+v, want the letter of the second font", g)
	}
}

func TestFinder(t *testing.T) {
	good, err := os.ReadFile("testdata/good.ttf")
	if err != nil {
		t.Fatal(err)
	}
	system := t.TempDir()
	deep := filepath.Join(system, "truetype", "some")
	if err := os.MkdirAll(deep, 0o777); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"NOTOSANSCJK-REGULAR.TTC": []byte("not a font"), // passed over
		"wqy-zenhei.ttc":          good,
		"other.ttf":               good,
	} {
		if err := os.WriteFile(filepath.Join(deep, name), content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	missing := filepath.Join(system, "none")

	f := NewFinder("", []string{missing, system})
	if f.Glyph(yi) == nil || f.Glyph('猫') == nil {
		t.Error("a letter of the system's font, or one of the bundled font, was not found")
	}
	if f.Glyph('\ua001') != nil {
		t.Error("found a letter that no font has")
	}

	if NewFinder("", []string{missing}).Glyph(yi) != nil {
		t.Error("found a letter without a font")
	}

	f = NewFinder("testdata/two.ttc", []string{system})
	if g := f.Glyph(yi); f.Err() != nil || g == nil || g.Advance != 0.9 {
		t.Errorf("%v; got %+v, want the letter of the named font", f.Err(), g)
	}
	if f.Glyph('猫') == nil {
		t.Error("what the named font lacks must come from the bundled font")
	}

	if err := NewFinder(missing, nil).Err(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a font that does not exist: error %v", err)
	}
	for path, want := range map[string]string{
		system: "not a regular file",
		filepath.Join(deep, "NOTOSANSCJK-REGULAR.TTC"): "NOTOSANSCJK-REGULAR.TTC cannot be read as a font",
	} {
		f := NewFinder(path, nil)
		if f.Err() == nil || !strings.Contains(f.Err().Error(), want) {
			t.Errorf("%s: error %v, want %q", path, f.Err(), want)
		}
		if f.Glyph('猫') == nil {
			t.Errorf("%s: the bundled font must still work", path)
		}
	}
}

func TestSystemFolders(t *testing.T) {
	folders := Folders()
	if len(folders) < 2 || slices.ContainsFunc(folders, func(f string) bool { return !filepath.IsAbs(f) }) {
		t.Errorf("got %q, want at least two absolute paths", folders)
	}
	for _, path := range wellKnown(folders) {
		font, err := Open(path)
		if err != nil {
			t.Logf("%s: %v", path, err) // another will do
		} else if strings.Contains(path, "NotoSansCJK-Regular") && font.Glyph('龘') == nil {
			t.Errorf("%s: no 龘", path)
		}
	}
}
