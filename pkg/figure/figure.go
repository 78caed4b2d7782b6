// Package figure draws the figures of the course: learning curves, plain against
// residual networks, gradient norms, confusion matrices, grids of images, learning
// rate schedules, bars, sets of points in a plane, surfaces over one and networks.
//
// A constructor such as [Curves] checks its data, copies it and lays the drawing out;
// the [Figure] it returns is saved as PNG or SVG, or encoded for a notebook. Equal input
// gives equal bytes. All figures share one style: an opaque white ground, so that they
// read the same on paper and in a dark notebook, the colours of Okabe and Ito, and a
// second cue beside every colour – a dash, a weight, a marker, stripes – for those who do
// not see the colours or print without them.
//
// The drawing is done on gonum/plot's canvases with its Liberation fonts. It does not use
// plot.Plot: legends above the axes, panels with one y axis between them, matrices and
// grids need a layout that Plot does not have.
package figure

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/residual-go/residual/pkg/atomicfile"
)

// Figure is a drawing of a certain size. The functions of this package make them; the
// zero Figure is empty and cannot be encoded.
type Figure struct {
	width, height float64 // in CSS pixels
	draw          func(*canvas)
}

// Size returns the width and height of the figure in CSS pixels, of which there are 96
// to the inch. A PNG has twice as many dots each way, so a page that shows one should
// give it this size.
func (f *Figure) Size() (width, height int) { return int(f.width), int(f.height) }

// Save writes the figure to every path, as PNG or SVG by the path's extension. Each file
// is whole or not there. The folders must exist. No file is written if one of the
// extensions is neither .png nor .svg.
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
		return errors.New("encode figure: it is empty")
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
	f.drawOn(target)
	return vgimg.PngCanvas{Canvas: target}
}

func (f *Figure) svg() io.WriterTo {
	target := vgsvg.New(px(f.width), px(f.height))
	f.drawOn(target)
	var raw bytes.Buffer
	target.WriteTo(&raw) // a bytes.Buffer does not fail
	// vgsvg names the font it measured and no other, and calls its PNG images JPEG. Arial
	// has the same widths. The quotes keep the text of a figure, in which they are
	// escaped, out of reach.
	mended := strings.NewReplacer(
		`style="font-family:Liberation Sans;font-variant:normal;`, `style="font-family:'Liberation Sans',Arial,Helvetica,sans-serif;`,
		`href="data:image/jpg;`, `href="data:image/png;`,
	).Replace(raw.String())
	return strings.NewReader(mended)
}

func (f *Figure) drawOn(target vg.Canvas) {
	c := &canvas{Canvas: target, height: f.height}
	c.fill(rect{0, 0, f.width, f.height}, white)
	f.draw(c)
}
