package figure

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"
)

// TestTranslated: every text of a figure of any kind can be translated, and back.
func TestTranslated(t *testing.T) {
	same := func(text string) string { return text }
	letter := regexp.MustCompile(`%[.\d]*[a-z]|[a-z]`)
	cyrillic := func(text string) string {
		if text == "" {
			t.Error("an empty text is to be translated")
		}
		return letter.ReplaceAllStringFunc(text, func(s string) string {
			if len(s) > 1 {
				return s // a verb
			}
			return "ж"
		})
	}
	for name, s := range samples(t) {
		translated, err := s.figure.Translated(cyrillic)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		texts, _ := parseSVG(t, encode(t, translated, "svg"))
		if !strings.Contains(strings.Join(texts, ""), "ж") {
			t.Errorf("%s: no word is translated", name)
		}
		for _, text := range texts {
			if latin.MatchString(text) {
				t.Errorf("%s: %q is not translated", name, text)
			}
		}
		back, err := translated.Translated(same)
		if err != nil || !bytes.Equal(encode(t, back, "svg"), encode(t, s.figure, "svg")) {
			t.Errorf("%s: translated back it is another figure (%v)", name, err)
		}
	}
	if _, err := new(Figure).Translated(same); err == nil {
		t.Error("no error for an empty figure")
	}
}

// latin matches a word. Numbers may end in k.
var latin = regexp.MustCompile(`[a-z]{2}`)

// TestTranslatedKeepsTheData: what happens to the data later does not change the figure.
func TestTranslatedKeepsTheData(t *testing.T) {
	same := func(text string) string { return text }
	curves := []Curve{{Name: "a", X: []float64{1, 2}, Y: []float64{1, 2}}}
	runs := []Run{{Name: "a", X: []float64{1, 2}, Train: []float64{1, 2}, Test: []float64{1, 2}}}
	bars := []Bar{{Name: "a", Value: 1}}
	counts := [][]int{{1}}
	plane := discs(Style{})
	surface := bowl(5)
	tiles := []Tile{tile(2, 2)}
	layers, links := network(1, 2)
	modules := []Module{{Branches: [][]DiagramLayer{{{Kind: "a"}}}}}
	names := []string{"a", "b"}
	figures := map[string]*Figure{}
	add := func(name string, f *Figure, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		figures[name] = f
	}
	draw := func(add func(name string, f *Figure, err error)) {
		f, err := Curves("", "", "", curves)
		add("curves", f, err)
		f, err = PlainVsResidual("", "", "", runs, runs)
		add("plain", f, err)
		f, err = GradientNorms("", names, curves)
		add("gradients", f, err)
		f, err = Bars("", "", bars)
		add("bars", f, err)
		f, err = Confusion("", names[:1], counts)
		add("confusion", f, err)
		f, err = Regions("", []RegionPanel{plane})
		add("regions", f, err)
		f, err = Contours("", []Surface{surface})
		add("contours", f, err)
		f, err = ImageGrid("", 1, tiles)
		add("images", f, err)
		f, err = Diagram("", layers, links)
		add("diagram", f, err)
		f, err = Modules("", modules)
		add("modules", f, err)
	}
	draw(add)
	curves[0].Y[1], runs[0].Test[0], bars[0].Value, counts[0][0], names[0] = 9, 9, 9, 9, "changed"
	plane.Regions[0].Mask[40][40], plane.Point.X, surface.Z[2][2], tiles[0].Pixels[0] = true, 1, 99, 200
	layers[0].Label, links[0].Projection, modules[0].Branches[0][0].Kind = "changed", true, "changed"
	changed := 0
	draw(func(name string, f *Figure, err error) {
		before := figures[name]
		again, errAgain := before.Translated(same)
		if err := errors.Join(err, errAgain); err != nil {
			t.Fatal(err)
		}
		want := encode(t, before, "svg")
		if !bytes.Equal(encode(t, again, "svg"), want) {
			t.Errorf("%s: the figure changed with its data", name)
		}
		if !bytes.Equal(encode(t, f, "svg"), want) {
			changed++
		}
	})
	if changed != len(figures) {
		t.Errorf("only %d of %d figures are of changed data", changed, len(figures))
	}
}
