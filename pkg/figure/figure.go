// Package figure draws the figures of the course: learning curves, plain against
// residual networks, gradient norms, confusion matrices, grids of images, learning-rate
// schedules, bar charts, regions of a plane, contour maps and diagrams of networks and
// of their modules.
//
// A constructor such as [Curves] checks its data, copies it and lays out the drawing. The
// [Figure] it returns is saved as PNG or SVG, encoded for a notebook, or drawn again in another
// language ([Figure.Translated]). Equal input gives equal bytes. All figures share one style: an
// opaque white background, so that they read the same on paper and in a dark notebook, the colours
// of Okabe and Ito, and a second cue beside every colour (a dash, a line width, a marker, hatching, a lightness) for
// readers who cannot tell the colours apart or print without them.
//
// # The code of colours and dashes
//
// A plain network is orange and a residual one blue, in every figure of the course that
// compares them; the deeper the network, the darker its colour. What is measured on test or
// held-out images is a solid line, and what is measured on training images a dashed one.
// [NetworkStyle] and [Style.Training] are this code, and code.go has its colours.
//
// Other figures, such as those of recipes, learning rates or kinds of residual networks, have
// the colours of the palette, in order. There, a dash or hatching that was not asked for only
// tells series apart.
//
// # Text
//
// Latin, Greek and Cyrillic letters are in Liberation Sans. Other characters come, one by one,
// from the first font that has them: the file that [FontVariable] names, a bundled font for
// Chinese, Japanese and Korean (10,924 characters, with Han characters as in China), and
// well-known fonts of the system. Scripts whose letters join, stand above each other or run
// from right to left cannot be written; [CheckText] says so, [ClassNames] puts numbers in
// their place, and other text gets boxes. In an SVG, text is text, and its viewer finds the
// fonts. Equal input gives equal bytes on another machine only if the system's fonts are not
// needed.
//
// # What is gonum's and what is ours
//
// The axes of every chart are a [plot.Plot]; gonum also aligns the panels, draws the
// legends, the cells of a confusion matrix and the colour bars, interpolates the colour
// maps and clips what lies outside the axes. The rest is hand-written because
//   - plot.Plot has neither wrapped titles and captions nor a legend in columns above
//     the axes (page.go, legend.go);
//   - plot.DefaultTicks labels about three ticks and plot.LogTicks only powers of ten;
//     neither writes percentages, k or M, nor keeps to whole epochs (ticks.go);
//   - plotter.Line rejects NaN, which is a gap in a curve, and keeps every point of a
//     long run, which makes a huge SVG (trace.go);
//   - plotter.BarChart has one colour for all its bars, no hatching and no values above
//     them (bars.go);
//   - plotter.Contour does not expose its lines, so they cannot carry numbers, and
//     plotter.HeatMap draws cells, not a smooth surface (contours.go, isolines.go);
//   - gonum has no palette of Okabe and Ito, no viridis, no grid of images and no
//     diagrams of networks (style.go, colormap.go, images.go, diagram.go).
//
// # Files
//
//	figure.go    Figure: saving and encoding
//	options.go   Option: captions, ranges, logarithmic axes
//	curves.go    Curves, PlainVsResidual, Schedule, GradientNorms
//	trace.go     a curve as a gonum plotter: gaps, smoothing, thinning
//	bars.go      Bars
//	confusion.go Confusion
//	contours.go  Contours; isolines.go computes where lines of equal height run
//	regions.go   Regions
//	images.go    ImageGrid
//	diagram.go   Diagram
//	modules.go   Modules
//	heatmap.go   Colorize, Overlay and HeatScale: pixels for ImageGrid
//	panel.go     axes, and panels side by side
//	ticks.go     ranges and ticks of axes, and how numbers are written
//	names.go     names along an axis, turned where they do not fit
//	legend.go    legends
//	page.go      title, note and caption
//	colormap.go  colour maps and colour bars
//	style.go     colours, dashes, hatching
//	code.go      the colours of plain and residual networks
//	text.go      fonts, measuring, cutting and wrapping
//	glyphs.go    characters that Liberation Sans lacks
//	canvas.go    gonum's canvas in CSS pixels
package figure

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/residual-go/residual/pkg/atomicfile"
)

// Figure is a drawing of a fixed size. The functions of this package make figures; the
// zero Figure is empty and cannot be encoded.
type Figure struct {
	width, height float64 // in CSS pixels
	draw          func(*canvas)
	again         func(opts ...Option) (*Figure, error) // makes the figure with more options
}

// drawn makes a figure with a function that may be called again with other options, so the data
// that it draws must be its own. what is the figure in errors.
func drawn(what string, opts []Option, draw func(options) (*Figure, error)) (*Figure, error) {
	o, err := gather(opts)
	var f *Figure
	if err == nil {
		f, err = draw(o)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	f.again = func(more ...Option) (*Figure, error) { return drawn(what, slices.Concat(opts, more), draw) }
	return f, nil
}

// Translated returns the same figure with its words in another language, laid out for them: the
// words that its constructor was given, and those of this package. translate returns the
// translation of a text, or the text itself if it has none, as for [Translate].
func (f *Figure) Translated(translate func(text string) string) (*Figure, error) {
	if f.again == nil {
		return nil, errors.New("translate figure: the figure is empty")
	}
	return f.again(Translate(translate))
}

// Size returns the width and height of the figure in CSS pixels, 96 to the inch. A PNG
// has twice as many pixels in each direction, so a page that shows one should set this
// size.
func (f *Figure) Size() (width, height int) { return int(f.width), int(f.height) }

// Save writes the figure to every path, as PNG or SVG depending on the extension. Each
// file is written completely or not at all. The folders must exist. If any extension is
// neither .png nor .svg, no file is written.
func (f *Figure) Save(paths ...string) error {
	formats := make([]string, len(paths))
	for i, path := range paths {
		formats[i] = strings.ToLower(strings.TrimPrefix(filepath.Ext(path), "."))
		if formats[i] != "png" && formats[i] != "svg" {
			return fmt.Errorf("save figure %s: the extension is not .png or .svg", path)
		}
	}
	for i, path := range paths {
		err := atomicfile.Write(path, func(w io.Writer) error { return f.Encode(w, formats[i]) })
		if err != nil {
			return fmt.Errorf("save figure: %w", err)
		}
	}
	return nil
}

// Encode writes the figure to w in the given format, "png" or "svg".
func (f *Figure) Encode(w io.Writer, format string) error {
	if f.draw == nil {
		return errors.New("encode figure: the figure is empty")
	}
	if err := CheckFont(); err != nil {
		return fmt.Errorf("encode figure: %w", err)
	}
	var content io.WriterTo
	switch format {
	case "png":
		content = f.png()
	case "svg":
		content = f.svg()
	default:
		return fmt.Errorf("encode figure: format %q, want png or svg", format)
	}
	if _, err := content.WriteTo(w); err != nil {
		return fmt.Errorf("encode figure as %s: %w", format, err)
	}
	return nil
}

func (f *Figure) png() io.WriterTo {
	target := vgimg.NewWith(vgimg.UseWH(px(f.width), px(f.height)), vgimg.UseDPI(dotsPerPixel*96))
	f.drawOn(raster{target})
	return vgimg.PngCanvas{Canvas: target}
}

func (f *Figure) svg() io.WriterTo {
	target := vgsvg.New(px(f.width), px(f.height))
	f.drawOn(target)
	var raw bytes.Buffer
	target.WriteTo(&raw) // a bytes.Buffer does not fail
	// vgsvg calls its PNG images JPEG and lets a viewer keep their proportions, which shrinks a
	// colour bar of one column to a hairline. Text in a figure cannot match: its quotes are escaped.
	repaired := strings.ReplaceAll(raw.String(), `xlink:href="data:image/jpg;`, `preserveAspectRatio="none" xlink:href="data:image/png;`)
	face := tickText().face()
	return strings.NewReader(svgText.ReplaceAllStringFunc(repaired, func(s string) string {
		part := svgText.FindStringSubmatch(s)
		families := `'Liberation Sans',Arial,Helvetica,`
		if strings.ContainsFunc(html.UnescapeString(part[2]), func(r rune) bool { return !has(face, r) }) {
			families += otherFamilies
			part[1] = `font-synthesis-style:none;` + part[1] // no slanted Chinese
		}
		return `style="font-family:` + families + `sans-serif;` + part[1] + `>` + part[2] + `</text>`
	}))
}

// svgText is a text as vgsvg writes it. It names only the font it measured; Arial has the same
// widths.
var svgText = regexp.MustCompile(`style="font-family:Liberation Sans;font-variant:normal;([^"]*")>([^<]*)</text>`)

// otherFamilies are fonts for characters that Liberation Sans lacks.
const otherFamilies = `'Noto Sans CJK SC','Noto Sans SC','Source Han Sans SC','PingFang SC','Hiragino Sans GB',` +
	`'Microsoft YaHei','WenQuanYi Micro Hei',`

func (f *Figure) drawOn(target vg.Canvas) {
	c := &canvas{draw.NewCanvas(target, px(f.width), px(f.height))}
	c.fill(rect{0, 0, f.width, f.height}, white)
	f.draw(c)
}
