package figure

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// falling returns n values of an error that falls from high to low.
func falling(n int, high, low float64) []float64 {
	y := make([]float64, n)
	for i := range y {
		y[i] = low + (high-low)*math.Exp(-5*float64(i)/float64(n)) + 0.02*math.Sin(float64(7*i))
	}
	return y
}

func tile(height, width int) Tile {
	t := Tile{Pixels: make([]byte, height*width*3), Height: height, Width: width, Caption: "cat\n→ dog"}
	for i := range t.Pixels {
		t.Pixels[i] = byte(37 * i)
	}
	return t
}

// removed returns bars of two networks, with a value for each of n blocks.
func removed(n int) []Bar {
	var bars []Bar
	for i := range n {
		name := fmt.Sprintf("layer%d.%d", 1+i/9, i%9)
		bars = append(bars,
			Bar{Name: name, Group: "residual", Value: 0.905 - 0.01*float64(i%5)},
			Bar{Name: name, Group: "plain", Value: 0.1})
	}
	return bars
}

// discs returns a panel with a ring, a disc inside the ring and a point beside them.
func discs(style Style) RegionPanel {
	mask := func(inner, outer float64) [][]bool {
		m := make([][]bool, 80)
		for iy := range m {
			m[iy] = make([]bool, 100)
			for ix := range m[iy] {
				r := math.Hypot(float64(ix)-49.5, float64(iy)-39.5) / 20
				m[iy][ix] = r >= inner && r <= outer
			}
		}
		return m
	}
	return RegionPanel{
		Title: "Discs", XLabel: "x", YLabel: "y", X0: -2.5, X1: 2.5, Y0: -2, Y1: 2,
		Regions: []Region{{Name: "large", Mask: mask(1, 1.5), Distance: true}, {Name: "small", Mask: mask(0, 0.5), Style: style, Distance: true}},
		Point:   &Point{X: 2, Y: 0, Name: "target"},
	}
}

// bowl returns a surface of n×n heights, one of which, in a corner, is infinite.
func bowl(n int) Surface {
	s := Surface{Title: "bowl", Z: field(n, func(x, y float64) float64 { return 0.05 + 30*x*x*(1+y) + 5*y*y })}
	for i := range n {
		s.X = append(s.X, 2*float64(i)/float64(n-1)-1)
	}
	s.Y = slices.Clone(s.X)
	s.Z[0][0] = math.Inf(1)
	return s
}

// network returns the layers and links of a residual network of three stages.
func network(blocks, convolutions int) (layers []DiagramLayer, links []Link) {
	layers = append(layers, DiagramLayer{Kind: "convolution", Label: "7×7, 64", Size: "112×112×64"}, DiagramLayer{Kind: "pool", Label: "max pool", Size: "56×56×64"})
	for stage := range 3 {
		for block := range blocks {
			from := len(layers)
			for range convolutions {
				layers = append(layers, DiagramLayer{
					Kind:  "convolution",
					Label: fmt.Sprintf("3×3, %d", 64<<stage),
					Size:  fmt.Sprintf("%d×%d×%d", 56>>stage, 56>>stage, 64<<stage),
					Group: fmt.Sprint("stage", stage+1),
				})
			}
			links = append(links, Link{From: from, To: len(layers) - 1, Projection: stage > 0 && block == 0})
		}
	}
	return append(layers, DiagramLayer{Kind: "linear", Label: "linear, 1000", Size: "1000"}), links
}

// samples returns figures of every kind, each with a text that it must contain.
func samples(t *testing.T) map[string]struct {
	figure *Figure
	text   string
} {
	t.Helper()
	type sample = struct {
		figure *Figure
		text   string
	}
	must := func(f *Figure, err error) *Figure {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	runs := func(kind string) []Run {
		return []Run{
			{Name: kind + "-20", Train: falling(30, 0.8, 0.1), Test: falling(30, 0.9, 0.2)},
			{Name: kind + "-56", Train: falling(30, 0.8, 0.2), Test: falling(30, 0.9, 0.3), Tested: "held-out"},
		}
	}
	layers := make([]string, 56)
	for i := range layers {
		layers[i] = fmt.Sprintf("stage.block.conv%d", i)
	}
	shallow, links := network(2, 2)
	deep, deepLinks := network(8, 3)
	hundred, counts := make([]string, 100), make([][]int, 100)
	for i := range hundred {
		hundred[i] = fmt.Sprint("class ", i)
		counts[i] = make([]int, 100)
		counts[i][i], counts[i][(i*7)%100] = 90, 10
	}
	wrong := tile(32, 32)
	wrong.Wrong = true
	smooth := Curve{Name: "a & b <c>", Y: falling(5000, 2.3, 0.1), Smooth: 101}
	return map[string]sample{
		"curves":    {must(Curves("Loss", "step", "loss (nats)", []Curve{smooth}, LogY(), Caption("data: none"))), "a & b <c>"},
		"log x":     {must(Curves("Images", "images per class", "accuracy", []Curve{{Name: "a", X: []float64{0, 5, 50, 500}, Y: []float64{0, 0.2, 0.4, 0.8}, Style: Style{Marker: true}}}, LogX())), "200"},
		"plain":     {must(PlainVsResidual("Depth", "epoch", "error", runs("plain"), runs("ResNet"), Percent(), YRange(0, 1))), "Residual networks"},
		"gradients": {must(GradientNorms("Gradients", layers, []Curve{{Name: "plain", Y: falling(56, 1, 0.03)}})), "norm of the gradient"},
		"confusion": {must(Confusion("Two", []string{"cat", "dog"}, [][]int{{7, 3}, {0, 0}})), "7 of 10 samples correct (70.0%)"},
		"rounded":   {must(Confusion("Two", []string{"cat", "dog"}, [][]int{{1000, 0}, {809, 191}})), "1,191 of 2,000 samples correct (59.6%)"},
		"hundred":   {must(Confusion("Hundred", hundred, counts)), "predicted class"},
		"images":    {must(ImageGrid("Images", 4, []Tile{tile(32, 32), wrong, tile(300, 200)})), "1 of 3 wrong: framed, with a cross"},
		"bars":      {must(Bars("Winners", "top-5 error in %", []Bar{{Name: "AlexNet", Value: 16.4, Note: "2012"}, {Name: "VGG", Value: 7.3}, {Name: "ResNet", Value: 3.57, Note: "2015 · 152 layers"}})), "3.57"},
		"removed":   {must(Bars("Removed", "accuracy", removed(27), Percent(), YRange(0, 1))), "90.5%"},
		"ratios": {must(Bars("Ratios", "over ours", []Bar{
			{Name: "a", Group: "training", Value: 1.7, Low: 1.5, High: 1.8}, {Name: "a", Group: "inference", Value: 0.9, Low: 0.8, High: 1.2},
		}, Reference(1, "ours"))), "ours"},
		"regions":  {must(Regions("Classes", []RegionPanel{discs(Style{}), discs(Style{Color: 1, Dash: Dotted})})), "large, distance 0.5"},
		"contours": {must(Contours("Loss", []Surface{bowl(21), bowl(9)}, LogZ(), AxisLabels("first", "second", "training loss"))), "training loss"},
		"heights":  {must(Contours("Loss", []Surface{bowl(21)})), "20"},
		"diagram":  {must(Diagram("Shallow", shallow, links, Caption("a caption"))), "projection shortcut"},
		"modules": {must(Modules("Modules", []Module{
			{Title: "joined", Input: "7×7×8", Output: "7×7×6", Concatenate: true, Branches: [][]DiagramLayer{
				{{Kind: "convolution", Label: "1×1, 4"}}, {{Kind: "pool", Label: "pool"}, {Kind: "convolution", Label: "1×1, 2"}}}},
			{Title: "block", Input: "7×7×8", Output: "7×7×8", Branches: [][]DiagramLayer{{{Kind: "convolution", Label: "3×3, 8"}}, nil}},
		})), "identity"},
		"deep":     {must(Diagram("Deep", deep, deepLinks)), "stage3"},
		"schedule": {must(Schedule("Rates", "epoch", []Curve{{Name: "step", Y: []float64{0.1, 0.1, 0.01, 0.01}}})), "learning rate"},
	}
}

func encode(t *testing.T, f *Figure, format string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := f.Encode(&b, format); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPNG(t *testing.T) {
	again := samples(t)
	for name, s := range samples(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := encode(t, s.figure, "png")
			img, err := png.Decode(bytes.NewReader(first))
			if err != nil {
				t.Fatal(err)
			}
			width, height := s.figure.Size()
			if got := img.Bounds().Size(); got != image.Pt(2*width, 2*height) {
				t.Errorf("%v pixels for a figure of size %d×%d, want twice as many in each direction", got, width, height)
			}
			pixels, ok := img.(*image.RGBA) // what an opaque PNG decodes to
			if !ok {
				t.Fatalf("decoded as %T, want an opaque image", img)
			}
			colours := map[[3]byte]bool{}
			for i := 0; i < len(pixels.Pix); i += 4 * 11 { // every eleventh pixel is enough
				colours[[3]byte(pixels.Pix[i:])] = true
			}
			if len(colours) < 20 {
				t.Errorf("%d colours, so the figure is almost blank", len(colours))
			}
			// One chart, one matrix and one grid will do: TestSVG compares all of them, faster.
			if name != "schedule" && name != "confusion" && name != "images" {
				return
			}
			if !bytes.Equal(first, encode(t, again[name].figure, "png")) {
				t.Error("equal input gives different bytes")
			}
		})
	}
}

// embedded matches the images in an SVG, whose bytes may spell anything.
var embedded = regexp.MustCompile(`base64,[^"]*`)

func TestSVG(t *testing.T) {
	again := samples(t)
	for name, s := range samples(t) {
		first := encode(t, s.figure, "svg")
		texts, attributes := parseSVG(t, first)
		if !slices.Contains(texts, s.text) {
			t.Errorf("%s: no text %q among %q", name, s.text, texts)
		}
		width, height := s.figure.Size()
		if want := fmt.Sprintf("%gpt", 0.75*float64(width)); attributes["width"] != want {
			t.Errorf("%s: width %q, want %q", name, attributes["width"], want)
		}
		if got, err := strconv.ParseFloat(strings.TrimSuffix(attributes["height"], "pt"), 64); err != nil || math.Abs(got-0.75*float64(height)) > 0.01 {
			t.Errorf("%s: height %q for %d pixels", name, attributes["height"], height)
		}
		if !bytes.Equal(first, encode(t, again[name].figure, "svg")) {
			t.Errorf("%s: equal input gives different bytes", name)
		}
		drawing := embedded.ReplaceAll(first, nil)
		if bytes.Contains(drawing, []byte("NaN")) || bytes.Contains(drawing, []byte("Inf")) {
			t.Errorf("%s: a coordinate is NaN or infinite", name)
		}
		if images := bytes.Count(first, []byte("<image")); bytes.Count(first, []byte(`preserveAspectRatio="none"`)) != images {
			t.Errorf("%s: not all of the %d images fill their area", name, images)
		}
		if bytes.Contains(first, []byte("image/jpg")) || bytes.Contains(first, []byte("family:Liberation")) {
			t.Errorf("%s: vgsvg's media type or font name is not repaired", name)
		}
	}
}

// parseSVG returns the texts of an SVG and the attributes of its root.
func parseSVG(t *testing.T, content []byte) (texts []string, root map[string]string) {
	t.Helper()
	decoder := xml.NewDecoder(bytes.NewReader(content))
	inside := false
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return texts, root
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			inside = token.Name.Local == "text"
			if token.Name.Local == "svg" {
				root = map[string]string{}
				for _, a := range token.Attr {
					root[a.Name.Local] = a.Value
				}
			}
		case xml.EndElement:
			inside = false
		case xml.CharData:
			if inside {
				texts = append(texts, string(token))
			}
		}
	}
}

func TestSave(t *testing.T) {
	f, err := Curves("t", "x", "y", []Curve{{Name: "a", Y: []float64{1, 2}}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	first, second := filepath.Join(dir, "a.png"), filepath.Join(dir, "a.SVG")
	if err := f.Save(first, second); err != nil {
		t.Fatal(err)
	}
	for path, format := range map[string]string{first: "png", second: "svg"} {
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, encode(t, f, format)) {
			t.Errorf("%s does not contain the figure as %s (%v)", filepath.Base(path), format, err)
		}
	}
}

func TestFailedSaveWritesNothing(t *testing.T) {
	f, err := Curves("t", "x", "y", []Curve{{Y: []float64{1, 2}}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, bad := range []string{"a.pdf", "a", "a.jpg"} {
		err := f.Save(filepath.Join(dir, "good.png"), filepath.Join(dir, bad))
		if err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("save as %s: got error %v, want one that names the file", bad, err)
		}
	}
	if err := f.Save(filepath.Join(dir, "missing", "a.svg")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("save into a missing folder: got error %v", err)
	}
	// Nobody, not even root, can replace a folder that has content with a file.
	taken := filepath.Join(dir, "taken.svg")
	if err := os.MkdirAll(filepath.Join(taken, "full"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := f.Save(taken); err == nil {
		t.Error("a figure replaced a folder")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("failed saves left %d entries (%v), want only the folder", len(entries), err)
	}
}

func TestEncodeErrors(t *testing.T) {
	f, err := Curves("t", "x", "y", []Curve{{Y: []float64{1, 2}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Encode(io.Discard, "gif"); err == nil {
		t.Error("no error for a GIF")
	}
	if err := new(Figure).Encode(io.Discard, "png"); err == nil {
		t.Error("no error for an empty figure")
	}
	for _, format := range []string{"png", "svg"} {
		if err := f.Encode(brokenWriter{}, format); !errors.Is(err, errBroken) {
			t.Errorf("%s into a broken writer: got error %v", format, err)
		}
	}
}

var errBroken = errors.New("broken")

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestBadInput(t *testing.T) {
	good := []Curve{{Name: "a", Y: []float64{1, 2}}}
	nan, inf := math.NaN(), math.Inf(1)
	one := func(c Curve, opts ...Option) error {
		_, err := Curves("t", "x", "y", []Curve{c}, opts...)
		return err
	}
	second := func(_ *Figure, err error) error { return err }
	region := func(spoil func(*RegionPanel)) error {
		p := discs(Style{})
		spoil(&p)
		return second(Regions("t", []RegionPanel{p}))
	}
	surface := func(spoil func(*Surface), opts ...Option) error {
		s := bowl(9)
		spoil(&s)
		return second(Contours("t", []Surface{s}, opts...))
	}
	huge := tile(2, 2)
	huge.Height, huge.Width = 1<<62, 1<<62
	for name, err := range map[string]error{
		"no curves":           second(Curves("t", "x", "y", nil)),
		"no points":           one(Curve{}),
		"lengths":             one(Curve{X: []float64{1}, Y: []float64{1, 2}}),
		"x is NaN":            one(Curve{X: []float64{nan}, Y: []float64{1}}),
		"x is infinite":       one(Curve{X: []float64{inf}, Y: []float64{1}}),
		"only gaps":           one(Curve{Y: []float64{nan, inf, -inf}}),
		"log of nothing":      one(Curve{Y: []float64{0, -1}}, LogY()),
		"log of no x":         one(Curve{X: []float64{-1, 0}, Y: []float64{1, 2}}, LogX()),
		"range upside down":   one(good[0], YRange(2, 1)),
		"range of NaN":        one(good[0], YRange(nan, 1)),
		"log range from 0":    one(good[0], YRange(0, 1), LogY()),
		"style":               one(Curve{Y: []float64{1}, Style: Style{Color: -1}}),
		"too many depths":     second(PlainVsResidual("t", "x", "y", make([]Run, 4), make([]Run, 1))),
		"family":              one(Curve{Y: []float64{1}, Style: NetworkStyle(2, Deep)}),
		"depth":               one(Curve{Y: []float64{1}, Style: NetworkStyle(Plain, 3)}),
		"no modules":          second(Modules("t", nil)),
		"no branches":         second(Modules("t", []Module{{Title: "empty"}})),
		"too many branches":   second(Modules("t", []Module{{Branches: make([][]DiagramLayer, 16)}})),
		"no residual":         second(PlainVsResidual("t", "x", "y", []Run{{Test: []float64{1}}}, nil)),
		"run lengths":         second(PlainVsResidual("t", "x", "y", []Run{{X: []float64{1}, Test: []float64{1, 2}}}, []Run{{Test: []float64{1}}})),
		"no layers":           second(GradientNorms("t", nil, good)),
		"too few norms":       second(GradientNorms("t", []string{"a", "b", "c"}, good)),
		"layer 0":             second(GradientNorms("t", []string{"a", "b"}, []Curve{{X: []float64{0, 1}, Y: []float64{1, 2}}})),
		"no bars":             second(Bars("t", "y", nil)),
		"bars of nothing":     second(Bars("t", "y", []Bar{{Name: "a", Value: nan}})),
		"two bars in a place": second(Bars("t", "y", []Bar{{Name: "a", Group: "b"}, {Name: "a", Group: "b", Value: 1}})),
		"style of a bar":      second(Bars("t", "y", []Bar{{Name: "a", Style: Style{Dash: 9}}})),
		"reference of NaN":    second(Bars("t", "y", []Bar{{Name: "a", Value: 1}}, Reference(nan, "b"))),
		"no panels":           second(Regions("t", nil)),
		"no span":             region(func(p *RegionPanel) { p.X1 = p.X0 }),
		"span of NaN":         region(func(p *RegionPanel) { p.Y0 = nan }),
		"no mask":             region(func(p *RegionPanel) { p.Regions[0].Mask = nil }),
		"ragged mask":         region(func(p *RegionPanel) { p.Regions[0].Mask[3] = nil }),
		"style of a region":   region(func(p *RegionPanel) { p.Regions[0].Style.Color = -1 }),
		"point at infinity":   region(func(p *RegionPanel) { p.Point.X = inf }),
		"no surfaces":         second(Contours("t", nil)),
		"one x":               surface(func(s *Surface) { s.X = s.X[:1] }),
		"falling y":           surface(func(s *Surface) { s.Y[2] = s.Y[1] }),
		"rows of heights":     surface(func(s *Surface) { s.Z = s.Z[1:] }),
		"ragged heights":      surface(func(s *Surface) { s.Z[2] = s.Z[2][1:] }),
		"no height":           surface(func(s *Surface) { s.Z = field(9, func(_, _ float64) float64 { return nan }) }),
		"log of no height":    surface(func(s *Surface) { s.Z = field(9, func(_, _ float64) float64 { return -1 }) }, LogZ()),
		"no boxes":            second(Diagram("t", nil, nil)),
		"link from before":    second(Diagram("t", make([]DiagramLayer, 3), []Link{{From: -1, To: 1}})),
		"link to beyond":      second(Diagram("t", make([]DiagramLayer, 3), []Link{{From: 1, To: 3}})),
		"link backwards":      second(Diagram("t", make([]DiagramLayer, 3), []Link{{From: 2, To: 1}})),
		"schedule of nothing": second(Schedule("t", "x", nil)),
		"no classes":          second(Confusion("t", nil, nil)),
		"rows":                second(Confusion("t", []string{"a", "b"}, [][]int{{1, 2}})),
		"ragged":              second(Confusion("t", []string{"a", "b"}, [][]int{{1, 2}, {3}})),
		"negative":            second(Confusion("t", []string{"a"}, [][]int{{-1}})),
		"too many classes":    second(Confusion("t", make([]string, 1000), slices.Repeat([][]int{make([]int, 1000)}, 1000))),
		"no images":           second(ImageGrid("t", 4, nil)),
		"no columns":          second(ImageGrid("t", 0, []Tile{tile(2, 2)})),
		"no pixels":           second(ImageGrid("t", 1, []Tile{{}})),
		"pixels missing":      second(ImageGrid("t", 1, []Tile{{Pixels: make([]byte, 11), Height: 2, Width: 2}})),
		"overflowing size":    second(ImageGrid("t", 1, []Tile{huge})),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := one(Curve{Name: "lopsided", X: []float64{1}, Y: []float64{1, 2}}); !strings.Contains(err.Error(), "lopsided") {
		t.Errorf("got error %q, want one that names the curve", err)
	}
}

func TestOddDataIsDrawn(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	control := "a\x00\n\xff\u2028\ufffe" + strings.Repeat("long ", 200) + strings.Repeat("m", 500)
	for name, y := range map[string][]float64{
		"single":   {2},
		"zero":     {0},
		"constant": {3, 3, 3},
		"gaps":     {nan, 1, nan, inf, 2, 3, -inf},
		"tiny":     {1e-300, 2e-300, 5e-324},
		"huge":     {-1e99, 1e99},
		"beyond":   {1, 1e200, 2},
		"close":    {1, math.Nextafter(1, 2)},
		"negative": {-5, -1},
	} {
		for _, opts := range [][]Option{nil, {LogY()}, {Percent(), Caption(control)}, {YRange(0.5, 0.6)}, {LogX()}} {
			f, err := Curves(control, control, control, []Curve{{Name: control, Y: y, Smooth: 3}, {Name: "b", Y: []float64{1, 2}}}, opts...)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			content := encode(t, f, "svg")
			parseSVG(t, content)
			if bytes.Contains(content, []byte("NaN")) || bytes.Contains(content, []byte("Inf")) {
				t.Errorf("%s: a coordinate is NaN or infinite", name)
			}
		}
	}
}

func TestOddInputIsDrawn(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	control := "a\x00\n\xff\u2028\ufffe" + strings.Repeat("long ", 200) + strings.Repeat("m", 500)
	var bars []Bar
	for i, v := range []float64{1e99, -1e99, 0, nan, inf, 1e-300, 3} {
		bars = append(bars, Bar{Name: control + fmt.Sprint(i), Value: v, Low: -v, High: 2 * v, Label: control[:6*i], Note: control, Group: control[:i%2]})
	}
	many := slices.Repeat([]Bar{{Name: "a", Value: 1}}, 900)
	far := discs(Style{})
	far.Title, far.XLabel, far.Point.Name, far.Regions[0].Name = control, control, control, control
	far.X0, far.X1, far.Y0, far.Y1 = -1e99, 1e99, -1e-99, 1e-99
	beside := discs(Style{})
	beside.Point.X, beside.Regions[1].Mask = -1e50, [][]bool{{false}}
	flat, steep := bowl(9), bowl(9)
	flat.Title = control
	for iy := range flat.Z {
		for ix := range flat.Z[iy] {
			flat.Z[iy][ix], steep.Z[iy][ix] = 2, math.Pow(10, float64(20*ix-80))
		}
	}
	layers := slices.Repeat([]DiagramLayer{{Kind: control, Label: control, Size: control, Group: control}, {}}, 5)
	for name, draw := range map[string]func(...Option) (*Figure, error){
		"bars":     func(o ...Option) (*Figure, error) { return Bars(control, control, bars, o...) },
		"zeros":    func(o ...Option) (*Figure, error) { return Bars("", "", []Bar{{}, {}}, o...) },
		"many":     func(o ...Option) (*Figure, error) { return Bars("", "", many, o...) },
		"regions":  func(o ...Option) (*Figure, error) { return Regions(control, []RegionPanel{far, beside}, o...) },
		"contours": func(o ...Option) (*Figure, error) { return Contours(control, []Surface{flat}, o...) },
		"steep":    func(o ...Option) (*Figure, error) { return Contours("", []Surface{steep, flat}, o...) },
		"diagram": func(o ...Option) (*Figure, error) {
			return Diagram(control, layers, []Link{{0, 9, true, control}, {0, 0, false, control}}, o...)
		},
	} {
		for _, opts := range [][]Option{nil, {LogX(), LogY(), LogZ(), Percent()}, {YRange(0.5, 0.6), AxisLabels(control, control, control)}} {
			f, err := draw(opts...)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			content := encode(t, f, "svg")
			parseSVG(t, content)
			content = embedded.ReplaceAll(content, nil)
			if bytes.Contains(content, []byte("NaN")) || bytes.Contains(content, []byte("Inf")) {
				t.Errorf("%s: a coordinate is NaN or infinite", name)
			}
		}
	}
}

func TestFigureKeepsItsOwnData(t *testing.T) {
	y, classes := []float64{1, 2, 3}, []string{"cat", "dog"}
	counts := [][]int{{1, 2}, {3, 4}}
	picture := tile(2, 2)
	curves, err1 := Curves("t", "x", "y", []Curve{{X: y, Y: y}})
	matrix, err2 := Confusion("t", classes, counts)
	grid, err3 := ImageGrid("t", 1, []Tile{picture})
	heights := []Bar{{Name: "a", Value: 1}, {Name: "b", Value: 2}}
	bars, err4 := Bars("t", "y", heights)
	plane := discs(Style{})
	regions, err5 := Regions("t", []RegionPanel{plane})
	loss := bowl(9)
	surfaces, err6 := Contours("t", []Surface{loss})
	layers, links := network(2, 2)
	net, err7 := Diagram("t", layers, links)
	if err := errors.Join(err1, err2, err3, err4, err5, err6, err7); err != nil {
		t.Fatal(err)
	}
	figures := []*Figure{curves, matrix, grid, bars, regions, surfaces, net}
	var before [][]byte
	for _, f := range figures {
		before = append(before, encode(t, f, "svg"))
	}
	y[1], classes[0], counts[0][0], picture.Pixels[0] = 9, "bird", 9, 9
	heights[0].Value, heights[1].Name = 9, "c"
	layers[0].Label, links[0].Projection = "none", true
	loss.X[0], loss.Z[4][4] = -9, 9
	plane.Point.X, plane.Regions[0].Name, plane.Regions[0].Mask[40][50] = 1, "none", true
	for i, f := range figures {
		if !bytes.Equal(before[i], encode(t, f, "svg")) {
			t.Errorf("figure %d changed when the caller's data changed", i)
		}
	}
}
