package figure

import (
	"bytes"
	"errors"
	"image/png"
	"math"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestClassNames(t *testing.T) {
	got := ClassNames([]string{"cat", "naïve", "犬", "گربه\u200cها", "Ωμέγα", "кот", "แมว", "고양이", "\u1100\u1161", "ねこ", "שלום"})
	want := []string{"cat", "naïve", "犬", "3", "Ωμέγα", "кот", "6", "고양이", "\u1100\u1161", "ねこ", "10"}
	if !slices.Equal(got, want) {
		t.Errorf("figures write %q, want %q", got, want)
	}
}

func TestCheckText(t *testing.T) {
	for text, want := range map[string]GlyphError{
		"猫 แมว":        {Char: 'แ', Script: "Thai", Unsupported: true},
		"قط":           {Char: 'ق', Script: "Arabic", Unsupported: true},
		"x\u1160":      {Char: '\u1160', Script: "Hangul", Unsupported: true},
		"猫\U000e0fff":  {Char: '\U000e0fff'}, // no character
		"\U0010fffd 猫": {Char: '\U0010fffd'}, // for private use
	} {
		want.Text = text
		var got *GlyphError
		if err := CheckText(text); !errors.As(err, &got) || *got != want {
			t.Errorf("%q: %#v, want %#v", text, got, want)
		}
	}
	for _, text := range []string{"", "ResNet-20，准确率 84.0%", "損失関数", "손실 함수", "日\u200b本"} {
		if err := CheckText(text); err != nil {
			t.Error(err)
		}
	}
}

// typeset draws a text on a page of 200 by 100 CSS pixels with its baseline at (40, 60), and
// returns the place of the ink in CSS pixels, and how much there is.
func typeset(t *testing.T, s string, l lettering) (where rect, amount float64) {
	t.Helper()
	f := &Figure{width: 200, height: 100}
	f.draw = func(c *canvas) { c.text(s, point{40, 60}, l) }
	var file bytes.Buffer
	if err := f.Encode(&file, "png"); err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&file)
	if err != nil {
		t.Fatal(err)
	}
	where = rect{200, 100, 0, 0}
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			if red, _, _, _ := img.At(x, y).RGBA(); red < 0xc000 {
				where.x0, where.x1 = min(where.x0, float64(x)/2), max(where.x1, float64(x+1)/2)
				where.y0, where.y1 = min(where.y0, float64(y)/2), max(where.y1, float64(y+1)/2)
				amount += 1 - float64(red)/0xffff
			}
		}
	}
	return where, amount
}

func TestChineseInPNG(t *testing.T) {
	regular := lettering{size: 20, colour: ink}
	const tolerance = 3 // the characters have margins
	near := func(a, b rect) bool {
		return max(a.x0-b.x0, b.x0-a.x0, a.y0-b.y0, b.y0-a.y0, a.x1-b.x1, b.x1-a.x1, a.y1-b.y1, b.y1-a.y1) < tolerance
	}
	place, light := typeset(t, "国国", regular)
	if want := (rect{41, 43, 79, 61}); !near(place, want) {
		t.Errorf("two characters are at %+v, want about %+v", place, want)
	}
	bold := regular
	bold.bold = true
	if place, heavy := typeset(t, "国国", bold); heavy < 1.2*light || !near(place, rect{41, 43, 79, 61}) {
		t.Errorf("bold characters at %+v have %.0f dots of ink, regular ones %.0f", place, heavy, light)
	}
	turned := regular
	turned.turned, turned.align = true, 1
	if place, _ := typeset(t, "国国", turned); !near(place, rect{23, 61, 41, 99}) {
		t.Errorf("turned characters that end at the baseline's start are at %+v", place)
	}
	if place, _ := typeset(t, "I国I", regular); !near(place, rect{42, 43, 70, 61}) {
		t.Errorf("a character between letters: ink at %+v", place)
	}
	// Blank text would look as if nothing had been left out.
	if place, _ := typeset(t, "แมว", regular); place.width() < 20 || place.height() < 10 {
		t.Errorf("boxes for what cannot be written are at %+v", place)
	}
	if got, want := regular.width("“国”…"), 4*20.0; got != want {
		t.Errorf("in Chinese, quotes and dots are as wide as characters; width %g, want %g", got, want)
	}
	if got, want := regular.width("“x”…"), 4*20.0; got >= want*0.8 {
		t.Errorf("quotes around Latin letters are %g wide", got)
	}
}

func TestChineseInSVG(t *testing.T) {
	f, err := Curves("退化 <问题>", "训练轮数", "loss", []Curve{{Name: "plain20", Y: []float64{1, 2}}, {Name: "قط", Y: []float64{1, 2}}})
	if err != nil {
		t.Fatal(err)
	}
	var file strings.Builder
	if err := f.Encode(&file, "svg"); err != nil {
		t.Fatal(err)
	}
	chinese, latin := 0, 0
	for _, line := range strings.Split(file.String(), "\n") {
		switch {
		case strings.Contains(line, ">退化 &lt;问题&gt;</text>"), strings.Contains(line, ">训练轮数</text>"), strings.Contains(line, ">قط</text>"):
			chinese++
			if !strings.Contains(line, "font-family:'Liberation Sans',Arial,Helvetica,'Noto Sans CJK SC',") {
				t.Errorf("the fonts of %s", line)
			}
		case strings.Contains(line, "</text>"):
			latin++
			if !strings.Contains(line, "font-family:'Liberation Sans',Arial,Helvetica,sans-serif;") {
				t.Errorf("the fonts of %s", line)
			}
		}
	}
	if chinese != 3 || latin == 0 {
		t.Errorf("%d texts in other scripts and %d in Latin letters, want 3 and some", chinese, latin)
	}
}

func TestWrapChinese(t *testing.T) {
	l := lettering{size: 16}
	const text = "更深的“普通网络”反而更差，残差网络则不会；ResNet-110 比 plain-110 好得多。损失（交叉熵）一直在下降。"
	for width := 100.0; width < 300; width += 7 {
		lines := l.wrap(text, width)
		for _, line := range lines {
			if l.width(line) > width || strings.Contains("，；。）”", string([]rune(line)[:1])) || strings.HasSuffix(line, "（") {
				t.Errorf("%g wide: a line is %q", width, line)
			}
		}
		if got := strings.Join(lines, ""); strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(text, " ", "") {
			t.Errorf("%g wide: the lines make %q", width, got)
		}
	}
	if got := l.wrap("用 ResNet-20 训练", 1000); len(got) != 1 || got[0] != "用 ResNet-20 训练" {
		t.Errorf("one line became %q", got)
	}
}

// The variable is read once in a process, so each case has its own.
func TestFontVariable(t *testing.T) {
	const child = "RESIDUAL_TEST_FONT_CHILD"
	if os.Getenv(child) != "" {
		if err := CheckFont(); err != nil {
			os.Stdout.WriteString("error: " + err.Error())
			err := (&Figure{width: 9, height: 9, draw: func(*canvas) {}}).Encode(&bytes.Buffer{}, "png")
			if err == nil || !strings.HasPrefix(err.Error(), "encode figure: "+FontVariable) {
				t.Errorf("a figure without the font: error %v", err)
			}
		} else if err := CheckText("ꀀ猫"); err != nil {
			t.Error(err)
		} else if width := (lettering{size: 10}).width("ꀀ"); width != 9 {
			t.Errorf("ꀀ is %g wide, want 9", width)
		}
		return
	}
	for path, want := range map[string]string{
		"internal/outline/testdata/two.ttc": "PASS",
		"none.ttf":                          "error: RESIDUAL_FONT: ",
		"figure.go":                         "error: RESIDUAL_FONT: figure.go cannot be read as a font: ",
	} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestFontVariable$")
		cmd.Env = append(os.Environ(), child+"=1", FontVariable+"="+path)
		if out, err := cmd.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), want) {
			t.Errorf("%s: %v, %s; want %q", path, err, out, want)
		}
	}
}

// Every figure gives its own words to the function of Translate, and draws what it returns.
func TestTranslate(t *testing.T) {
	marked := Translate(func(english string) string { return "译" + english })
	run := []Run{{Name: "a", Train: []float64{1, 2}, Test: []float64{1, 2}}}
	tile := Tile{Pixels: make([]byte, 3), Height: 1, Width: 1, Caption: "a", Wrong: true}
	for name, draw := range map[string]func() (*Figure, error){
		"confusion":       func() (*Figure, error) { return Confusion("", []string{"a", "b"}, [][]int{{1, 0}, {0, 1}}, marked) },
		"empty confusion": func() (*Figure, error) { return Confusion("", []string{"a", "b"}, [][]int{{0, 0}, {0, 0}}, marked) },
		"images":          func() (*Figure, error) { return ImageGrid("", 1, []Tile{tile}, marked) },
		"plain":           func() (*Figure, error) { return PlainVsResidual("", "", "", run, run, marked) },
		"schedule": func() (*Figure, error) {
			return Schedule("", "", []Curve{{Y: []float64{1, 2}}, {Name: "b", Y: []float64{math.NaN()}}}, marked)
		},
		"gradients": func() (*Figure, error) {
			return GradientNorms("", []string{"a", "b"}, []Curve{{Y: []float64{1, 2}}}, marked)
		},
		"modules": func() (*Figure, error) {
			layer := DiagramLayer{Kind: "a", Label: "a"}
			return Modules("", []Module{{Branches: [][]DiagramLayer{{layer}, {}}}, {Branches: [][]DiagramLayer{{layer}, {layer}}, Concatenate: true}}, marked)
		},
	} {
		f, err := draw()
		var file strings.Builder
		if err == nil {
			err = f.Encode(&file, "svg")
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		own := 0
		for _, text := range regexp.MustCompile(`>([^<]*[a-z]{3}[^<]*)</text>`).FindAllStringSubmatch(file.String(), -1) {
			if own++; !strings.Contains(text[1], "译") {
				t.Errorf("%s: %q is not translated", name, text[1])
			}
		}
		if own == 0 {
			t.Errorf("%s: no words", name)
		}
	}
}
