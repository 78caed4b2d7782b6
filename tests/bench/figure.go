package main

import (
	"bytes"
	"fmt"
	"image/color"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	stdfont "golang.org/x/image/font"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/font/liberation"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/residual-go/residual/pkg/atomicfile"
	"github.com/residual-go/residual/tests/internal/measure"
)

// saveFigure draws the ratios to PyTorch as bars, into cpu-speed.svg and cpu-speed.png.
func saveFigure(r report, dir string) (paths []string, err error) {
	f := newFigure(r)
	svg, png := filepath.Join(dir, "cpu-speed.svg"), filepath.Join(dir, "cpu-speed.png")
	if err := atomicfile.Write(svg, f.svg); err != nil {
		return nil, err
	}
	return []string{svg, png}, atomicfile.Write(png, f.png)
}

// The look is that of pkg/figure, which has no bars. Lengths are in CSS pixels.
const (
	pageWidth  = 800.0
	margin     = 20.0
	plotLeft   = 75.0
	plotRight  = pageWidth - 30
	plotTop    = 82.0
	plotHeight = 320.0
	plotBottom = plotTop + plotHeight

	titleSize, labelSize, legendSize, tickSize, noteSize = 17.0, 14.0, 13.0, 12.5, 12.0

	leading = 1.35 // of lines of text
)

var (
	white   = color.RGBA{255, 255, 255, 255}
	ink     = color.RGBA{0x1f, 0x23, 0x28, 255}
	softInk = color.RGBA{0x57, 0x5e, 0x67, 255}
	gridInk = color.RGBA{0xe4, 0xe7, 0xeb, 255}
)

// look is a mode's: a colour of Okabe and Ito's, and a hatch for those who do not see it.
type look struct {
	colour color.RGBA
	hatch  bool
}

func lookOf(mode string) look {
	if mode == trainMode {
		return look{color.RGBA{0x00, 0x72, 0xb2, 255}, false}
	}
	return look{color.RGBA{0xd5, 0x5e, 0x00, 255}, true}
}

// figure is the ratios, as groups of bars.
type figure struct {
	title, yLabel string
	caption       []string
	height        float64
	top, step     float64 // of the y axis, which begins at 0
	networks      []string
	modes         []string
	ratios        map[[2]string]*ratio // by network and mode
}

func newFigure(r report) figure {
	f := figure{title: "Speed on the CPU, relative to PyTorch", yLabel: "images per second, over PyTorch's",
		ratios: map[[2]string]*ratio{}}
	high := 1.0
	for _, c := range r.Speed {
		if !slices.Contains(f.networks, c.Network) {
			f.networks = append(f.networks, c.Network)
		}
		if !slices.Contains(f.modes, c.Mode) {
			f.modes = append(f.modes, c.Mode)
		}
		if c.ToPyTorch != nil {
			f.ratios[[2]string{c.Network, c.Mode}] = c.ToPyTorch
			high = max(high, c.ToPyTorch.High)
		}
	}
	f.step = niceStep(high / 6)
	f.top = high * 1.12 // room for a number over the highest bar
	f.caption = lettering{size: noteSize, italic: true}.wrap(caption(r), pageWidth-2*margin)
	f.height = math.Ceil(plotBottom + 34 + float64(len(f.caption))*noteSize*leading + 14)
	return f
}

func caption(r report) string {
	s := fmt.Sprintf("backend %s against %s; float32, %d×%d pixels, batch %d, threads: %d; %s", r.Backend, r.versus(), size, size,
		r.Batch, r.Threads, r.median())
	if r.Rounds > 1 {
		s += ", thin lines from the lowest to the highest"
	}
	return s + "; " + r.Machine.CPU
}

// niceStep returns the smallest of 1, 2 and 5 times a power of ten that is at least raw.
func niceStep(raw float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range [...]float64{1, 2, 5} {
		if m*power >= raw*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

func (f figure) png(w io.Writer) error {
	const dotsPerPixel = 2
	target := vgimg.NewWith(vgimg.UseWH(px(pageWidth), px(f.height)), vgimg.UseDPI(dotsPerPixel*96))
	f.draw(page{target, f.height})
	_, err := vgimg.PngCanvas{Canvas: target}.WriteTo(w)
	return err
}

func (f figure) svg(w io.Writer) error {
	target := vgsvg.New(px(pageWidth), px(f.height))
	f.draw(page{target, f.height})
	var raw bytes.Buffer
	target.WriteTo(&raw) // a bytes.Buffer does not fail
	// vgsvg names the font it measured and no other. Arial has the same widths.
	_, err := strings.NewReplacer(`style="font-family:Liberation Sans;`, `style="font-family:'Liberation Sans',Arial,Helvetica,sans-serif;`).
		WriteString(w, raw.String())
	return err
}

func (f figure) draw(p page) {
	p.fill(box{0, 0, pageWidth, f.height}, white)
	p.text(f.title, margin, margin+0.85*titleSize, lettering{size: titleSize, colour: ink, bold: true})
	f.drawLegend(p)
	f.drawGrid(p)
	f.eachBar(func(x, width float64, l look, r *ratio) { f.drawBar(p, x, width, l, r) })
	p.line(plotLeft, f.y(1), plotRight, f.y(1), reference())
	f.eachBar(func(x, width float64, _ look, r *ratio) { f.drawNumber(p, x+width/2, r) })
	p.line(plotLeft, plotTop, plotLeft, plotBottom, pen{colour: softInk, width: 1})
	p.line(plotLeft, plotBottom, plotRight, plotBottom, pen{colour: softInk, width: 1})
	for i, name := range f.networks {
		p.text(name, plotLeft+(float64(i)+0.5)*f.groupWidth(), plotBottom+8+tickSize, lettering{size: tickSize, colour: softInk, align: 0.5})
	}
	p.turned(f.yLabel, margin+labelSize, (plotTop+plotBottom)/2, lettering{size: labelSize, colour: ink, align: 0.5})
	for i, line := range f.caption {
		up := 14 + float64(len(f.caption)-1-i)*noteSize*leading
		p.text(line, margin, f.height-up, lettering{size: noteSize, colour: softInk, italic: true})
	}
}

// reference is the pen for the line at 1.
func reference() pen { return pen{colour: ink, width: 1.6, dash: []float64{6, 4}} }

func (f figure) drawLegend(p page) {
	const swatch, gap, y = 26.0, 8.0, 62.0
	x := plotLeft
	name := func(s string) {
		l := lettering{size: legendSize, colour: ink}
		p.text(s, x+swatch+gap, y+0.36*legendSize, l)
		x += swatch + gap + l.width(s) + 24
	}
	for _, mode := range f.modes {
		p.bar(box{x, y - 6, x + swatch, y + 6}, lookOf(mode))
		name(modeName(mode))
	}
	p.line(x, y, x+swatch, y, reference())
	name("PyTorch")
}

func (f figure) drawGrid(p page) {
	decimals := max(0, -int(math.Floor(math.Log10(f.step)+1e-9)))
	for i := 0.0; i*f.step <= f.top; i++ {
		y := f.y(i * f.step)
		p.line(plotLeft, y, plotRight, y, pen{colour: gridInk, width: 1})
		p.line(plotLeft-5, y, plotLeft, y, pen{colour: softInk, width: 1})
		p.text(fmt.Sprintf("%.*f", decimals, i*f.step), plotLeft-8, y+0.36*tickSize, lettering{size: tickSize, colour: softInk, align: 1})
	}
}

func (f figure) y(v float64) float64 { return plotBottom - v/f.top*plotHeight }

func (f figure) groupWidth() float64 { return (plotRight - plotLeft) / float64(len(f.networks)) }

// eachBar calls do with the place of every bar that there is.
func (f figure) eachBar(do func(x, width float64, l look, r *ratio)) {
	group := f.groupWidth()
	width := min(60, 0.72*group/float64(len(f.modes)))
	for i, network := range f.networks {
		x := plotLeft + (float64(i)+0.5)*group - width*float64(len(f.modes))/2
		for k, mode := range f.modes {
			if r := f.ratios[[2]string{network, mode}]; r != nil {
				const apart = 3
				do(x+float64(k)*width+apart/2.0, width-apart, lookOf(mode), r)
			}
		}
	}
}

func (f figure) drawBar(p page, x, width float64, l look, r *ratio) {
	p.bar(box{x, f.y(r.Median), x + width, plotBottom}, l)
	if r.Low < r.High {
		p.line(x+width/2, f.y(r.Low), x+width/2, f.y(r.High), pen{colour: ink, width: 1})
	}
}

// drawNumber writes the ratio over its bar. The line at 1 must not run through it.
func (f figure) drawNumber(p page, x float64, r *ratio) {
	l := lettering{size: noteSize, colour: ink, align: 0.5}
	s := measure.Number(r.Median)
	half, base := l.width(s)/2+2, f.y(r.High)-4
	p.fill(box{x - half, base - 0.8*noteSize, x + half, base + 2}, white)
	p.text(s, x, base, l)
}

// px converts CSS pixels to the canvas's unit: 96 to the inch.
func px(v float64) vg.Length { return vg.Length(v) * vg.Inch / 96 }

// page is a canvas in CSS pixels with y downwards.
type page struct {
	vg.Canvas
	height float64
}

// box is an area: left, top, right, bottom.
type box struct{ x0, y0, x1, y1 float64 }

type pen struct {
	colour color.RGBA
	width  float64
	dash   []float64
}

// lettering is the look of a text; align 0 begins at its point, 0.5 is centred, 1 ends
// there.
type lettering struct {
	size         float64
	colour       color.RGBA
	bold, italic bool
	align        float64
}

func (p page) at(x, y float64) vg.Point { return vg.Point{X: px(x), Y: px(p.height - y)} }

func (p page) fill(b box, colour color.RGBA) {
	var path vg.Path
	path.Move(p.at(b.x0, b.y0))
	path.Line(p.at(b.x1, b.y0))
	path.Line(p.at(b.x1, b.y1))
	path.Line(p.at(b.x0, b.y1))
	path.Close()
	p.SetColor(colour)
	p.Fill(path)
}

// bar fills b, with a hatch if the look has one.
func (p page) bar(b box, l look) {
	p.fill(b, l.colour)
	if !l.hatch {
		return
	}
	inside := draw.Canvas{Canvas: p.Canvas, Rectangle: vg.Rectangle{Min: p.at(b.x0, b.y1), Max: p.at(b.x1, b.y0)}}
	width := b.x1 - b.x0
	const apart = 7
	for y := b.y1 + width; y > b.y0; y -= apart {
		for _, part := range inside.ClipLinesXY([]vg.Point{p.at(b.x0, y), p.at(b.x1, y-width)}) {
			p.stroke(part, pen{colour: white, width: 1.4})
		}
	}
}

func (p page) line(x0, y0, x1, y1 float64, pen pen) {
	p.stroke([]vg.Point{p.at(x0, y0), p.at(x1, y1)}, pen)
}

func (p page) stroke(points []vg.Point, pen pen) {
	p.SetColor(pen.colour)
	p.SetLineWidth(px(pen.width))
	dash := make([]vg.Length, len(pen.dash))
	for i, length := range pen.dash {
		dash[i] = px(length)
	}
	p.SetLineDash(dash, 0)
	var path vg.Path
	path.Move(points[0])
	for _, point := range points[1:] {
		path.Line(point)
	}
	p.Stroke(path)
}

// text writes s with its baseline at the point.
func (p page) text(s string, x, y float64, l lettering) {
	p.SetColor(l.colour)
	p.FillString(l.face(), p.at(x-l.align*l.width(s), y), s)
}

// turned writes s upwards.
func (p page) turned(s string, x, y float64, l lettering) {
	p.Push()
	p.SetColor(l.colour)
	p.Translate(p.at(x, y))
	p.Rotate(math.Pi / 2)
	p.FillString(l.face(), vg.Point{X: -px(l.align * l.width(s))}, s)
	p.Pop()
}

// fonts parses the bundled fonts once.
var fonts = sync.OnceValue(func() *font.Cache { return font.NewCache(liberation.Collection()) })

func (l lettering) face() font.Face {
	f := font.Font{Typeface: "Liberation", Variant: "Sans"}
	if l.bold {
		f.Weight = stdfont.WeightBold
	}
	if l.italic {
		f.Style = stdfont.StyleItalic
	}
	return fonts().Lookup(f, px(l.size))
}

func (l lettering) width(s string) float64 {
	face := l.face()
	return float64(face.Width(s) / px(1))
}

// wrap breaks s into lines no wider than width, at spaces.
func (l lettering) wrap(s string, width float64) []string {
	var lines []string
	for _, word := range strings.Fields(s) {
		if n := len(lines); n > 0 && l.width(lines[n-1]+" "+word) <= width {
			lines[n-1] += " " + word
		} else {
			lines = append(lines, word)
		}
	}
	return lines
}
